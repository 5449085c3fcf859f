"""Loss curves as TensorBoard scalars: one run for each network, so that TensorBoard draws them together by tag."""

import glob
import os

from deeplandmark.caffe.errors import CaffeError
from deeplandmark.caffe.logs.loss_curves import file_stem
from deeplandmark.work.extras import install

TAGS = {"loss/test": "test_loss", "loss/train": "smoothed_loss", "loss/train_batch": "train_loss",
        "error/test": "error", "error_percent/test": "error_percent"}
_SUFFIX = ".deeplandmark"  # marks the event files written here, which a later call replaces


def write_tensorboard(curves, out_dir):
    """Writes the LossCurves into `out_dir`, a folder for each network; returns the folders.

    Tags are loss/test, loss/train (the displayed mean), loss/train_batch, error/test and error_percent/test; steps are
    iterations. Values that are not finite are written, too: TensorBoard marks them. What an earlier call wrote for the
    same networks is replaced.

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
            for tag, name in TAGS.items():
                iters, values = getattr(curve, name)
                for iteration, value in zip(iters.tolist(), values.tolist()):
                    writer.add_scalar(tag, value, iteration)
        folders.append(folder)
    return folders
