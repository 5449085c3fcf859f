"""Layers that choose rows by number (layers/indexing.py); indices are not checked by the exported model."""
from onnx import TensorProto

from deeplandmark.caffe.onnx.registry import exporter


@exporter("BatchReindex")
def batch_reindex(b, layer, x, index):
    """A Gather of the rows that index (M,) names, cast to int64."""
    return b.node("Gather", x, _whole(b, index))


@exporter("Filter")
def filter_(b, layer, *bottoms):
    """A Compress of every bottom but the last, where the selector (N,) is not 0."""
    *rows, selector = bottoms
    chosen = b.node("Not", b.node("Equal", b.reshape(selector, selector.shape[:1]), 0.0))
    return [b.node("Compress", x, chosen, axis=0) for x in rows]


@exporter("Embed")
def embed(b, layer, index):
    """A Gather from the table (input_dim, num_output), plus the bias."""
    y = b.node("Gather", b.blob(layer, 0), _whole(b, index))
    return b.node("Add", y, b.blob(layer, 1)) if len(layer.blobs) > 1 else y


def _whole(b, index):
    return b.node("Cast", index, to=TensorProto.INT64)
