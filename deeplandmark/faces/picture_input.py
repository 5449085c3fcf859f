"""Pictures as people have them: files, arrays of several kinds, Pillow's pictures, torch's tensors."""
from __future__ import annotations

import os
from typing import Any

import cv2
import numpy as np

from deeplandmark.faces.picture import over_white, read_upright

KINDS = "a path, a uint8 array (h, w) grey or (h, w, 3) BGR as cv2.imread gives it, a Pillow picture or a torch tensor"


def uint8_picture(image: Any) -> np.ndarray:
    """A picture as uint8 (h, w), grey, or (h, w, 3), blue green red.

    Parameters
    ----------
    image : one of
        path (str or os.PathLike): read upright (see `picture.read_upright`);
        uint8 array (h, w), (h, w, 1), (h, w, 3) blue green red, or (h, w, 4) with opacity, which is laid over white;
        float array of these shapes: 0 is black and 1 white;
        Pillow picture: as its pixels lie, not turned by its EXIF orientation, so that points fit the picture given;
        torch tensor (c, h, w), red green blue as torchvision reads it, or (h, w) or (h, w, c) like an array; uint8 or
        float. Neither library is imported here.

    Raises
    ------
    PictureError
        For a file that is missing or no picture.
    ValueError
        For an array that is no such picture, saying how to make it one.
    TypeError
        For anything else.
    """
    if isinstance(image, np.ndarray):
        return _of_array(image)
    if isinstance(image, (str, os.PathLike)):
        return read_upright(image)
    if hasattr(image, "getbands") and hasattr(image, "convert"):
        return _of_pillow(image)
    if hasattr(image, "detach") and hasattr(image, "numpy"):
        return _of_tensor(image)
    if image is None:
        raise TypeError("no picture but None, which cv2.imread gives for a file that it cannot read")
    raise TypeError(f"a picture is {KINDS}; found {_name(image)}")


def grey_picture(image: Any) -> np.ndarray:
    """`uint8_picture` as uint8 (h, w), contiguous."""
    image = uint8_picture(image)
    return np.ascontiguousarray(image) if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)


def colour_picture(image: Any) -> np.ndarray:
    """`uint8_picture` as uint8 (h, w, 3), blue green red, contiguous."""
    image = uint8_picture(image)
    return cv2.cvtColor(image, cv2.COLOR_GRAY2BGR) if image.ndim == 2 else np.ascontiguousarray(image)


def _of_array(image):
    if not image.size:
        raise ValueError(f"a picture has pixels; found {image.dtype} {image.shape}")
    if not (image.ndim == 2 or image.ndim == 3 and image.shape[2] in (1, 3, 4)):
        raise ValueError(f"a picture is uint8 (h, w), grey, or (h, w, 3), blue green red; found {image.dtype} "
                         f"{image.shape}{_hint(image.shape)}")
    image = _as_uint8(image)
    if image.ndim == 2 or image.shape[2] == 3:
        return image
    return image[..., 0] if image.shape[2] == 1 else over_white(image)


def _as_uint8(image):
    if image.dtype == np.uint8:
        return image
    if not np.issubdtype(image.dtype, np.floating):
        how = "(image >> 8).astype('uint8')" if image.dtype == np.uint16 else "image.astype('uint8')"
        raise ValueError(f"a picture is uint8, 0 to 255, or float, 0 to 1; found {image.dtype}: pass {how} if its "
                         f"values are 0 to {65535 if image.dtype == np.uint16 else 255}")
    low, high = float(image.min()), float(image.max())
    if not (low >= 0 and high <= 1):                             # nor where one is not a number
        raise ValueError(f"a float picture is 0 (black) to 1 (white); found {image.dtype} from {low:g} to {high:g}: "
                         "pass image.astype('uint8') if its values are 0 to 255")
    return np.rint(image * np.float32(255)).astype(np.uint8)


def _hint(shape):
    """What to do with an array of another shape."""
    if len(shape) == 3 and shape[0] in (1, 3, 4):
        return ": channels come last, pass image.transpose(1, 2, 0), blue green red"
    return ": pass one picture at a time" if len(shape) == 4 else ""


def _of_pillow(picture):
    if picture.mode.startswith(("I", "F")):
        raise ValueError(f"a Pillow picture of mode {picture.mode}: its values have no fixed white; pass a uint8 array")
    if picture.mode in ("1", "L") and "transparency" not in picture.info:
        return _of_array(np.array(picture.convert("L")))
    opaque = picture.mode not in ("LA", "La", "PA", "RGBA", "RGBa") and "transparency" not in picture.info
    image = np.array(picture.convert("RGB" if opaque else "RGBA"))
    return _of_array(cv2.cvtColor(image, cv2.COLOR_RGB2BGR if opaque else cv2.COLOR_RGBA2BGRA))


def _of_tensor(tensor):
    tensor = tensor.detach().cpu()
    array = (tensor.float() if tensor.is_floating_point() else tensor).numpy()   # numpy has no bfloat16
    if array.ndim != 3 or array.shape[0] not in (1, 3, 4):
        return _of_array(array)
    array = array.transpose(1, 2, 0)
    return _of_array(np.ascontiguousarray(array if array.shape[2] == 1 else array[..., [2, 1, 0, 3][:array.shape[2]]]))


def _name(thing):
    kind = type(thing)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
