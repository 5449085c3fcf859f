"""The table from Caffe's `type` strings to the classes that implement them, and what all such tables have in common."""
from deeplandmark.caffe.errors import NetError


class Registry(dict):
    """From layer types to one of their forms: `TABLE.register("ReLU")` above a class or function enters it.

    A layer type has up to four forms: the layer itself (this file), as ONNX nodes (caffe/onnx/), of many equal nets
    that train as one (caffe/stacked/), and of a cascade that is one ONNX graph (cascade/onnx/). docs/caffe.md tells
    which type has which.

    Parameters
    ----------
    form : str
        What is entered, for the error.
    """

    def __init__(self, form):
        super().__init__()
        self.form = form

    def register(self, *type_names):
        """Enters what stands below for layer types. Raises ValueError naming a type that has an entry already."""
        def add(entry):
            for name in type_names:
                if name in self:
                    raise ValueError(f"layer type {name!r} has two {self.form}: {self[name]} and {entry}")
                self[name] = entry
            return entry
        return add


LAYERS = Registry("classes")
_CLIPS = ("{type} of C3D, which reads videos, is not covered: give its clips (N, C, length, height, width) and labels "
          "by an Input or HDF5Data layer with the same tops")
_REFUSED = {"VideoData": _CLIPS, "VolumeData": _CLIPS}           # known, and what to do instead
layer = LAYERS.register             # stands above a layer's class, as REGISTER_LAYER_CLASS below it (layer_factory.hpp)


def layer_type_list() -> list[str]:
    """Names of the known layer types as a sorted list of str, as pycaffe's layer_type_list."""
    return sorted(LAYERS)


def create_layer(param, phase, context):
    """The layer object of a LayerParameter.

    Raises
    ------
    NetError
        For an unknown type, together with the known ones, and for one that is known and not covered.
    """
    if param.type in _REFUSED and param.type not in LAYERS:
        raise NetError(_REFUSED[param.type].format(type=param.type), layer=param.name)
    if param.type not in LAYERS:
        raise NetError(f"unknown type {param.type!r} (known: {', '.join(layer_type_list())}; "
                       "caffe.register_layer adds one)", layer=param.name)
    return LAYERS[param.type](param, phase, context)
