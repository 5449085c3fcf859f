"""pycaffe's Blob: NumPy views of values and differences that share memory with the net."""
import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from deeplandmark.caffe.errors import NetError
from deeplandmark.caffe.limits import check_bytes, check_shape


class Blob:
    """A float32 array with its differences (gradient).

    `data` and `diff` are NumPy views of the tensors the net works on: writing into them changes the net. On a GPU they
    are copies on the host that the net takes over before it runs again.

    Parameters
    ----------
    shape : sequence of int
    device : torch.device
    before_access : callable, optional
        Called before values are looked at or replaced.
    """

    def __init__(self, shape=(), device="cpu", before_access=None):
        self._tensor = torch.zeros(tuple(shape), device=device)
        self._diff = None
        self._before_access = before_access
        self._host = {}                                          # which -> (host tensor, whether it is newer)

    @property
    def tensor(self):
        """The values as a torch tensor that carries no gradient."""
        return self._tensor

    @property
    def diff_tensor(self):
        """The differences as a torch tensor; zeros until something is written."""
        if self._diff is None:
            self._diff = torch.zeros_like(self._tensor)
        return self._diff

    @property
    def data(self) -> np.ndarray:
        """The values, a float32 NumPy array of the blob's shape; writing into it changes the net."""
        return self._view("data")

    @data.setter
    def data(self, values: npt.ArrayLike) -> None:
        self._view("data")[...] = values

    @property
    def diff(self) -> np.ndarray:
        """The differences (gradient), a float32 NumPy array of the blob's shape; writing into it changes the net."""
        return self._view("diff")

    @diff.setter
    def diff(self, values: npt.ArrayLike) -> None:
        self._view("diff")[...] = values

    @property
    def shape(self) -> tuple[int, ...]:
        """Extents as a tuple of int."""
        if self._before_access:
            self._before_access()
        return tuple(self.tensor.shape)

    @property
    def count(self) -> int:
        """Number of values, an int."""
        return math.prod(self.shape)

    num = property(lambda self: self._legacy(0))
    channels = property(lambda self: self._legacy(1))
    height = property(lambda self: self._legacy(2))
    width = property(lambda self: self._legacy(3))

    def reshape(self, *shape: int | Sequence[int]) -> None:
        """New extents, as ints or one sequence; values stay when the count stays, otherwise they are 0.

        Raises
        ------
        NetError
            For a shape that no blob can have, or that does not fit into memory.
        """
        if self._before_access:
            self._before_access()
        extents: Any = shape[0] if len(shape) == 1 and np.iterable(shape[0]) else shape
        extents = tuple(int(n) for n in extents)
        check_shape(extents)
        self.sync()
        self.resize(extents)

    def resize(self, shape):
        """`reshape` to a tuple for the net itself: nothing is checked."""
        if tuple(self._tensor.shape) == shape:
            return
        if self._tensor.numel() == math.prod(shape):
            self._tensor = self._tensor.reshape(shape)
            self._diff = None if self._diff is None else self._diff.reshape(shape)
        else:
            self._tensor, self._diff = self._tensor.new_zeros(shape), None
        self._host.clear()

    def assign(self, values):
        """Takes shape and values of a tensor, in place where the shape stays."""
        if self._tensor.shape != values.shape:
            self.resize(tuple(values.shape))
        self._tensor.copy_(values)

    def sync(self):
        """Takes over what was written into host copies on a GPU's net; nothing to do on the CPU."""
        for which, (host, newer) in self._host.items():
            if newer:
                (self.tensor if which == "data" else self.diff_tensor).copy_(host)
                self._host[which] = (host, False)

    def _view(self, which):
        if self._before_access:
            self._before_access()
        tensor = (self.tensor if which == "data" else self.diff_tensor).detach()
        if tensor.device.type == "cpu":
            return tensor.numpy()
        host, newer = self._host.get(which, (None, False))
        if not newer:
            # The same host memory again, so that a view taken earlier stays in use.
            host = tensor.cpu() if host is None else host.copy_(tensor)
            self._host[which] = (host, True)
        return host.numpy()

    def _legacy(self, axis):
        shape = self.shape
        if len(shape) > 4:
            raise NetError(f"num, channels, height and width are for up to 4 axes; this blob has shape {shape}")
        return shape[axis] if axis < len(shape) else 1

    def __repr__(self):
        return f"Blob(shape={tuple(self.tensor.shape)})"


class ParamBlob(Blob):
    """A parameter of a layer: `data` is its values, `diff` its accumulated gradient.

    Parameters
    ----------
    parameter : torch Parameter, float32
    view : tuple of int, optional
        The shape under which a borrowing layer sees it, where that differs from the owner's.
    """

    def __init__(self, parameter, view=None):
        super().__init__(before_access=self._note_look)
        self.parameter = parameter
        self.was_looked_at = False                               # somebody may hold a view, and write into it unseen
        self._shape = tuple(view or parameter.shape)

    def _note_look(self):
        self.was_looked_at = True

    @property
    def tensor(self):
        """The values as a torch tensor that carries no gradient, in the shape of the view."""
        return self.parameter.detach().view(self._shape)

    @property
    def diff_tensor(self):
        """The gradient as a torch tensor in the shape of the view; zeros until something is written."""
        if self.parameter.grad is None:
            self.parameter.grad = torch.zeros_like(self.parameter)
        return self.parameter.grad.view(self._shape)

    def resize(self, shape):
        """A parameter of another shape (net surgery): values stay when the count stays, otherwise they are 0."""
        if shape == self._shape:
            return
        values = self.parameter.data
        same = values.numel() == math.prod(shape)
        self.parameter.grad = None
        self.parameter.data = values.reshape(shape) if same else values.new_zeros(shape)
        self._shape = shape
        self._host.clear()

    def assign(self, values):
        """Takes shape and values of a tensor."""
        self.resize(tuple(values.shape))
        self.tensor.copy_(values)


def make_blobs(shapes, device, before_access):
    """The Blobs of a net, unless all of them together do not fit into memory: then a NetError.

    before_access(position) is called before the values of a blob are looked at.
    """
    check_bytes(4 * sum(map(math.prod, shapes)), "the blobs of this net together")
    return [Blob(shape, device, partial(before_access, i)) for i, shape in enumerate(shapes)]


def untouched_zeros(like):
    """Zeros of a tensor's shape and device; on a CPU they take memory only where somebody writes or looks."""
    if like.device.type != "cpu":
        return torch.zeros_like(like)
    return torch.from_numpy(np.zeros(like.shape, np.float32))
