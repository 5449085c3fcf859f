"""Parameters that several layers share by name, and the multipliers of each (net.cpp, AppendParam)."""
import math
from dataclasses import dataclass, field

from deeplandmark.caffe.errors import NetError
from deeplandmark.caffe.proto import caffe_pb2


@dataclass
class ParamTable:
    """The parameters a solver works on: owners only, in the order of the layers.

    Attributes
    ----------
    learnable : list of torch.nn.Parameter
    lr_mult, decay_mult : list of float, parallel to `learnable`
    owned : set of (node index, blob index)
        Blobs that are not borrowed from an earlier layer.
    """
    learnable: list = field(default_factory=list)
    lr_mult: list = field(default_factory=list)
    decay_mult: list = field(default_factory=list)
    owned: set = field(default_factory=set)


@dataclass
class _Owner:
    position: int
    layer: str
    has_lr: bool
    has_decay: bool


def share_params(nodes):
    """Makes layers with equal param names use the parameter of the first one.

    Raises
    ------
    NetError
        For more ParamSpecs than blobs, shapes that differ, or multipliers that contradict the owner's.
    """
    table, owners = ParamTable(), {}
    for node_index, node in enumerate(nodes):
        specs, parameters = node.layer.param.param, list(node.layer._parameters.values())
        if len(specs) > len(parameters):
            raise NetError(f"{len(specs)} param for {len(parameters)} blobs", layer=node.name, line=node.line)
        for index, parameter in enumerate(parameters):
            spec = specs[index] if index < len(specs) else caffe_pb2.ParamSpec()
            if spec.name in owners:
                _borrow(table, owners[spec.name], node, index, spec)
                continue
            if spec.name:
                owners[spec.name] = _Owner(len(table.learnable), node.name,
                                           spec.HasField("lr_mult"), spec.HasField("decay_mult"))
            table.owned.add((node_index, index))
            table.learnable.append(parameter)
            table.lr_mult.append(spec.lr_mult)
            table.decay_mult.append(spec.decay_mult)
    return table


def _borrow(table, owner, node, index, spec):
    owned = table.learnable[owner.position]
    shape = tuple(node.layer._parameters[str(index)].shape)
    if spec.share_mode == spec.PERMISSIVE:
        fits = math.prod(shape) == owned.numel()
    else:
        fits = shape == tuple(owned.shape)
    if not fits:
        raise NetError(f"cannot share param {spec.name!r}: shape {shape} here, {tuple(owned.shape)} in layer "
                       f"{owner.layer!r}", layer=node.name, line=node.line)
    node.layer.share_blob(index, owned)
    multipliers = (("lr_mult", "has_lr", table.lr_mult), ("decay_mult", "has_decay", table.decay_mult))
    for field_name, flag, values in multipliers:
        if not spec.HasField(field_name):
            continue
        value = getattr(spec, field_name)
        if getattr(owner, flag) and values[owner.position] != value:
            raise NetError(f"shared param {spec.name!r} has {field_name} {value} here, {values[owner.position]} in "
                           f"layer {owner.layer!r}", layer=node.name, line=node.line)
        values[owner.position] = value
        setattr(owner, flag, True)
