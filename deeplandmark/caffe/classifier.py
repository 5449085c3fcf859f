"""pycaffe's Classifier: class probabilities of pictures, averaged over crops."""
from collections.abc import Iterable, Sequence
from itertools import islice

import numpy as np
import numpy.typing as npt

from deeplandmark.caffe.errors import CaffeError, NetError
from deeplandmark.caffe.files.model_file import Weights
from deeplandmark.caffe.files.prototxt import Definition
from deeplandmark.caffe.io import Transformer, resize_image
from deeplandmark.caffe.io import oversample as ten_crops
from deeplandmark.caffe.net import Net
from deeplandmark.caffe.proto.caffe_pb2 import TEST


class Classifier(Net):
    """A net in phase TEST from a picture to classes, its first input and output (pycaffe's classifier.py).

    Parameters
    ----------
    model_file, pretrained_file : paths
    image_dims : (height, width), optional
        Pixels. Pictures are resized to it before crops of the net's input size are cut; by default that size itself.
    mean, input_scale, raw_scale, channel_swap : optional
        As in the Transformer's set_... methods.

    Raises
    ------
    CaffeError
        For files that cannot be used, or a net whose first input has not 4 axes.
    """

    def __init__(self, model_file: Definition, pretrained_file: Weights,
                 image_dims: Sequence[int] | np.ndarray | None = None, mean: npt.ArrayLike | None = None,
                 input_scale: float | None = None, raw_scale: float | None = None,
                 channel_swap: Sequence[int] | None = None) -> None:
        super().__init__(model_file, TEST, weights=pretrained_file)
        self.transformer = picture_transformer(self, mean, input_scale, raw_scale, channel_swap)
        self.crop_dims = np.array(self.blobs[self.inputs[0]].shape[2:])
        self.image_dims = self.crop_dims if image_dims is None or len(image_dims) == 0 else image_dims

    def predict(self, inputs: Iterable[np.ndarray], oversample: bool = True) -> np.ndarray:
        """Probabilities of pictures.

        Parameters
        ----------
        inputs : iterable of arrays (h, w, k), such as load_image gives
            Taken one by one: no more than a batch of crops is held.
        oversample : bool
            Mean over corners, centre and their mirror images; otherwise the centre alone.

        Returns
        -------
        array (n, classes)

        Raises
        ------
        CaffeError
            For no pictures, or pictures that the settings or the net do not suit.
        """
        resized = (resize_image(picture, self.image_dims) for picture in inputs)
        predictions = scores_of(self, (crop for picture in resized for crop in self._crops(picture, oversample)))
        if not len(predictions):
            raise CaffeError("there are no pictures to classify")
        if oversample:
            predictions = predictions.reshape(len(predictions) // 10, 10, -1).mean(1)
        return predictions

    def _crops(self, picture, oversample):
        if oversample:
            return ten_crops([picture], self.crop_dims)
        if any(size < crop for size, crop in zip(self.image_dims, self.crop_dims)):
            raise CaffeError(f"a crop of {tuple(map(int, self.crop_dims))} does not fit into pictures of image_dims "
                             f"{tuple(self.image_dims)}")
        top, left = (int(size / 2 - crop / 2) for size, crop in zip(self.image_dims, self.crop_dims))
        return [picture[top:top + self.crop_dims[0], left:left + self.crop_dims[1]]]


def scores_of(net, crops):
    """The first output, float32 (n, ...), for an iterable of n crops (h, w, k), which are taken batch by batch.

    A CaffeError where a crop has not as many channels as the net's input.
    """
    name, crops, rows = net.inputs[0], iter(crops), []
    size, channels = net.blobs[name].shape[:2]
    while batch := list(islice(crops, size)):
        for crop in batch:
            if crop.shape[2] != channels:
                raise CaffeError(f"a picture has {crop.shape[2]} channels, the input {name!r} of the net {channels}")
        prepared = np.stack([net.transformer.preprocess(name, crop) for crop in batch])
        rows.extend(net.forward_all(blobs=None, **{name: prepared})[net.outputs[0]])
    return np.array(rows, np.float32)


def picture_transformer(net, mean, input_scale, raw_scale, channel_swap):
    """The Transformer of a net's first input, from (h, w, k) pictures, with the settings that are not None."""
    if not net.inputs or len(net.blobs[net.inputs[0]].shape) != 4:
        raise NetError("a classifier or detector needs an input blob (n, channels, height, width)", file=net.graph.file)
    name = net.inputs[0]
    transformer = Transformer({name: net.blobs[name].shape})
    transformer.set_transpose(name, (2, 0, 1))
    if mean is not None:
        transformer.set_mean(name, mean)
    if input_scale is not None:
        transformer.set_input_scale(name, input_scale)
    if raw_scale is not None:
        transformer.set_raw_scale(name, raw_scale)
    if channel_swap is not None:
        transformer.set_channel_swap(name, channel_swap)
    return transformer
