"""pycaffe's Detector: class scores of windows of pictures."""
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from deeplandmark.caffe.classifier import picture_transformer, scores_of
from deeplandmark.caffe.errors import CaffeError
from deeplandmark.caffe.files.model_file import Weights
from deeplandmark.caffe.files.prototxt import Definition
from deeplandmark.caffe.io import load_image, resize_image
from deeplandmark.caffe.net import Net
from deeplandmark.caffe.proto.caffe_pb2 import TEST

NO_SELECTIVE_SEARCH = "selective search is a MATLAB program that is not part of this package"


class Detector(Net):
    """A net in phase TEST that scores windows, each warped to the size of its input (pycaffe's detector.py).

    Parameters
    ----------
    model_file, pretrained_file : paths
    mean, input_scale, raw_scale, channel_swap : optional
        As in the Transformer's set_... methods.
    context_pad : int, optional
        Pixels of surroundings on each side of the warped window, as R-CNN cuts them; beyond the picture is the mean.

    Raises
    ------
    CaffeError
        For files that cannot be used, a net whose first input has not 4 axes, or a context_pad that leaves nothing.
    """

    def __init__(self, model_file: Definition, pretrained_file: Weights, mean: npt.ArrayLike | None = None,
                 input_scale: float | None = None, raw_scale: float | None = None,
                 channel_swap: Sequence[int] | None = None, context_pad: int | None = None) -> None:
        super().__init__(model_file, TEST, weights=pretrained_file)
        self.transformer = picture_transformer(self, mean, input_scale, raw_scale, channel_swap)
        self.configure_crop(context_pad)

    def configure_crop(self, context_pad: int | None) -> None:
        """Chooses the surroundings in pixels, a CaffeError where they leave nothing of the window.

        What lies beyond a picture becomes the mean, so that the net sees 0 there.
        """
        name = self.inputs[0]
        self.crop_dims = np.array(self.blobs[name].shape[2:])
        self.context_pad = int(context_pad or 0)
        if 2 * self.context_pad >= min(self.crop_dims):
            raise CaffeError(f"context_pad {self.context_pad} leaves nothing of an input of {tuple(self.crop_dims)}")
        if self.context_pad:
            shape = self.blobs[name].shape[1:]
            settings = self.transformer
            mean = np.broadcast_to(settings.mean.get(name, 0.0), shape) / settings.raw_scale.get(name, 1.0)
            swap = np.argsort(settings.channel_swap.get(name, range(shape[0])))
            self.crop_mean = mean[swap].transpose(1, 2, 0).astype(np.float32)

    def detect_windows(self, images_windows: Iterable[tuple[str, Iterable[Sequence[int]]]]) -> list[dict[str, Any]]:
        """Scores of windows.

        Parameters
        ----------
        images_windows : iterable of (file name, windows)
            Windows are (ymin, xmin, ymax, xmax) in pixels, the end not included. Pictures are read one by one, and no
            more than a batch of windows is held.

        Returns
        -------
        list of dict with `window`, `prediction` (array) and `filename`

        Raises
        ------
        CaffeError
            For a picture that cannot be read, or a window that is empty or reaches beyond it.
        """
        places: list[tuple[str, Sequence[int]]] = []

        def crops():
            for name, windows in images_windows:
                image = load_image(name)
                for window in windows:
                    places.append((name, window))
                    try:
                        yield self.crop(image, window)
                    except CaffeError as error:
                        raise CaffeError(f"{name}: {error}") from None

        scores = scores_of(self, crops())
        return [{"window": window, "prediction": score.reshape(-1), "filename": name}
                for (name, window), score in zip(places, scores)]

    def detect_selective_search(self, image_fnames: Sequence[str]) -> NoReturn:
        """pycaffe's call of a MATLAB program for proposals: always a CaffeError; give windows to detect_windows."""
        raise CaffeError(f"{NO_SELECTIVE_SEARCH}; give its windows to detect_windows")

    def crop(self, im: np.ndarray, window: Sequence[int]) -> np.ndarray:
        """The part of an image (h, w, k) in a window (ymin, xmin, ymax, xmax), with its surroundings if configured.

        A CaffeError for a window that is empty or reaches beyond the image.
        """
        top, left, bottom, right = (int(n) for n in window)
        if not 0 <= top < bottom <= im.shape[0] or not 0 <= left < right <= im.shape[1]:
            raise CaffeError(f"window {tuple(window)} is empty or reaches beyond the picture, {im.shape[:2]} pixels")
        if not self.context_pad:
            return im[top:bottom, left:right]
        return self._with_context(im, (top, left, bottom, right))

    def _with_context(self, im, box):
        """The window scaled so that its surroundings take context_pad pixels of the input on each side.

        pycaffe's arithmetic, which counts the end of a window as inside it: a pixel more than is cut.
        """
        size = np.array(self.crop_dims)
        half = (np.array(box[2:]) - box[:2] + 1) / 2
        centre = np.array(box[:2]) + half
        half = half * size / (size - 2 * self.context_pad)
        start, end = np.round(centre - half), np.round(centre + half)
        scale = size / (end - start + 1)
        pad = np.round(np.maximum(0, -start) * scale).astype(int)
        first, last = (np.clip(place, 0, im.shape[:2]).astype(int) for place in (start, end))
        inside = np.minimum(np.round((last - first + 1) * scale).astype(int), size - pad)
        crop = self.crop_mean.copy()
        crop[pad[0]:pad[0] + inside[0], pad[1]:pad[1] + inside[1]] = resize_image(
            im[first[0]:last[0], first[1]:last[1]], inside)
        return crop
