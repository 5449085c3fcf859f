"""Old net definitions turned into today's: V0 and V1 layers, `input` fields, transform settings, BatchNorm params.

Applied to every message that is read, text or binary (upgrade_proto.cpp gives the rules).
"""
from deeplandmark.caffe.errors import PrototxtError
from deeplandmark.caffe.files.upgrade_v0 import upgrade_v0
from deeplandmark.caffe.proto import caffe_pb2

# Names that are not the enum name in camel case.
_SPECIAL_TYPES = {
    "ABSVAL": "AbsVal", "ARGMAX": "ArgMax", "BNLL": "BNLL", "HDF5_DATA": "HDF5Data", "HDF5_OUTPUT": "HDF5Output",
    "IM2COL": "Im2col", "LRN": "LRN", "MVN": "MVN", "RELU": "ReLU", "SOFTMAX_LOSS": "SoftmaxWithLoss", "TANH": "TanH",
    "CONVOLUTION3D": "Convolution3D", "POOLING3D": "Pooling3D"}
_DATA_PARAMS = {"Data": "data_param", "ImageData": "image_data_param", "ImageFloatData": "image_data_param",
                "ImageSegData": "image_data_param", "WindowData": "window_data_param"}
_TRANSFORM_FIELDS = ("scale", "mean_file", "crop_size", "mirror")


def upgrade_net(net):
    """Upgrades a NetParameter in place and returns it.

    Raises
    ------
    PrototxtError
        For V0 or V1 fields that have no counterpart today.
    """
    if net.layers and net.layer:
        raise PrototxtError("'layer' and 'layers' fields in one net: use 'layer'")
    if any(layer.HasField("layer") for layer in net.layers):
        upgrade_v0(net)
    for old in net.layers:
        _upgrade_v1_layer(old, net.layer.add())
    net.ClearField("layers")
    for layer in net.layer:
        _upgrade_transform(layer)
        _upgrade_batch_norm(layer)
    _upgrade_input(net)
    return net


def upgrade_solver(solver):
    """Turns the enum `solver_type` of a SolverParameter into `type`, in place, and returns it.

    A PrototxtError where both are given.
    """
    if solver.HasField("solver_type"):
        if solver.HasField("type"):
            raise PrototxtError("a solver has either 'type' or the old 'solver_type', not both")
        names = {"SGD": "SGD", "NESTEROV": "Nesterov", "ADAGRAD": "AdaGrad", "RMSPROP": "RMSProp",
                 "ADADELTA": "AdaDelta", "ADAM": "Adam"}
        solver.type = names[solver.SolverType.Name(solver.solver_type)]
        solver.ClearField("solver_type")
    return solver


def v1_type_name(number):
    """Today's type string of a V1 layer type (int), '' for NONE (upgrade_proto.cpp, UpgradeV1LayerType)."""
    name = caffe_pb2.V1LayerParameter.LayerType.Name(number)
    if name == "NONE":
        return ""
    return _SPECIAL_TYPES.get(name) or "".join(part.capitalize() for part in name.split("_"))


def _upgrade_v1_layer(old, new):
    if old.HasField("type"):
        new.type = v1_type_name(old.type)
    _upgrade_param_specs(old, new)
    for field, value in old.ListFields():
        if field.name in ("type", "param", "blob_share_mode", "blobs_lr", "weight_decay"):
            continue
        if field.name == "layer":
            raise PrototxtError(f"layer {old.name!r}: a V0 layer inside a V1 layer")
        if field.is_repeated:
            getattr(new, field.name).extend(value)
        elif field.message_type:
            getattr(new, field.name).CopyFrom(value)
        else:
            setattr(new, field.name, value)


def _upgrade_param_specs(old, new):
    """param, blob_share_mode, blobs_lr and weight_decay were parallel lists; now one ParamSpec holds them."""
    for source, target in (("param", "name"), ("blob_share_mode", "share_mode"),
                           ("blobs_lr", "lr_mult"), ("weight_decay", "decay_mult")):
        for index, value in enumerate(getattr(old, source)):
            while len(new.param) <= index:
                new.param.add()
            setattr(new.param[index], target, value)


def _upgrade_transform(layer):
    """Scale, mean file, crop and mirror once stood in the data layer's own settings."""
    name = _DATA_PARAMS.get(layer.type)
    if not name or not layer.HasField(name):
        return
    old = getattr(layer, name)
    for field in _TRANSFORM_FIELDS:
        if old.HasField(field):
            setattr(layer.transform_param, field, getattr(old, field))
            old.ClearField(field)


def _upgrade_batch_norm(layer):
    """BatchNorm statistics were once protected by three ParamSpecs; whatever they say, the rate is zero."""
    if layer.type == "BatchNorm" and len(layer.param) == 3:
        for spec in layer.param:
            spec.lr_mult = spec.decay_mult = 0.0


def _upgrade_input(net):
    """`input` with `input_shape` or `input_dim` becomes an Input layer in front."""
    if net.input and (net.input_shape or net.input_dim):
        if net.input_shape and len(net.input_shape) != len(net.input):
            raise PrototxtError(f"{len(net.input)} inputs but {len(net.input_shape)} input_shape")
        if not net.input_shape and len(net.input_dim) != 4 * len(net.input):
            raise PrototxtError(f"{len(net.input)} inputs need {4 * len(net.input)} input_dim, "
                                f"found {len(net.input_dim)}")
        layer = caffe_pb2.LayerParameter(name="input", type="Input", top=net.input)
        for index in range(len(net.input)):
            dims = net.input_shape[index].dim if net.input_shape else net.input_dim[4 * index:4 * index + 4]
            layer.input_param.shape.add(dim=dims)
        layers = [layer, *net.layer]
        net.ClearField("layer")
        net.layer.extend(layers)
    for field in ("input", "input_shape", "input_dim"):
        net.ClearField(field)
