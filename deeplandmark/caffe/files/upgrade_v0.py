"""V0 layers (2013: one flat message for all types, padding as a layer of its own) turned into V1 layers."""
from deeplandmark.caffe.errors import PrototxtError
from deeplandmark.caffe.proto import caffe_pb2

# V0 type -> (V1 enum name, the V1 message that takes its settings)
_TYPES = {
    "accuracy": ("ACCURACY", None), "bnll": ("BNLL", None), "concat": ("CONCAT", "concat_param"),
    "conv": ("CONVOLUTION", "convolution_param"), "data": ("DATA", "data_param"),
    "dropout": ("DROPOUT", "dropout_param"), "euclidean_loss": ("EUCLIDEAN_LOSS", None),
    "flatten": ("FLATTEN", None), "hdf5_data": ("HDF5_DATA", "hdf5_data_param"),
    "hdf5_output": ("HDF5_OUTPUT", "hdf5_output_param"), "im2col": ("IM2COL", "convolution_param"),
    "images": ("IMAGE_DATA", "image_data_param"), "infogain_loss": ("INFOGAIN_LOSS", "infogain_loss_param"),
    "innerproduct": ("INNER_PRODUCT", "inner_product_param"), "lrn": ("LRN", "lrn_param"),
    "multinomial_logistic_loss": ("MULTINOMIAL_LOGISTIC_LOSS", None), "pool": ("POOLING", "pooling_param"),
    "relu": ("RELU", None), "sigmoid": ("SIGMOID", None), "softmax": ("SOFTMAX", None),
    "softmax_loss": ("SOFTMAX_LOSS", None), "split": ("SPLIT", None), "tanh": ("TANH", None),
    "window_data": ("WINDOW_DATA", "window_data_param")}

# V0 field -> name in the V1 message, where they differ
_RENAMED = {"biasterm": "bias_term", "kernelsize": "kernel_size", "batchsize": "batch_size",
            "shuffle_images": "shuffle", "det_fg_threshold": "fg_threshold", "det_bg_threshold": "bg_threshold",
            "det_fg_fraction": "fg_fraction", "det_context_pad": "context_pad", "det_crop_mode": "crop_mode"}
_TRANSFORM = {"scale": "scale", "meanfile": "mean_file", "cropsize": "crop_size", "mirror": "mirror"}
_KEPT = ("blobs", "blobs_lr", "weight_decay")


def upgrade_v0(net):
    """Turns every V0 layer of `net.layers` into a V1 layer, in place.

    Raises
    ------
    PrototxtError
        For an unknown V0 type, a setting its type never had, or a padding layer not before conv or pool.
    """
    layers = [_upgrade_layer(old) for old in _without_padding(net)]
    net.ClearField("layers")
    net.layers.extend(layers)


def _without_padding(net):
    """The V0 layers with every padding layer folded into the convolution or pooling after it."""
    padding, kept = {}, []
    for old in net.layers:
        if not old.HasField("layer"):
            raise PrototxtError(f"layer {old.name!r}: V0 and V1 layers in one net")
        if old.layer.type == "padding":
            if len(old.bottom) != 1 or len(old.top) != 1:
                raise PrototxtError(f"padding layer {old.layer.name!r} needs one bottom and one top")
            padding[old.top[0]] = (old.bottom[0], old.layer.pad)
            continue
        copy = caffe_pb2.V1LayerParameter()
        copy.CopyFrom(old)
        for index, blob in enumerate(old.bottom):
            if blob in padding:
                if old.layer.type not in ("conv", "pool"):
                    raise PrototxtError(f"layer {old.layer.name!r}: a padding layer may only stand before conv or pool")
                copy.bottom[index], copy.layer.pad = padding[blob]
        kept.append(copy)
    return kept


def _upgrade_layer(old):
    v0 = old.layer
    new = caffe_pb2.V1LayerParameter(name=v0.name, bottom=old.bottom, top=old.top)
    if v0.type not in _TYPES:
        raise PrototxtError(f"layer {v0.name!r}: unknown V0 type {v0.type!r} (known: {', '.join(sorted(_TYPES))})")
    enum_name, settings = _TYPES[v0.type]
    new.type = new.LayerType.Value(enum_name)
    for field, value in v0.ListFields():
        if field.name in _KEPT:
            getattr(new, field.name).extend(value)
        elif field.name in _TRANSFORM:
            setattr(new.transform_param, _TRANSFORM[field.name], value)
        elif field.name == "hdf5_output_param":
            new.hdf5_output_param.CopyFrom(value)
        elif field.name not in ("name", "type"):
            _set(new, settings, _RENAMED.get(field.name, field.name), value)
    return new


def _set(layer, settings, name, value):
    """Sets one field of the V1 settings message, whether it is single, repeated or a message there."""
    message = getattr(layer, settings) if settings else None
    field = message.DESCRIPTOR.fields_by_name.get(name) if settings else None
    if field is None:
        raise PrototxtError(f"layer {layer.name!r}: setting {name!r} has no meaning for its type")
    if field.is_repeated:
        getattr(message, name).append(value)
    elif field.message_type:
        getattr(message, name).CopyFrom(value)
    else:
        setattr(message, name, value)
