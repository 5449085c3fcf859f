"""Detectors by name, those among them whose networks are Caffe's: the public models of MTCNN."""
from __future__ import annotations

import os
from functools import partial

from deeplandmark import detectors
from deeplandmark.work.extras import install


def upright_onnx(prototxt: str | os.PathLike[str], caffemodel: str | os.PathLike[str], any_size: bool = False) -> bytes:
    """An ONNX model of a Caffe network that sees pictures transposed, as Matlab hands them over: kernels and fully
    connected weights are transposed instead, so that it takes upright pictures and its maps are upright.

    `any_size` leaves the picture's size open. Raises CaffeError for files that are none, and ImportError without the
    extra [train].
    """
    try:
        from deeplandmark.caffe import TEST, Net, to_onnx
        from deeplandmark.caffe.onnx.any_size import for_any_size
    except ImportError as error:
        raise ImportError(f"{caffemodel}: Caffe models need {error.name}: {install('train')}") from None
    net = Net(str(prototxt), str(caffemodel), TEST)
    for name, blobs in net.params.items():
        weights = blobs[0].data
        if weights.ndim == 4:
            blobs[0].data = weights.swapaxes(2, 3).copy()
        elif weights.ndim == 2:
            maps = net.blobs[net.bottom_names[name][0]].data.shape[1:]
            upright = weights.reshape(len(weights), *maps)
            blobs[0].data = (upright.swapaxes(2, 3) if len(maps) == 3 else upright).reshape(weights.shape)
    model = to_onnx(str(prototxt), net.to_proto())
    return (for_any_size(model) if any_size else model).SerializeToString()


load_detector = partial(detectors.load_detector, convert=upright_onnx)
