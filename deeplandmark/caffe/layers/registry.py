"""The table from Caffe's `type` strings to the classes that implement them."""
from deeplandmark.caffe.errors import NetError

_LAYERS = {}


def layer(type_name):
    """Registers the class that implements one Caffe layer type, as REGISTER_LAYER_CLASS does (layer_factory.hpp).

    Raises
    ------
    ValueError
        For a type that is there already.
    """
    def add(cls):
        if type_name in _LAYERS:
            raise ValueError(f"layer type {type_name!r} is registered twice: {_LAYERS[type_name]} and {cls}")
        _LAYERS[type_name] = cls
        return cls
    return add


def layer_type_list() -> list[str]:
    """Names of the known layer types as a sorted list of str, as pycaffe's layer_type_list."""
    return sorted(_LAYERS)


def create_layer(param, phase, context):
    """The layer object of a LayerParameter.

    Raises
    ------
    NetError
        For an unknown type, together with the known ones.
    """
    if param.type not in _LAYERS:
        raise NetError(f"unknown type {param.type!r} (known: {', '.join(layer_type_list())})", layer=param.name)
    return _LAYERS[param.type](param, phase, context)
