"""Loss curves as TensorBoard scalars: one run for each network, so that TensorBoard draws them together by tag."""

import glob
import os

from deeplandmark.caffe.errors import CaffeError
from deeplandmark.caffe.logs.loss_curves import file_stem
from deeplandmark.work.extras import install

_SUFFIX = ".deeplandmark"  # marks the event files written here, which a later call replaces


def write_tensorboard(curves, out_dir):
    """Writes the LossCurves into `out_dir`, a folder for each network; returns the folders.

    Tags are loss/test, loss/train (the displayed mean) and loss/train_batch; steps are iterations. Values that are not
    finite are written, too: TensorBoard marks them. What an earlier call wrote for the same networks is replaced.

    Raises
    ------
    CaffeError
        If TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise CaffeError(f"TensorBoard is not installed: {install('train', 'tensorboard')}") from None
    folders = []
    for curve in curves:
        folder = os.path.join(out_dir, file_stem(curve.name))
        for path in glob.glob(os.path.join(glob.escape(folder), f"events.out.tfevents.*{_SUFFIX}")):
            os.remove(path)
        with SummaryWriter(folder, filename_suffix=_SUFFIX) as writer:
            for tag, iters, losses in (("test", curve.test_iter, curve.test_loss),
                                       ("train", curve.smoothed_iter, curve.smoothed_loss),
                                       ("train_batch", curve.train_iter, curve.train_loss)):
                for iteration, loss in zip(iters.tolist(), losses.tolist()):
                    writer.add_scalar(f"loss/{tag}", loss, iteration)
        folders.append(folder)
    return folders
