"""Where models run: on the processor, or on a GPU that a library here can use."""
import logging
import re
from functools import cache

_LOG = logging.getLogger(__name__)
PROCESSOR, GPU = "CPUExecutionProvider", "CUDAExecutionProvider"     # ONNX Runtime's names


def checked_device(device: str) -> str:
    """"cpu", or "cuda:N" for "cuda" (the first GPU) and "cuda:N". Raises ValueError for anything else."""
    found = re.fullmatch(r"cpu|cuda(?::(\d{1,3}))?", str(device), re.ASCII)
    if not found:
        raise ValueError(f"device {str(device)!r} is unknown (known: cpu, cuda, cuda:N)")
    return "cpu" if device == "cpu" else f"cuda:{int(found[1] or 0)}"


def onnx_has(device: str) -> bool:
    """Whether ONNX Runtime can use a checked device; its package onnxruntime-gpu has GPUs."""
    import onnxruntime
    return device == "cpu" or GPU in onnxruntime.get_available_providers()


def providers_for(device: str) -> list:
    """ONNX Runtime's providers for a checked device: the processor alone, which is said once, where it has no GPU."""
    if device == "cpu":
        return [PROCESSOR]
    if not onnx_has(device):
        say_once(f"{device}: ONNX Runtime has no GPU here (onnxruntime-gpu in the place of onnxruntime brings it); "
                 "the processor is used")
        return [PROCESSOR]
    return [(GPU, {"device_id": int(device.partition(":")[2])}), PROCESSOR]


@cache
def say_once(text: str) -> None:
    """A warning for people, once in a process."""
    _LOG.warning("%s", text)
