"""Caffe nets as ONNX models: one exporter for each layer type, a file for each family."""
from deeplandmark.caffe.onnx import (
    convolution,  # noqa: F401
    flow,  # noqa: F401
    forks,  # noqa: F401
    indexing,  # noqa: F401
    local_share,  # noqa: F401
    neuron,  # noqa: F401
    normalise,  # noqa: F401
    operands,  # noqa: F401
    point_patches,  # noqa: F401
    point_sift,  # noqa: F401
    pooling,  # noqa: F401
    recurrent,  # noqa: F401
    reduction,  # noqa: F401
    shape,  # noqa: F401
    similarity,  # noqa: F401
    soft_argmax,  # noqa: F401
)
from deeplandmark.caffe.onnx.export import to_onnx
from deeplandmark.caffe.onnx.registry import exported_types

__all__ = ["exported_types", "to_onnx"]
