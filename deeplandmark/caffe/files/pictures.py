"""Pictures from files and from bytes, in Caffe's form: uint8, (channels, height, width), colours in the order BGR."""
import os
from pathlib import Path

import numpy as np

from deeplandmark.caffe.limits import check_shape
from deeplandmark.work.picture_header import without_texts
from deeplandmark.work.picture_limits import checked_header


def read_picture(caller, path, is_color, size=None):
    """A picture file, read and resized as ReadImageToCVMat does.

    Parameters
    ----------
    caller : Layer
        In whose name a missing or broken file is refused.
    path : str
    is_color : bool
        3 channels, BGR; otherwise 1.
    size : (height, width), optional
        Resized to with bilinear interpolation.

    Returns
    -------
    uint8 array (channels, height, width)
    """
    import cv2  # only nets that read pictures pay for it
    if not os.path.isfile(path):
        caller.fail(f"cannot read the picture {path!r}: there is no such file")
    try:
        picture = decode_checked(Path(path).read_bytes(), cv2.IMREAD_COLOR if is_color else cv2.IMREAD_GRAYSCALE)
        if picture is not None and size is not None:
            check_shape(size)
            picture = cv2.resize(picture, size[::-1])
    except (ValueError, OSError) as error:
        caller.fail(f"cannot read the picture {path!r}: {error}")
    return channels_first(picture)


def decode_picture(caller, data, what, is_color=None):
    """A uint8 picture (channels, height, width) of encoded bytes (JPEG, PNG ...).

    Channels as stored, unless `is_color` says 3 (True) or 1 (False). What cannot be decoded is a NetError in the name
    of the layer `caller`; `what` says which picture it was.
    """
    import cv2
    flag = {None: cv2.IMREAD_UNCHANGED, True: cv2.IMREAD_COLOR, False: cv2.IMREAD_GRAYSCALE}[is_color]
    try:
        picture = decode_checked(data, flag)
    except ValueError as error:
        caller.fail(f"cannot decode the picture of {what}: {error}")
    if picture.dtype != np.uint8:
        caller.fail(f"the picture of {what} has values of type {picture.dtype}; expected bytes")
    return channels_first(picture)


def decode_checked(data, flag):
    """The bytes of a picture's file as OpenCV decodes them with a flag of its own.

    Raises
    ------
    ValueError
        For what it cannot decode, and what would cost more than `work.picture_limits` allow.
    """
    import cv2
    checked_header(data)
    try:
        picture = cv2.imdecode(np.frombuffer(without_texts(data), np.uint8), flag)
    except cv2.error as error:
        raise ValueError(error.err) from None
    if picture is None:
        raise ValueError("it is damaged")
    return picture


def channels_first(picture):
    """(height, width) or (height, width, channels), as OpenCV has it, to (channels, height, width)."""
    return picture[None] if picture.ndim == 2 else picture.transpose(2, 0, 1)
