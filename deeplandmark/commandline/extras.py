"""What to install when a module is missing: the extras of setup.cfg and the modules that they bring."""
import sys

from deeplandmark.work.extras import install

MODULES = {"torch": "train", "h5py": "train", "onnx": "train", "google": "train", "jinja2": "train",
           "matplotlib": "train",
           "lmdb": "database", "plyvel": "database",
           "ray": "cluster", "pyarrow": "cluster",
           "ai_edge_litert": "annotate", "shtab": "completion", "tensorboard": "tensorboard",
           "starlette": "web", "uvicorn": "web", "python_multipart": "web"}


def advice(error):
    """One line about an ImportError that an extra would have prevented; None for any other."""
    if "pip install" in str(error):                              # it says so itself
        return " ".join(str(error).split())
    module = (error.name or "").partition(".")[0]
    return f"{module} is not installed: {install(MODULES[module])}" if module in MODULES else None


def refuse(command, error):
    """Says on stderr what a command is missing and returns its status; raises an ImportError that no extra explains."""
    if advice(error) is None:
        raise error
    print(f"{command}: {advice(error)}", file=sys.stderr)
    return 1
