"""Reading pictures with errors that say what is wrong."""

import os
from pathlib import Path

import cv2
import numpy as np

from .errors import PictureError

_JPEG, _JPEG_SCAN, _JPEG_END = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"
_JPEG_SUFFIXES = (".jpg", ".jpeg", ".jpe")
_PNG, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND"


def read_grey(path):
    """The picture as `cv2.imread(path, 0)` gives it, uint8 (h, w). Raises PictureError naming the file when it is
    missing, cut short or no picture."""
    return _decode(path, cv2.IMREAD_GRAYSCALE)


def read_colour(path):
    """The picture as uint8 (h, w, 3), blue green red. Errors as `read_grey`."""
    return _decode(path, cv2.IMREAD_COLOR)


def read_upright(path):
    """A picture of any make as uint8 (h, w, 3), blue green red: turned as its EXIF orientation says, 16 bits brought
    down to 8, transparent parts over white. Errors as `read_grey`."""
    image = read_colour(path)
    if Path(path).suffix.lower() in _JPEG_SUFFIXES:
        return image  # has no transparency
    whole = _decode(path, cv2.IMREAD_UNCHANGED)
    return _over_white(whole, image) if whole.ndim == 3 and whole.shape[2] == 4 else image


def write_picture(path, image):
    """Writes a picture; its suffix says of which kind. It appears under its name only when whole. Raises OSError naming
    the file when that does not work."""
    path = Path(path)
    try:
        _, data = cv2.imencode(path.suffix, image)
    except cv2.error:
        raise OSError(f"{path}: OpenCV writes no pictures of this kind (try .png or .jpg)") from None
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        temporary.write_bytes(data.tobytes())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OSError(f"{path}: cannot be written ({error.strerror})") from None


def _over_white(whole, image):
    """`image` mixed with white where `whole`, the same picture as its file holds it (h, w, 4), is transparent."""
    if whole.dtype == np.uint16:
        whole = (whole >> 8).astype(np.uint8)
    if whole.dtype != np.uint8 or not np.array_equal(whole[..., :3], image):
        return image  # OpenCV turned it by its orientation, or changed its colours: its transparency lies elsewhere
    opacity = whole[..., 3:].astype(np.float32) / 255
    return np.rint(image * opacity + 255 * (1 - opacity)).astype(np.uint8)


def _decode(path, flag):
    data = _read_bytes(path)
    if is_truncated(data):
        raise PictureError(f"{path}: the picture is cut short after {len(data)} bytes")
    try:
        image = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), flag)
    except cv2.error:
        image = None
    if image is None:
        raise PictureError(f"{path}: not a picture that OpenCV can read ({len(data)} bytes)")
    return image


def is_truncated(data):
    """True when the bytes of a JPEG or PNG stop before its end marker.

    OpenCV only warns about these and fills the rest with grey, which would be trained on without anybody noticing.
    """
    if data.startswith(_JPEG):
        # An embedded thumbnail has an end marker too, but it comes before the picture's own scan.
        return data.rfind(_JPEG_END) < max(data.rfind(_JPEG_SCAN), 1)
    if data.startswith(_PNG):
        return _PNG_END not in data
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
