"""The whole cascade as one ONNX graph: picture and boxes in, points out (needs the extra [train] to be written)."""
from deeplandmark.cascade.onnx.export import export_cascade

__all__ = ["export_cascade"]
