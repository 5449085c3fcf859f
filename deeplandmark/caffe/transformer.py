"""Pictures made ready for a net: pycaffe's Transformer and resize_image."""
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from deeplandmark.caffe.errors import CaffeError


def resize_image(im: npt.ArrayLike, new_dims: Sequence[int] | np.ndarray, interp_order: int = 1) -> np.ndarray:
    """Resizes an array (h, w, k) to (new_dims[0], new_dims[1], k), float32.

    pycaffe's two rules: with 1 or 3 channels pixels are areas (centres at +0.5) and what lies beyond the edge has the
    smallest value of the picture, as scikit-image's resize fills it; with other numbers of channels the corner pixels
    keep their places, as in scipy's zoom.

    Parameters
    ----------
    im : array (h, w, k)
    new_dims : (height, width)
        Pixels.
    interp_order : 0 (nearest) or 1 (linear)

    Raises
    ------
    CaffeError
        For another shape or order.
    """
    im = np.asarray(im)
    if im.ndim != 3 or 0 in im.shape:
        raise CaffeError(f"an image is an array (h, w, k) with values in it, found shape {im.shape}")
    if interp_order not in (0, 1):
        raise CaffeError(f"interp_order must be 0 (nearest) or 1 (linear), found {interp_order}")
    height, width = (int(n) for n in new_dims)
    if height < 1 or width < 1:
        raise CaffeError(f"an image cannot be resized to {height} x {width}")
    by_area = im.shape[-1] in (1, 3)
    low = float(im.min()) if by_area else 0.0
    values = im.astype(np.float64) - low
    for axis, size in enumerate((height, width)):
        values = _resample(values, axis, size, interp_order, by_area)
    return (values + low).astype(np.float32)


def _resample(values, axis, size, order, by_area):
    """One axis at `size` places: a weighted sum of two neighbours, 0 beyond the edge."""
    old = values.shape[axis]
    if by_area:
        places = (np.arange(size) + 0.5) * old / size - 0.5
    else:
        places = np.arange(size) * ((old - 1) / (size - 1) if size > 1 else 0.0)
    if order == 0:
        return values.take(np.clip(np.floor(places + 0.5).astype(int), 0, old - 1), axis)
    left = np.floor(places).astype(int)
    part = places - left
    shape = [1] * values.ndim
    shape[axis] = size
    total = 0.0
    for index, weight in ((left, 1 - part), (left + 1, part)):
        weight = np.where((index >= 0) & (index < old), weight, 0.0)
        total = total + values.take(np.clip(index, 0, old - 1), axis) * weight.reshape(shape)
    return total


class Transformer:
    """Turns pictures (h, w, k) into inputs (k, h, w) of a net and back (pycaffe's io.Transformer).

    Parameters
    ----------
    inputs : dict of input blob name -> shape (n, k, h, w)

    Raises
    ------
    CaffeError
        From every method, for a name that is not among the inputs or settings that do not suit its shape.
    """

    def __init__(self, inputs: Mapping[str, Sequence[int]]) -> None:
        self.inputs = {name: tuple(int(n) for n in shape) for name, shape in inputs.items()}
        self.transpose: dict[str, tuple[int, ...]] = {}
        self.channel_swap: dict[str, tuple[int, ...]] = {}
        self.raw_scale: dict[str, float] = {}
        self.mean: dict[str, np.ndarray] = {}
        self.input_scale: dict[str, float] = {}

    def preprocess(self, in_: str, data: npt.ArrayLike) -> np.ndarray:
        """Resize to the input's size, transpose, swap channels, raw scale, subtract mean, input scale.

        Parameters
        ----------
        in_ : str
            Name of the input.
        data : array (h, w, k)
            Left as it is, unlike pycaffe's.

        Returns
        -------
        float32 array (k, h, w)
        """
        shape = self._shape(in_)
        result = np.asarray(data).astype(np.float32)             # a copy: the caller's picture stays
        if result.shape[:2] != shape[2:]:
            result = resize_image(result, shape[2:])
        if in_ in self.transpose:
            result = result.transpose(self.transpose[in_])
        if in_ in self.channel_swap:
            result = result[list(self.channel_swap[in_])]
        if in_ in self.raw_scale:
            result = result * np.float32(self.raw_scale[in_])
        if in_ in self.mean:
            result = (result - self.mean[in_]).astype(np.float32)
        if in_ in self.input_scale:
            result = result * np.float32(self.input_scale[in_])
        return result

    def deprocess(self, in_: str, data: npt.ArrayLike) -> np.ndarray:
        """The picture of an input (k, h, w) as a float32 array: `preprocess` backwards, without the resizing."""
        self._shape(in_)
        result = np.array(data, dtype=np.float32).squeeze()
        if in_ in self.input_scale:
            result = result / np.float32(self.input_scale[in_])
        if in_ in self.mean:
            result = result + self.mean[in_]
        if in_ in self.raw_scale:
            result = result / np.float32(self.raw_scale[in_])
        if in_ in self.channel_swap:
            result = result[np.argsort(self.channel_swap[in_])]
        if in_ in self.transpose:
            result = result.transpose(np.argsort(self.transpose[in_]))
        return result

    def set_transpose(self, in_: str, order: Sequence[int]) -> None:
        """Order of the axes: (2, 0, 1) makes (k, h, w) of (h, w, k)."""
        axes = len(self._shape(in_)) - 1
        if sorted(order) != list(range(axes)):
            raise CaffeError(f"transpose of {in_!r} must be an order of {axes} axes, found {tuple(order)}")
        self.transpose[in_] = tuple(order)

    def set_channel_swap(self, in_: str, order: Sequence[int]) -> None:
        """Order of the channels after the transpose: (2, 1, 0) makes BGR of RGB."""
        channels = self._shape(in_)[1]
        if len(order) != channels or not all(-channels <= n < channels for n in order):
            raise CaffeError(f"channel swap of {in_!r} must name {channels} channels, found {tuple(order)}")
        self.channel_swap[in_] = tuple(order)

    def set_raw_scale(self, in_: str, scale: float) -> None:
        """Factor (float) before the mean is subtracted: 255 for nets that were trained on 0..255."""
        self._shape(in_)
        self.raw_scale[in_] = scale

    def set_mean(self, in_: str, mean: npt.ArrayLike) -> None:
        """The mean to subtract: (k,) one for each channel, (h, w) or (k, h, w); another size is resized."""
        shape = self._shape(in_)[1:]
        mean = np.asarray(mean)
        if mean.ndim == 1:
            if len(mean) != shape[0]:
                raise CaffeError(f"mean of {in_!r}: {len(mean)} channels, the input has {shape[0]}")
            mean = mean[:, None, None]
        else:
            full = mean[None] if mean.ndim == 2 else mean
            if full.ndim != 3:
                raise CaffeError(f"mean of {in_!r} has shape {mean.shape}; it must have 1, 2 or 3 axes")
            if full.shape[1:] != shape[1:]:
                mean = full = resize_image(full.transpose(1, 2, 0), shape[1:]).transpose(2, 0, 1)
            if full.shape[0] not in (1, shape[0]):
                raise CaffeError(f"mean of {in_!r} has shape {mean.shape}, the input {shape}")
        self.mean[in_] = mean

    def set_input_scale(self, in_: str, scale: float) -> None:
        """Factor (float) after everything else."""
        self._shape(in_)
        self.input_scale[in_] = scale

    def _shape(self, in_):
        if in_ not in self.inputs:
            raise CaffeError(f"{in_!r} is not an input of the net (inputs: {', '.join(self.inputs)})")
        return self.inputs[in_]
