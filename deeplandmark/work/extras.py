"""How to install what a part of the package needs beyond numpy, OpenCV and ONNX Runtime: the extras of setup.cfg."""


def install(*extras: str) -> str:
    """The command that installs extras, in words for an error message. The package is on no index: it comes from a
    clone, and so do they."""
    return f'pip install ".[{",".join(extras)}]" in the clone of deeplandmark'
