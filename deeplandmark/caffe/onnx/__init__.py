"""Caffe nets as ONNX models: one exporter for each layer type, a file for each family."""
from deeplandmark.caffe.onnx import convolution       # noqa: F401
from deeplandmark.caffe.onnx import indexing          # noqa: F401
from deeplandmark.caffe.onnx import local_share       # noqa: F401
from deeplandmark.caffe.onnx import neurons           # noqa: F401
from deeplandmark.caffe.onnx import normalise         # noqa: F401
from deeplandmark.caffe.onnx import operands          # noqa: F401
from deeplandmark.caffe.onnx import pooling           # noqa: F401
from deeplandmark.caffe.onnx import recurrent         # noqa: F401
from deeplandmark.caffe.onnx import reduction         # noqa: F401
from deeplandmark.caffe.onnx import shape             # noqa: F401
from deeplandmark.caffe.onnx.export import to_onnx
from deeplandmark.caffe.onnx.registry import exported_types

__all__ = ["exported_types", "to_onnx"]
