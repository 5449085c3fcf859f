"""Split layers where a blob is used more than once, named exactly as Caffe names them (insert_splits.cpp).

Snapshots contain these layers, so their names are part of the file format.
"""
from collections import defaultdict

from deeplandmark.caffe.errors import NetError
from deeplandmark.caffe.proto import caffe_pb2


def insert_splits(layers):
    """(layer, line) pairs with a Split behind every top that has more than one use; a loss weight is a use, too.

    Raises
    ------
    NetError
        For a bottom that no layer before makes.
    """
    sources, uses = _find_uses(layers)
    next_use = defaultdict(int)
    result = []
    for i, (original, line) in enumerate(layers):
        layer = caffe_pb2.LayerParameter()
        layer.CopyFrom(original)
        result.append((layer, line))
        for j, blob in enumerate(original.bottom):
            source = sources[i, j]
            if len(uses[source]) > 1:
                layer.bottom[j] = _split_blob(layers[source[0]][0].name, blob, source[1], next_use[source])
                next_use[source] += 1
        for j, blob in enumerate(original.top):
            if len(uses[i, j]) > 1:
                loss_weight = next((weight for weight in uses[i, j] if weight), 0)
                result.append((_split_layer(original.name, blob, j, len(uses[i, j]), loss_weight), line))
                if loss_weight:
                    layer.ClearField("loss_weight")
                    next_use[i, j] += 1
    return result


def _find_uses(layers):
    """(bottom position -> top position, top position -> list of uses); a use is 0 or a loss weight."""
    last_top, sources, uses = {}, {}, defaultdict(list)
    for i, (layer, line) in enumerate(layers):
        for j, blob in enumerate(layer.bottom):
            if blob not in last_top:
                known = ", ".join(last_top) or "none"
                raise NetError(f"unknown bottom blob {blob!r}, bottom index {j} (blobs made before: {known})",
                               layer=layer.name, line=line)
            sources[i, j] = last_top[blob]
            uses[last_top[blob]].append(0)
        for j, blob in enumerate(layer.top):
            last_top[blob] = (i, j)
        for j, weight in enumerate(layer.loss_weight[:len(layer.top)]):
            if weight:
                uses[i, j].append(weight)
    return sources, uses


def _split_layer(layer_name, blob, index, count, loss_weight):
    split = caffe_pb2.LayerParameter(name=f"{blob}_{layer_name}_{index}_split", type="Split", bottom=[blob])
    split.top.extend(_split_blob(layer_name, blob, index, k) for k in range(count))
    if loss_weight:
        split.loss_weight.extend([loss_weight] + [0.0] * (count - 1))
    return split


def _split_blob(layer_name, blob, index, use):
    return f"{blob}_{layer_name}_{index}_split_{use}"
