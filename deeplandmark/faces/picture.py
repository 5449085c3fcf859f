"""Reading pictures with errors that say what is wrong."""

from __future__ import annotations

import os
import re
from pathlib import Path

import cv2
import numpy as np

from deeplandmark.faces.errors import PictureError
from deeplandmark.work.whole_file import write_bytes

_JPEG, _JPEG_END = b"\xff\xd8", b"\xd9"
# A marker that a length follows, or the end. The others, such as restarts, stand alone; 0 after 255 is a scan's 255.
_JPEG_MARKER = re.compile(rb"\xff([^\xff\x00\x01\xd0-\xd8])")
_PNG, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND"


def read_grey(path: str | os.PathLike) -> np.ndarray:
    """The picture as `cv2.imread(path, 0)` gives it, uint8 (h, w). Raises PictureError naming the file when it is
    missing, cut short or no picture."""
    return _read(path, _decode, cv2.IMREAD_GRAYSCALE)


def read_colour(path: str | os.PathLike) -> np.ndarray:
    """The picture as uint8 (h, w, 3), blue green red. Errors as `read_grey`."""
    return _read(path, _decode, cv2.IMREAD_COLOR)


def read_upright(path: str | os.PathLike) -> np.ndarray:
    """A picture of any make as uint8 (h, w, 3), blue green red: turned as its EXIF orientation says, 16 bits brought
    down to 8, transparent parts over white. Errors as `read_grey`."""
    return _read(path, decode_upright)


def decode_upright(data: bytes) -> np.ndarray:
    """`read_upright` of a file's bytes. Raises PictureError when they are cut short or no picture."""
    image = _decode(data, cv2.IMREAD_COLOR)
    if data.startswith(_JPEG):
        return image  # has no transparency
    whole = _decode(data, cv2.IMREAD_UNCHANGED)
    return _transparent_over_white(whole, image) if whole.ndim == 3 and whole.shape[2] == 4 else image


def write_picture(path: str | os.PathLike, image: np.ndarray) -> None:
    """Writes a picture; its suffix says of which kind. It appears under its name only when whole. Raises OSError naming
    the file when that does not work."""
    path = Path(path)
    try:
        whole, data = cv2.imencode(path.suffix, image)
    except cv2.error:
        whole = False
    if not whole:
        height, width = image.shape[:2]
        raise OSError(f"{path}: OpenCV writes no pictures of this kind and size, {width} x {height} (try .png or .jpg)")
    try:
        write_bytes(path, data.tobytes(), durable=False)
    except OSError as error:
        raise OSError(f"{path}: cannot be written ({error.strerror})") from None


def over_white(image: np.ndarray) -> np.ndarray:
    """A picture with opacity, uint8 (h, w, 4), laid over white: uint8 (h, w, 3)."""
    result = np.empty((*image.shape[:2], 3), np.uint8)
    for row, whole_row in zip(result, image):  # one by one: a large picture's floats would fill the memory
        opacity = whole_row[:, 3:].astype(np.float32) / 255
        row[:] = np.rint(whole_row[:, :3] * opacity + 255 * (1 - opacity))
    return result


def _transparent_over_white(whole, image):
    """`image` mixed with white where `whole`, the same picture as its file holds it (h, w, 4), is transparent."""
    if whole.dtype == np.uint16:
        whole = (whole >> 8).astype(np.uint8)
    if whole.dtype != np.uint8 or not np.array_equal(whole[..., :3], image):
        return image  # OpenCV turned it by its orientation, or changed its colours: its transparency lies elsewhere
    return over_white(whole)


def _read(path, decode, *flags):
    data = _read_bytes(path)
    try:
        return decode(data, *flags)
    except PictureError as error:
        raise PictureError(f"{path}: {error}") from None


def _decode(data, flag):
    if is_truncated(data):
        raise PictureError(f"the picture is cut short after {len(data)} bytes")
    try:
        image = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), flag)
    except cv2.error:
        image = None
    if image is None:
        raise PictureError(f"not a picture that OpenCV can read, or a damaged one ({len(data)} bytes)")
    return image


def is_truncated(data: bytes) -> bool:
    """True when the bytes of a JPEG or PNG stop before its end marker.

    OpenCV only warns about these and fills the rest with grey, which would be trained on without anybody noticing.
    """
    if data.startswith(_JPEG):
        return not _has_jpeg_end(data)
    if data.startswith(_PNG):
        return _PNG_END not in data
    return False


def _has_jpeg_end(data):
    """Goes from marker to marker: thumbnails, inside a marker's data, and what is appended have end markers, too."""
    place = len(_JPEG)
    while marker := _JPEG_MARKER.search(data, place):
        if marker[1] == _JPEG_END:
            return True
        place = marker.end() + int.from_bytes(data[marker.end():marker.end() + 2], "big")
    return False


def _read_bytes(path):
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        raise PictureError(f"{path}: no such picture") from None
    except OSError as error:
        raise PictureError(f"{path}: cannot be read ({error.strerror})") from None
    if not data:
        raise PictureError(f"{path}: the file is empty")
    return data
