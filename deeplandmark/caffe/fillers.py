"""Fillers: how the values of a new parameter blob are drawn (filler.hpp)."""
import math

import torch

from deeplandmark.caffe.errors import NetError
from deeplandmark.caffe.limits import check_shape
from deeplandmark.caffe.proto import caffe_pb2


def fill(filler, shape, generator=None):
    """A new float32 tensor filled as a FillerParameter says.

    Parameters
    ----------
    filler : FillerParameter
    shape : sequence of int
    generator : torch.Generator, optional
        Source of all random numbers; the same state gives the same blob.

    Raises
    ------
    NetError
        For an unknown filler type, `sparse` where it has no meaning, a shape the filler is not made for, or one that
        does not fit into memory.
    """
    shape = tuple(int(n) for n in shape)
    check_shape(shape)
    if filler.type not in _FILLERS:
        raise NetError(f"unknown filler type {filler.type!r} (known: {', '.join(sorted(_FILLERS))})")
    if filler.sparse != -1 and filler.type != "gaussian":
        raise NetError(f"filler {filler.type!r} does not support sparse; only gaussian does")
    if 0 in shape:
        raise NetError(f"cannot fill a blob of shape {shape}: it has no elements")
    return _FILLERS[filler.type](filler, shape, generator)


def constant(value):
    """The FillerParameter of a constant, a float."""
    return caffe_pb2.FillerParameter(type="constant", value=value)


def fan(filler, shape):
    """The n of xavier and msra, a float: values that meet in one sum, by `variance_norm` (filler.hpp).

    fan_in = count / shape[0] and fan_out = count / shape[1], also for Deconvolution and InnerProduct blobs, whatever
    their axes mean.
    """
    count = math.prod(shape)
    fan_in = count / shape[0] if shape else 1
    fan_out = count / shape[1] if len(shape) > 1 else count
    return {filler.FAN_IN: fan_in, filler.FAN_OUT: fan_out,
            filler.AVERAGE: (fan_in + fan_out) / 2}[filler.variance_norm]


def _constant(filler, shape, generator):
    return torch.full(shape, filler.value)


def _uniform(filler, shape, generator):
    if not -math.inf < filler.min <= filler.max < math.inf:
        raise NetError(f"filler 'uniform' needs min <= max, found {filler.min:g} and {filler.max:g}")
    return torch.empty(shape).uniform_(filler.min, filler.max, generator=generator)


def _gaussian(filler, shape, generator):
    if not 0 <= filler.std < math.inf:
        raise NetError(f"filler 'gaussian' needs a std of at least 0, found {filler.std:g}")
    blob = torch.empty(shape).normal_(filler.mean, filler.std, generator=generator)
    if filler.sparse >= 0:                                       # each output keeps about `sparse` of its inputs
        keep = min(1.0, filler.sparse / shape[0])
        blob *= torch.empty(shape).bernoulli_(keep, generator=generator)
    return blob


def _positive_unitball(filler, shape, generator):
    blob = torch.empty(shape).uniform_(0, 1, generator=generator)
    rows = blob.view(shape[0], -1)
    rows /= rows.sum(dim=1, keepdim=True)
    return blob


def _xavier(filler, shape, generator):
    scale = math.sqrt(3 / fan(filler, shape))
    return torch.empty(shape).uniform_(-scale, scale, generator=generator)


def _msra(filler, shape, generator):
    return torch.empty(shape).normal_(0, math.sqrt(2 / fan(filler, shape)), generator=generator)


def _bilinear(filler, shape, generator):
    """Interpolation kernel for upsampling by a Deconvolution."""
    if len(shape) != 4 or shape[2] != shape[3]:
        raise NetError(f"filler 'bilinear' needs a blob of 4 axes with square kernels, found shape {shape}")
    factor = math.ceil(shape[3] / 2)
    centre = (shape[3] - 1) / (2 * factor)
    line = 1 - (torch.arange(shape[3], dtype=torch.float32) / factor - centre).abs()
    return (line[:, None] * line[None, :]).expand(shape).clone()


_FILLERS = {"constant": _constant, "uniform": _uniform, "gaussian": _gaussian,
            "positive_unitball": _positive_unitball, "xavier": _xavier, "msra": _msra, "bilinear": _bilinear}
