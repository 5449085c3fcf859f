"""Labels of classes, which a net's blobs hold as float32."""
import torch


def checked_labels(layer, labels, classes, ignore_label=None):
    """Labels as int64, cut like C's casts; a NetError that names the layer for one outside 0..classes-1 that is not
    ignore_label. Caffe checks it in a debug build alone and else reads beyond its arrays."""
    found = labels.detach().long()
    wrong = (found < 0) | (found >= classes)
    if ignore_label is not None:
        wrong &= found != ignore_label
    # Neither an exported graph nor shapes alone can be looked at.
    if not (wrong.is_meta or torch.compiler.is_compiling()) and wrong.any():
        layer.fail(f"label {labels[wrong][0].item():g} is not one of the {classes} classes 0..{classes - 1}")
    return found
