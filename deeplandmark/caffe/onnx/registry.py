"""The table from Caffe's `type` strings to the functions that write a layer as ONNX nodes."""
_EXPORTERS = {}


def exporter(*type_names):
    """Registers `export(b, layer, *bottoms)` for layer types; a second one for a type is refused.

    b is the GraphBuilder (b.tops: the shapes of the layer's tops), layer the layer object, each bottom a Value. The
    function returns the name of the value of its top, or a list of names, one for each top.
    """
    def add(function):
        for name in type_names:
            if name in _EXPORTERS:
                raise ValueError(f"layer type {name!r} has two exporters: {_EXPORTERS[name]} and {function}")
            _EXPORTERS[name] = function
        return function
    return add


def exported_types():
    """Names of the layer types that can be exported, a sorted list of str.

    Data layers besides become inputs of the model.
    """
    return sorted(_EXPORTERS)


def find_exporter(layer):
    """The exporter of a layer; a NetError names layer and type where there is none."""
    if layer.param.type not in _EXPORTERS:
        layer.fail(f"type {layer.param.type!r} cannot be exported to ONNX (types that can: "
                   f"{', '.join(exported_types())})")
    return _EXPORTERS[layer.param.type]
