"""Layers that choose rows by number (layers/indexing.py); indices are not checked by the exported model."""
from onnx import TensorProto

from deeplandmark.caffe.onnx.registry import exporter


@exporter("BatchReindex")
def batch_reindex(b, layer, x, index):
    return b.node("Gather", x, _whole(b, index))


@exporter("Filter")
def filter_(b, layer, *bottoms):
    *rows, selector = bottoms
    chosen = b.node("Not", b.node("Equal", b.reshape(selector, selector.shape[:1]), 0.0))
    return [b.node("Compress", x, chosen, axis=0) for x in rows]


@exporter("Embed")
def embed(b, layer, index):
    y = b.node("Gather", b.blob(layer, 0), _whole(b, index))
    return b.node("Add", y, b.blob(layer, 1)) if len(layer.blobs) > 1 else y


def _whole(b, index):
    return b.node("Cast", index, to=TensorProto.INT64)
