"""How the coordinates of one top lie in those of another (pycaffe's coord_map), and Crop layers that align them.

A map is (axis, scale, shift): an input coordinate x lands at scale * x + shift. (None, 1, 0) changes nothing.
"""
from typing import Any

import numpy as np

from deeplandmark.caffe.errors import NetError
from deeplandmark.caffe.net_spec import Top
from deeplandmark.caffe.net_spec import layers as L

PASS_THROUGH_LAYERS = ["AbsVal", "BatchNorm", "Bias", "BNLL", "Dropout", "Eltwise", "ELU", "Log", "LRN", "Exp", "MVN",
                       "Power", "ReLU", "PReLU", "Scale", "Sigmoid", "Split", "TanH", "Threshold"]
_HW_SETTINGS = ("pad_h", "pad_w", "kernel_h", "kernel_w", "stride_h", "stride_w")


class UndefinedMapException(NetError):
    """A layer that has no coordinate map, such as InnerProduct; a NetError."""


class AxisMismatchException(NetError):
    """Two maps that begin at different axes; a NetError."""


class CropError(NetError, AssertionError):
    """Tops that no Crop aligns; pycaffe's scripts catch an AssertionError here."""


def conv_params(fn):
    """(axis, stride, effective kernel size, pad) of a Function of Convolution, Deconvolution, Im2col or Pooling."""
    params = fn.params.get("convolution_param", fn.params.get("pooling_param", fn.params))
    found = [name for name in _HW_SETTINGS if name in params]
    if found:
        raise NetError(f"{fn.type_name}: {', '.join(found)} cannot be mapped; use kernel_size, stride and pad")
    if "kernel_size" not in params:
        raise NetError(f"{fn.type_name}: has no kernel_size")
    kernel, stride, pad, dilation = (np.array(params.get(name, default), ndmin=1) for name, default in
                                     (("kernel_size", None), ("stride", 1), ("pad", 0), ("dilation", 1)))
    return params.get("axis", 1), stride, (kernel - 1) * dilation + 1, pad


def crop_params(fn):
    """(axis, offset) of a Function of Crop."""
    params = fn.params.get("crop_param", fn.params)
    return params.get("axis", 2), np.array(params.get("offset", 0), ndmin=1)


def coord_map(fn):
    """The map (axis, scale, shift) from the bottom of a Function to its tops.

    Raises
    ------
    UndefinedMapException
        For a type that has none.
    NetError
        For kernel_h, kernel_w and their kin, or a missing kernel_size.
    """
    if fn.type_name in ("Convolution", "Pooling", "Im2col"):
        axis, stride, kernel, pad = conv_params(fn)
        return axis, 1 / stride, (pad - (kernel - 1) / 2) / stride
    if fn.type_name == "Deconvolution":
        axis, stride, kernel, pad = conv_params(fn)
        return axis, stride, (kernel - 1) / 2 - pad
    if fn.type_name in PASS_THROUGH_LAYERS:
        return None, 1, 0
    if fn.type_name == "Crop":
        axis, offset = crop_params(fn)
        return axis - 1, 1, -offset                              # -1: convolutions count from their channel axis
    raise UndefinedMapException(f"{fn.type_name} has no coordinate map")


def compose(base_map, next_map):
    """The map (axis, scale, shift) of `next_map` followed by `base_map`.

    AxisMismatchException where their axes differ.
    """
    (axis1, scale1, shift1), (axis2, scale2, shift2) = base_map, next_map
    if None not in (axis1, axis2) and axis1 != axis2:
        raise AxisMismatchException(f"maps begin at axis {axis1} and at axis {axis2}")
    return axis2 if axis1 is None else axis1, scale1 * scale2, scale1 * shift2 + shift1


def inverse(coord_map):
    """The map (axis, scale, shift) from output to input."""
    axis, scale, shift = coord_map
    return axis, 1 / scale, -shift / scale


def coord_map_from_to(top_from: Top, top_to: Top) -> tuple[Any, Any, Any]:
    """The map (axis, scale, shift) that takes coordinates of `top_from` to `top_to`, over a blob that both come from.

    Raises
    ------
    RuntimeError
        When no spatial layers connect the two, as in pycaffe.
    """
    from_maps = dict(_walk(top_from))
    for top, to_map in _walk(top_to):
        if top in from_maps:
            return compose(to_map, inverse(from_maps[top]))
    raise RuntimeError("no coordinate map between the two tops: they are not connected by spatial layers")


def _walk(top):
    """(ancestor, map from it to `top`) for every top that can be reached through layers with a map."""
    frontier, seen = [(top, (None, 1, 0))], set()
    while frontier:
        top, so_far = frontier.pop()
        if top in seen:
            continue
        seen.add(top)
        yield top, so_far
        # The second bottom of a Crop gives nothing but its size.
        bottoms = top.fn.inputs[:1] if top.fn.type_name == "Crop" else top.fn.inputs
        if bottoms:
            try:
                frontier += [(bottom, compose(so_far, coord_map(top.fn))) for bottom in bottoms]
            except UndefinedMapException:
                pass


def crop(top_from: Top, top_to: Top) -> Top:
    """A Top of a Crop layer that cuts the Top `top_from` to the place and size of `top_to`.

    Raises
    ------
    CropError
        Where the scales differ, or the offset is no whole number of pixels.
    """
    axis, scale, shift = coord_map_from_to(top_from, top_to)
    scale, shift = np.atleast_1d(scale), np.atleast_1d(shift)
    if (scale != 1).any():
        raise CropError(f"cannot crop: the scales of the two tops differ by {scale}")
    if (shift > 0).any() or (np.round(shift) != shift).any():
        raise CropError(f"cannot crop by {-shift}: only whole numbers of pixels, not below 0")
    return L.Crop(top_from, top_to, crop_param=dict(axis=2 if axis is None else axis + 1,
                                                    offset=(-shift).astype(int).tolist()))
