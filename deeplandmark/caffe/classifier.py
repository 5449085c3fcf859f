"""pycaffe's Classifier: class probabilities of pictures, averaged over crops."""
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from deeplandmark.caffe.errors import NetError
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

    def predict(self, inputs: Sequence[np.ndarray] | np.ndarray, oversample: bool = True) -> np.ndarray:
        """Probabilities of pictures.

        Parameters
        ----------
        inputs : sequence of arrays (h, w, k), such as load_image gives
        oversample : bool
            Mean over corners, centre and their mirror images; otherwise the centre alone.

        Returns
        -------
        array (n, classes)
        """
        pictures = np.stack([resize_image(picture, self.image_dims) for picture in inputs])
        if oversample:
            crops = ten_crops(pictures, self.crop_dims)
        else:
            top, left = (int(size / 2 - crop / 2) for size, crop in zip(self.image_dims, self.crop_dims))
            crops = pictures[:, top:top + self.crop_dims[0], left:left + self.crop_dims[1]]
        name = self.inputs[0]
        batch = np.stack([self.transformer.preprocess(name, crop) for crop in crops])
        predictions = self.forward_all(blobs=None, **{name: batch})[self.outputs[0]]
        if oversample:
            predictions = predictions.reshape(len(predictions) // 10, 10, -1).mean(1)
        return predictions


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
