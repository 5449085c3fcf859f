"""The table from Caffe's `type` strings to the functions that write a layer as ONNX nodes.

`@exporter("ReLU")` stands above `export(b, layer, *bottoms)`: b is the GraphBuilder (b.tops: the shapes of the layer's
tops), layer the layer object, each bottom a Value. The function returns the name of the value of its top, or a list of
names, one for each top.
"""
from deeplandmark.caffe.layers.registry import Registry

EXPORTERS = Registry("exporters")
exporter = EXPORTERS.register


def exported_types():
    """Names of the layer types that can be exported, a sorted list of str.

    Data layers besides become inputs of the model.
    """
    return sorted(EXPORTERS)


def find_exporter(layer):
    """The exporter of a layer; a NetError names layer and type where there is none."""
    if layer.param.type not in EXPORTERS:
        layer.fail(f"type {layer.param.type!r} cannot be exported to ONNX (types that can: "
                   f"{', '.join(exported_types())})")
    return EXPORTERS[layer.param.type]
