"""torch's part in the choice of a device (see work/device.py)."""
from importlib.util import find_spec

from deeplandmark.work.device import onnx_has, say_once


def torch_alone_has(device):
    """Whether torch can use a checked device and ONNX Runtime cannot."""
    return not onnx_has(device) and _torch_has_gpu()


def torch_device(device):
    """The checked device, or the processor, which is said once, where torch has no GPU."""
    if device == "cpu" or _torch_has_gpu():
        return device
    say_once(f"{device}: torch has no GPU here; the processor is used")
    return "cpu"


def _torch_has_gpu():
    if find_spec("torch") is None:
        return False
    import torch
    return torch.cuda.is_available()
