"""What every layer has in common: counts of bottoms and tops, parameter blobs, errors that name the layer."""
from dataclasses import dataclass, field

import torch
from torch import nn

from deeplandmark.caffe.errors import NetError
from deeplandmark.caffe.files.blob_proto import blob_shape, blob_to_array, check_finite, fits, shape_text
from deeplandmark.caffe.fillers import fill
from deeplandmark.caffe.limits import check_bytes, check_shape
from deeplandmark.caffe.mode import ALONE, Share


@dataclass
class Context:
    """What a net gives to all of its layers.

    Attributes
    ----------
    generator : torch.Generator on the CPU
        Source of the random numbers of fillers, dropout masks and shuffling.
    root_folder : str
        Relative paths in the definition start here; '' is the working directory, as in Caffe.
    level, stages
        Of the net state, for layers that want to know.
    share : Share
        What of each batch the net computes.
    parameter_bytes : int
        What the blobs of all layers so far take, with their diffs.
    """
    generator: torch.Generator = field(default_factory=torch.Generator)
    root_folder: str = ""
    level: int = 0
    stages: tuple = ()
    share: Share = ALONE
    parameter_bytes: int = 0
    _own: torch.Generator | None = None

    @property
    def own_generator(self):
        """The torch.Generator of masks and noise: that of data and fillers, unless several ranks train. These must draw
        the same data, whatever else each draws for its own rows."""
        if self.share.count == 1:
            return self.generator
        if self._own is None:
            self.begin_own_generator()
        return self._own

    def begin_own_generator(self, iter=0):
        """Lets each rank draw other numbers, and others after each iteration (int) that a training goes on from."""
        self._own = torch.Generator().manual_seed(hash((self.generator.initial_seed(), self.share.rank, iter)))

    def reserve(self, shape):
        """Counts a parameter blob before it is made; a NetError when all of them together do not fit into memory."""
        self.parameter_bytes += 8 * check_shape(shape)
        check_bytes(self.parameter_bytes, f"the parameters up to a blob of shape {tuple(shape)}")


class Layer(nn.Module):
    """One Caffe layer, as a torch module (layer.hpp).

    A subclass states how many bottoms and tops it takes, creates its parameter blobs in `create`, computes the top
    shapes in `reshape` and the tops in `forward`. Shapes are tuples. `forward` may not rely on the shapes of setup:
    batch and spatial size change. Backward is autograd's, or that of an autograd Function where Caffe's differs.

    Parameters
    ----------
    param : LayerParameter
        Copied, so that the layer may change it.
    phase : int
        TRAIN (0) or TEST (1).
    context : Context
    """
    exact_bottoms = min_bottoms = max_bottoms = None
    exact_tops = min_tops = max_tops = None
    equal_bottoms_and_tops = False
    runs_user_code = False       # whose errors pass unchanged, with their traceback
    forward_changes_blobs = False    # running statistics and the like
    auto_tops = False            # missing tops are added without a name (losses)
    default_loss_weight = None   # of the first top, when the definition gives none
    no_gradient_bottoms = ()     # labels and indices: force_backward leaves them alone, asking for more is an error

    def __init__(self, param, phase, context):
        super().__init__()
        self.param = type(param)()
        self.param.CopyFrom(param)
        self.phase = phase
        self.context = context
        self.name = param.name
        self.num_tops = len(param.top)
        self._views = None       # index -> shape, for parameters shared with another shape

    @property
    def blobs(self):
        """The parameter blobs as a list of tensors, in Caffe's order."""
        if self._views is None:
            return list(self._parameters.values())
        return [p.view(self._views[i]) if i in self._views else p for i, p in enumerate(self._parameters.values())]

    def setup(self, bottom_shapes):
        """Checks the counts, creates the parameter blobs, returns the list of top shapes. Called once.

        Raises
        ------
        NetError
            When Caffe would refuse the layer: counts, shapes or settings.
        """
        self._check_counts(len(bottom_shapes))
        self.create(bottom_shapes)
        self._take_stored_blobs()
        return self.reshape(bottom_shapes)

    def create(self, bottom_shapes):
        """Reads the settings and adds the parameter blobs for bottom shapes (tuples); nothing by default.

        Raises
        ------
        NetError
            By `fail`, where Caffe refuses the settings or the shapes.
        """

    def reshape(self, bottom_shapes):
        """Top shapes (list of tuples) for new bottom shapes; one top like each bottom by default."""
        return [tuple(shape) for shape in bottom_shapes]

    def forward(self, *bottoms):
        """Tops as a tuple of tensors, for bottoms (tensors) in the order of the definition."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def add_blob(self, shape, filler):
        """Adds a float32 parameter blob drawn by a FillerParameter; a NetError when it does not fit into memory."""
        self.context.reserve(shape)
        self.register_parameter(str(len(self._parameters)), nn.Parameter(fill(filler, shape, self.context.generator)))

    def share_blob(self, index, owner):
        """Uses another layer's Parameter for blob `index`; its own shape stays (PERMISSIVE sharing may differ)."""
        shape = tuple(self._parameters[str(index)].shape)
        self._parameters[str(index)] = owner
        if tuple(owner.shape) != shape:
            self._views = {**(self._views or {}), index: shape}

    def fail(self, reason, blob=None):
        """Raises a NetError that names this layer, and a blob where one is given."""
        raise NetError(reason, layer=self.name, blob=blob)

    def blame_empty_bottom(self, bottoms, error):
        """Turns torch's `error` into a NetError that names this layer where a bottom tensor holds nothing."""
        if not all(bottom.numel() for bottom in bottoms):
            shapes = [tuple(bottom.shape) for bottom in bottoms]
            raise NetError(f"cannot run on an empty bottom, shapes {shapes}", layer=self.name) from error

    def fit_stored(self, stored, place):
        """The blobs of a weights file (list, stored_blobs.py) as they are copied in; `place` names them in errors.

        As they are by default: their number and shapes must be those of the layer.
        """
        return stored

    def axis(self, index, shape, extra=0):
        """A possibly negative axis of the definition as 0..len(shape)-1+extra; a NetError outside."""
        size = len(shape)
        if not -size <= index < size + extra:
            self.fail(f"axis {index} is out of range for a bottom of {size} axes, shape {tuple(shape)}")
        return index + size if index < 0 else index

    def extra_repr(self):
        """Caffe's type, for the printed form of a torch module."""
        return self.param.type

    def _check_counts(self, bottoms):
        for word, found in (("bottoms", bottoms), ("tops", self.num_tops)):
            exact, least, most = (getattr(self, f"{kind}_{word}") for kind in ("exact", "min", "max"))
            if exact is not None and found != exact:
                self.fail(f"{self.param.type} takes {exact} {word}, found {found}")
            if least is not None and found < least:
                self.fail(f"{self.param.type} takes at least {least} {word}, found {found}")
            if most is not None and found > most:
                self.fail(f"{self.param.type} takes at most {most} {word}, found {found}")
        if self.equal_bottoms_and_tops and bottoms != self.num_tops:
            self.fail(f"{self.param.type} takes as many tops as bottoms, found {bottoms} bottoms "
                      f"and {self.num_tops} tops")

    def _take_stored_blobs(self):
        """Values written into the definition itself replace the fillers."""
        stored = self.param.blobs
        if not stored:
            return
        if len(stored) != len(self._parameters):
            self.fail(f"{len(stored)} blobs in the definition, {len(self._parameters)} in the layer")
        for index, (proto, parameter) in enumerate(zip(stored, self._parameters.values())):
            if not fits(proto, parameter.shape):
                self.fail(f"blob {index} of the definition has shape {shape_text(blob_shape(proto))}, "
                          f"the layer {shape_text(tuple(parameter.shape))}")
            values = blob_to_array(proto, f"layer {self.name!r}: blob {index}")
            check_finite(values, f"layer {self.name!r}: blob {index}")
            parameter.data.copy_(torch.from_numpy(values).reshape(parameter.shape))
        self.param.ClearField("blobs")


class LossLayer(Layer):
    """A loss (loss_layer.cpp): bottoms prediction and label with the same first axis to a top of shape ().

    Its loss weight is 1 unless the definition says otherwise. No gradient reaches the label.
    """
    exact_bottoms = 2
    exact_tops = 1
    auto_tops = True
    default_loss_weight = 1.0
    no_gradient_bottoms = (1,)

    def reshape(self, bottom_shapes):
        """One top of shape (), after check_batch."""
        self.check_batch(bottom_shapes)
        return [()]

    def check_batch(self, bottom_shapes):
        """Refuses, as a NetError, a prediction and a label that differ in their first axis."""
        first, second = bottom_shapes[:2]
        if not first or first[:1] != second[:1]:
            self.fail(f"prediction and label need the same first dimension: shapes {first} and {second}")
