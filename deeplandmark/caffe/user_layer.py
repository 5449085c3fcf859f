"""pycaffe's `caffe.Layer`: the base class of layers that users write in Python."""
import torch
from google.protobuf.message import Message

from deeplandmark.caffe.blob import Blob, ParamBlob


class Layer:
    """What a `type: "Python"` layer derives from (pycaffe's caffe.Layer, python_layer.hpp).

    A subclass has four methods, called with lists of blobs: `setup(bottom, top)` once, `reshape(bottom, top)` before
    every forward, `forward(bottom, top)`, and `backward(top, propagate_down, bottom)`, which fills bottom[i].diff and
    adds to self.blobs[i].diff.

    Attributes
    ----------
    param_str : str
        From python_param.
    phase : int
        caffe.TRAIN or caffe.TEST.
    blobs : BlobVec
        Parameter blobs: `self.blobs.add_blob(10, 3)` in setup, then `self.blobs[0].data`. They are learned, stored and
        shared like those of any layer.
    type : str
        "Python"
    """
    type = "Python"

    def __init__(self, param: Message) -> None:
        self.param_str: str = param.python_param.param_str
        self.phase: int = param.phase
        self.blobs = BlobVec()

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        """Reads param_str, checks the blobs, adds parameters; bottom and top are lists of Blob."""

    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        """Gives every top its shape: `top[0].reshape(*bottom[0].data.shape)`."""
        raise NotImplementedError(f"{type(self).__name__} has no reshape(self, bottom, top)")

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        """Fills top[i].data from bottom[i].data, float32 arrays."""
        raise NotImplementedError(f"{type(self).__name__} has no forward(self, bottom, top)")

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        """Fills bottom[i].diff from top[i].diff, float32 arrays, where propagate_down[i] (bool) says so."""
        raise NotImplementedError(f"{type(self).__name__} has no backward(self, top, propagate_down, bottom)")


class BlobVec(list):
    """A list of Blob that a layer can add to."""

    def add_blob(self, *shape):
        """Adds a float32 blob of zeros; its shape as ints or as one sequence."""
        shape = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
        self.append(UserBlob(torch.nn.Parameter(torch.zeros(tuple(map(int, shape))))))


class UserBlob(ParamBlob):
    """A parameter as its layer sees it: the values are the net's, `diff` (float32) is this backward's share alone."""

    def __init__(self, parameter, view=None):
        super().__init__(parameter, view)
        self.share = None

    @property
    def diff_tensor(self):
        """This backward's share of the gradient, a tensor of the blob's shape; zeros until something is written."""
        if self.share is None or self.share.shape != self._shape or self.share.device != self.parameter.device:
            self.share = torch.zeros(self._shape, device=self.parameter.device)
        return self.share

    def settle(self):
        """Takes over what the user's code wrote into the arrays; the next look shows what the net has learned since."""
        self.sync()
        self._host.clear()
