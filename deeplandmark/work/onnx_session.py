"""A model for ONNX Runtime, opened in one way: one thread, silent, errors in words."""
from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def open_session(model: str | os.PathLike | bytes, place: str | os.PathLike | None = None,
                 error: type[Exception] = ValueError) -> Any:
    """The onnxruntime.InferenceSession of an .onnx file, or of its bytes.

    One thread: inside the small networks here there is too little work to divide, and pictures run in parallel.

    Parameters
    ----------
    model : path or bytes
    place : path, optional
        What errors name; by default the path.
    error : type of Exception
        What is raised.

    Raises
    ------
    error
        If the file cannot be read, or is no model that ONNX Runtime reads.
    """
    import onnxruntime  # late: Haar and given boxes need none

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4                             # errors are raised; they and warnings would go to stderr
    place = place or (model if not isinstance(model, bytes) else "the model")
    try:
        data = model if isinstance(model, bytes) else Path(model).read_bytes()
    except OSError as reason:
        raise error(f"{place}: cannot be read ({reason.strerror})") from None
    try:
        return onnxruntime.InferenceSession(data, options, ["CPUExecutionProvider"])
    except Exception as reason:                                  # ONNX Runtime's own have no common base
        raise error(f"{place}: not a model that ONNX Runtime can read ({str(reason).splitlines()[0][:120]})") from None
