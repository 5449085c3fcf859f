"""Training of one of MTCNN's networks by Caffe's solver, which goes on from its newest snapshot; its ONNX model."""
from pathlib import Path

from deeplandmark.caffe import to_onnx
from deeplandmark.caffe.logs.log import Log
from deeplandmark.caffe.onnx.any_size import for_any_size
from deeplandmark.caffe.solvers import Monitor, get_solver
from deeplandmark.caffe.solvers.ranks import local_device
from deeplandmark.training.network_training import Folders, NetworkTraining, TrainingError
from deeplandmark.training.samples_mark import prepared
from deeplandmark.training.together import helping
from deeplandmark.work.progress import Progress
from deeplandmark.work.whole_file import write_bytes


def train_net(net, folders=Folders(), device="cpu", ranks=None):
    """Trains a network, unless it is trained already from the same samples, prototxt and solver.

    Writes `model/{p,r,o}.prototxt`, `.caffemodel` and `.onnx`, which `detectors.MtcnnDetector` reads, and
    `log/{p,r,o}.log`.

    Parameters
    ----------
    net : CascadeNet
    folders : Folders
    device : str
    ranks : Ranks, optional
        Which help, this being the first of them, while they `follow`.

    Returns
    -------
    Path of the .onnx

    Raises
    ------
    TrainingError
        If its samples are missing.
    CaffeError
        For prototxt that is missing or wrong, and when the loss is not finite.
    """
    if prepared(folders.train, net.name) is None:
        raise TrainingError(f"{folders.train}/{net.name}: no samples; make them first")
    training = NetworkTraining(net, None, folders)
    training.begin()
    if not training.state.done:
        training.save_state()
        Path(folders.log).mkdir(parents=True, exist_ok=True)
        param = training.solver_param()
        shown = Progress("iterations", param.max_iter, f"training {net.name}", training.iteration())
        with helping(ranks, [param], device):
            solver = get_solver(param, device=local_device(device), log=Log(str(training.log), stderr=False))
            solver.add_monitor(_Shown(shown))
            solver.keeps_place, solver.ranks = True, ranks
            solver.solve(training.resume_file())
        shown.clear()
        training.finish()
    else:
        training.publish_deploy()
    return export_net(net, folders.model)


def export_net(net, model="model"):
    """The ONNX model of a trained network in its folder; in any size where the row says so. Returns its Path."""
    stem = Path(model, net.name)
    found = to_onnx(f"{stem}.prototxt", f"{stem}.caffemodel")
    found = for_any_size(found) if net.any_size else found
    write_bytes(f"{stem}.onnx", found.SerializeToString(deterministic=True))
    return Path(f"{stem}.onnx")


class _Shown(Monitor):
    def __init__(self, progress):
        self._progress = progress

    def on_iteration(self, solver, iter, loss):
        self._progress.reach(iter)
