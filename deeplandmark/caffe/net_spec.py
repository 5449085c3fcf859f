"""Nets written in Python (pycaffe's net_spec): `L.Convolution(bottom, kernel_size=3)` gives a Top, NetSpec names them.

`layers.AnyType(*bottoms, **settings)` makes a layer of that type; `params.Pooling.MAX` is an enum value. Settings whose
name ends in `param` (convolution_param, param, transform_param) and settings of every layer (loss_weight, include,
name) go where they belong, all others into the type's own message. `ntop=` asks for several tops, `in_place=True`
writes into the bottom.
"""
from __future__ import annotations

from collections import Counter, OrderedDict
from typing import Any

import numpy as np
from google.protobuf.message import Message

from deeplandmark.caffe.errors import NetError
from deeplandmark.caffe.proto import caffe_pb2


def param_name_dict():
    """dict of type name -> name of its message without `_param`: {'Convolution': 'convolution', ...}."""
    fields = caffe_pb2.LayerParameter.DESCRIPTOR.fields
    return {field.message_type.name.removesuffix("Parameter"): field.name.removesuffix("_param")
            for field in fields if field.name.endswith("_param")}


def to_proto(*tops: Top) -> Message:
    """A NetParameter of all layers that the given Tops need; tops without a name get type and number: Convolution1.

    Raises
    ------
    NetError
        For a setting that the layer's messages do not have, or that cannot hold the value.
    """
    return _net(tops, {})


def assign_proto(proto, name, value):
    """Sets a field of a message from Python: dicts are messages, lists repeat, one value may stand for a list of one.

    Raises
    ------
    NetError
        When the message has no such field, or the field cannot hold the value.
    """
    field = proto.DESCRIPTOR.fields_by_name.get(name)
    if field is None:
        known = ", ".join(f.name for f in proto.DESCRIPTOR.fields)
        raise NetError(f"{proto.DESCRIPTOR.name} has no field {name!r} (fields: {known})")
    try:
        _assign(proto, field, value)
    except (TypeError, ValueError, AttributeError) as error:
        if isinstance(error, NetError):
            raise
        raise NetError(f"{proto.DESCRIPTOR.name}.{name} cannot be {value!r}: {error}") from None


def _assign(proto, field, value):
    target = getattr(proto, field.name)
    if field.is_repeated:
        values = list(value) if isinstance(value, (list, tuple, np.ndarray)) else [value]
        if field.message_type is None:
            target.extend(_plain(v) for v in values)
        else:
            for v in values:
                _fill(target.add(), v)
    elif field.message_type is not None:
        target.SetInParent()
        _fill(target, value)
    else:
        setattr(proto, field.name, _plain(value))


def _fill(message, value):
    """A message from a dict or from another message of its kind."""
    if isinstance(value, type(message)):
        message.MergeFrom(value)
        return
    for key, item in dict(value).items():
        assign_proto(message, key, item)


def _plain(value):
    """NumPy's numbers as Python's."""
    return value.item() if isinstance(value, np.generic) else value


class Top:
    """One output of a layer (pycaffe's net_spec.Top): `fn` is the Function, `n` the position (int) among its tops."""

    def __init__(self, fn, n):
        self.fn, self.n = fn, n

    def to_proto(self) -> Message:
        """A NetParameter of all layers this Top needs; errors as of the function `to_proto`."""
        return to_proto(self)

    def _update(self, params):
        self.fn._update(params)

    def _to_proto(self, layers, names, autonames):
        self.fn._to_proto(layers, names, autonames)


class Function:
    """A layer to be (pycaffe's net_spec.Function).

    Parameters
    ----------
    type_name : str
    inputs : sequence of Top
        Its bottoms.
    params : dict
        Settings; `ntop` (int) and `in_place` (bool) are taken out.

    Raises
    ------
    TypeError
        For a bottom that is no Top.
    """

    def __init__(self, type_name, inputs, params):
        for index, top in enumerate(inputs):
            if not isinstance(top, Top):                         # pycaffe's words, which its scripts may look for
                raise TypeError(f"{type_name} input {index} is not a Top (type is {type(top)})")
        self.type_name, self.inputs, self.params = type_name, inputs, dict(params)
        self.ntop = self.params.pop("ntop", 1)
        self.in_place = self.params.pop("in_place", False)
        self.tops = tuple(Top(self, n) for n in range(self.ntop))

    def _update(self, params):
        self.params.update(params)

    def _to_proto(self, layers, names, autonames):
        """Adds the layers of its bottoms, then its own, to an OrderedDict of Function -> LayerParameter."""
        if self in layers:
            return
        layer = caffe_pb2.LayerParameter(type=self.type_name)
        for top in self.inputs:
            top._to_proto(layers, names, autonames)
            layer.bottom.append(layers[top.fn].top[top.n])
        if self.in_place:
            layer.top.extend(layer.bottom)
        else:
            layer.top.extend(self._name(top, names, autonames) for top in self.tops)
        layer.name = self._layer_name(names, autonames)
        for key, value in self.params.items():
            self._set(layer, key, value)
        layers[self] = layer

    def _layer_name(self, names, autonames):
        """The name of its first top; its own where it has none."""
        if self not in names:
            names[self] = self._name(self.tops[0] if self.tops else self, names, autonames)
        return names[self]

    def _name(self, key, names, autonames):
        if key not in names:
            autonames[self.type_name] += 1
            names[key] = f"{self.type_name}{autonames[self.type_name]}"
        return names[key]

    def _set(self, layer, key, value):
        own = _PARAM_NAMES.get(self.type_name)
        message = getattr(layer, f"{own}_param") if own else layer
        in_own = not key.endswith("param") and key in message.DESCRIPTOR.fields_by_name
        try:
            assign_proto(message if in_own else layer, key, value)
        except NetError as error:
            if key in layer.DESCRIPTOR.fields_by_name or in_own:
                raise error.at(layer=layer.name) from None
            hint = f"{own}_param has {', '.join(f.name for f in message.DESCRIPTOR.fields)}" if own else \
                f"{self.type_name} has no message of its own name; give one, such as convolution_param=dict(...)"
            raise NetError(f"unknown setting {key!r} ({hint})", layer=layer.name) from None


class NetSpec:
    """A net as attributes: `n.conv1 = L.Convolution(n.data, ...)` names the top and its layer (pycaffe's NetSpec).

    `n["conv1"]` is the same; an unknown attribute is an AttributeError that lists the tops.
    """

    def __init__(self):
        super().__setattr__("tops", OrderedDict())

    def __setattr__(self, name, value):
        self.tops[name] = value

    def __getattr__(self, name: str) -> Any:
        try:
            return self.tops[name]
        except KeyError:
            raise AttributeError(f"no top {name!r} (tops: {', '.join(self.tops)})") from None

    def __delattr__(self, name):
        del self.tops[name]

    def __setitem__(self, name, value):
        self.tops[name] = value

    def __getitem__(self, name: str) -> Any:
        return self.tops[name]

    def __delitem__(self, name):
        del self.tops[name]

    def keys(self) -> list[str]:
        """Names of the tops as a list of str, in the order of assignment."""
        return list(self.tops)

    def vals(self) -> list[Any]:
        """The Tops as a list, in the order of assignment."""
        return list(self.tops.values())

    def update(self, name: str, params: dict[str, Any]) -> None:
        """Further settings (dict) for the layer of the top `name`."""
        self.tops[name]._update(params)

    def to_proto(self) -> Message:
        """A NetParameter of all layers in the order of assignment, each after the layers it needs.

        Raises
        ------
        NetError
            For a setting that the layer's messages do not have, or that cannot hold the value.
        """
        return _net(self.tops.values(), {top: name for name, top in self.tops.items()})


def _net(tops, names):
    layers, autonames = OrderedDict(), Counter()
    for top in tops:
        top._to_proto(layers, names, autonames)
    return caffe_pb2.NetParameter(layer=layers.values())


class Layers:
    """pycaffe's layers, `L.Type(*bottoms, **settings)`.

    The result is a Top, a tuple of them for `ntop` above 1, the Function itself for `ntop=0`.
    """

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)

        def layer_fn(*bottoms, **settings):
            fn = Function(name, bottoms, settings)
            return fn if fn.ntop == 0 else fn.tops[0] if fn.ntop == 1 else fn.tops
        return layer_fn


class Parameters:
    """`P.Pooling.MAX`, pycaffe's params: enum values (int) by the name of their message without `Parameter`."""

    def __getattr__(self, name):
        message = getattr(caffe_pb2, f"{name}Parameter", None)
        if message is None:
            raise AttributeError(f"there is no message {name}Parameter")
        return message


_PARAM_NAMES = param_name_dict()
layers = Layers()
params = Parameters()
