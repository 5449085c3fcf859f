"""Python: layers from the user's own modules (python_layer.hpp)."""
import importlib
import importlib.util
import sys
from contextlib import contextmanager
from typing import Any

import torch

from deeplandmark.caffe.blob import Blob
from deeplandmark.caffe.layers.base import Layer
from deeplandmark.caffe.layers.provided import PROVIDED
from deeplandmark.caffe.layers.registry import layer
from deeplandmark.caffe.user_layer import Layer as UserLayer
from deeplandmark.caffe.user_layer import UserBlob
from deeplandmark.work.user_code import user_code_allowed


@layer("Python")
class Python(Layer):
    """Runs the class `layer` of the module `module`, found along sys.path, on blobs (python_layer.hpp).

    python_param: module, layer, param_str. Blobs lie in the net's memory where that is the CPU's, so that what the
    user's code does to a bottom is seen, as in Caffe; on a GPU they are copies. Both ways of running a net call the
    user's backward. Where there is no module of that name, rpn.proposal_layer of py-faster-rcnn and pylayer of MNC are
    provided.
    """

    runs_user_code = True

    def create(self, bottom_shapes):
        p = self.param.python_param
        self.register_buffer("place", torch.empty(0), persistent=False)
        self.user = self.user_class()(self.param)
        self.user.param_str, self.user.phase = p.param_str, self.phase       # as Caffe does, before setup
        self.bottom = [_View(shape) for shape in bottom_shapes]
        self.top = [Blob() for _ in range(self.num_tops)]
        self.user.setup(self.bottom, self.top)
        for index, blob in enumerate(self.user.blobs):
            self.register_parameter(str(index), blob.parameter)

    def user_class(self):
        """The class that the definition names; a NetError where there is none."""
        p = self.param.python_param
        if not p.module or not p.layer:
            self.fail(f"python_param needs module and layer, found {p.module!r} and {p.layer!r}")
        if not user_code_allowed():
            if (p.module, p.layer) in PROVIDED:
                return PROVIDED[p.module, p.layer]
            self.fail(f"it runs {p.module}.{p.layer}, code found along sys.path; --allow-python-layers allows it, for "
                      "models of people you trust")
        return self._load(p.module, p.layer)

    def reshape(self, bottom_shapes):
        for blob, shape in zip(self.bottom, bottom_shapes):
            blob.resize(tuple(shape))
        self.user.reshape(self.bottom, self.top)
        if len(self.user.blobs) != len(self._parameters):
            self.fail("blobs are added in setup, not in reshape")
        return [blob.shape for blob in self.top]

    def forward(self, *bottoms):
        self._take_parameters()
        return _UserFunction.apply(self, len(bottoms), *bottoms, *self._parameters.values())

    def run(self, bottoms):
        """The user's reshape and forward on the tensors `bottoms`; a tuple of tops, float32 on the net's device."""
        for blob, tensor in zip(self.bottom, bottoms):
            blob.look_at(tensor)
        self.user.reshape(self.bottom, self.top)
        self.user.forward(self.bottom, self.top)
        self._settle()
        return tuple(blob.tensor.detach().clone().to(self.place.device) for blob in self.top)

    def run_backward(self, top_diffs, propagate_down):
        """The user's backward.

        Parameters
        ----------
        top_diffs : list of tensors, shaped like the tops
        propagate_down : list of bool, one a bottom

        Returns
        -------
        diffs of the bottoms (None where not asked for), diffs of the parameters
            Tensors of their shapes.
        """
        for blob, diff in zip(self.top, top_diffs):
            blob.diff_tensor.copy_(diff)
        for blob in self.user.blobs:
            blob.share = None
        self.user.backward(self.top, list(propagate_down), self.bottom)
        diffs = [blob.diff_tensor.clone().to(self.place.device) if wanted else None
                 for blob, wanted in zip(self.bottom, propagate_down)]
        self._settle()
        return diffs, [blob.diff_tensor for blob in self.user.blobs]

    def _take_parameters(self):
        """The user's blobs follow parameters that were shared since."""
        for index, (parameter, view) in enumerate(zip(self._parameters.values(), self.blobs)):
            if self.user.blobs[index].parameter is not parameter:
                self.user.blobs[index] = UserBlob(parameter, view.shape)

    def _settle(self):
        for blob in self.user.blobs:
            blob.settle()

    def _load(self, module, name):
        try:
            with _named_caffe():
                found = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name != module.split(".")[0]:
                raise
            if (module, name) in PROVIDED:                       # of a repository that is not at hand
                return PROVIDED[module, name]
            self.fail(f"no module {module!r} along sys.path; add its folder to PYTHONPATH")
        cls = getattr(found, name, None)
        if cls is None:
            self.fail(f"module {module!r} ({getattr(found, '__file__', 'built in')}) has no class {name!r}")
        if not isinstance(cls, type) or not issubclass(cls, UserLayer):
            self.fail(f"{module}.{name} does not derive from caffe.Layer")
        return cls


def register_layer(type_name: str, cls: type | None = None) -> Any:
    """Makes a class of one's own a layer type: a definition may then say `type: "NAME"`, as for every other.

    As a decorator, `@caffe.register_layer("NAME")`, or called with the class.

    Parameters
    ----------
    type_name : str
    cls : class, optional
        A caffe.Layer (setup, reshape, forward and backward on numpy arrays), whose param_str is that of python_param,
        or a deeplandmark.caffe.layers.base.Layer (torch tensors, autograd).

    Raises
    ------
    ValueError
        For a type that is there already.
    TypeError
        For a class of another kind.
    """
    def add(found):
        if isinstance(found, type) and issubclass(found, UserLayer):
            own = {"user_class": lambda self: found, "__doc__": found.__doc__}
            layer(type_name)(type(found.__name__, (Python,), own))
        elif isinstance(found, type) and issubclass(found, Layer):
            layer(type_name)(found)
        else:
            raise TypeError(f"{found!r} derives neither from caffe.Layer nor from caffe.layers.base.Layer")
        return found
    return add if cls is None else add(cls)


class _View(Blob):
    """A bottom: shows the values of a tensor of the net, on the CPU without a copy."""

    def look_at(self, tensor):
        if self._tensor.shape != tensor.shape:
            self._diff = None
        self._tensor = tensor.detach().cpu().contiguous()


class _UserFunction(torch.autograd.Function):
    """The user's forward and backward as one operation of autograd."""

    @staticmethod
    def forward(ctx, caller, count, *tensors):
        ctx.caller, ctx.count = caller, count
        return caller.run(tensors[:count])

    @staticmethod
    def backward(ctx, *top_diffs):
        needed = ctx.needs_input_grad[2:]
        diffs, param_diffs = ctx.caller.run_backward(top_diffs, needed[:ctx.count])
        return None, None, *diffs, *[diff if wanted else None for diff, wanted in zip(param_diffs, needed[ctx.count:])]


@contextmanager
def _named_caffe():
    """Where there is no other Caffe, `import caffe` in the user's module means this package."""
    if "caffe" in sys.modules or _is_installed("caffe"):
        yield
        return
    sys.modules["caffe"] = importlib.import_module("deeplandmark.caffe")
    try:
        yield
    finally:
        for name in [name for name in sys.modules if name == "caffe" or name.startswith("caffe.")]:
            del sys.modules[name]


def _is_installed(name):
    """Whether a package of that name can be imported; a mere folder (a checkout of Caffe's source, say) is none."""
    spec = importlib.util.find_spec(name)
    return spec is not None and spec.origin is not None
