"""Reading pictures with errors that say what is wrong."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import cv2
import numpy as np

from deeplandmark.faces.errors import PictureError
from deeplandmark.faces.whole_jpeg import all_scans_begun, decoded_whole, with_end
from deeplandmark.work.picture_header import Header, read_header, without_texts
from deeplandmark.work.picture_limits import PictureLimits, checked_header
from deeplandmark.work.whole_file import write_bytes

PICTURE_SUFFIXES = frozenset(".jpg .jpeg .jpe .png .webp .bmp .dib .tif .tiff .pgm .ppm .pnm .pbm .pam .jp2 .gif .avif "
                             ".sr .ras .hdr".split())

_CUT_SHORT = "the picture is cut short after {} bytes"


def pictures_below(folder: str | os.PathLike) -> list[Path]:
    """The files in a folder and below it that are pictures by their suffix, in the order of their names."""
    return sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in PICTURE_SUFFIXES)


def read_grey(path: str | os.PathLike) -> np.ndarray:
    """The picture as `cv2.imread(path, 0)` gives it, uint8 (h, w). Raises PictureError naming the file when it is
    missing, cut short, no picture, or beyond the limits of `work.picture_limits`."""
    return _read(path, lambda data: _decode(*checked(data), cv2.IMREAD_GRAYSCALE))


def read_colour(path: str | os.PathLike) -> np.ndarray:
    """The picture as uint8 (h, w, 3), blue green red. Errors as `read_grey`."""
    return _read(path, lambda data: _decode(*checked(data), cv2.IMREAD_COLOR))


def read_upright(path: str | os.PathLike) -> np.ndarray:
    """A picture of any make as uint8 (h, w, 3), blue green red: turned as its EXIF orientation says, 16 bits brought
    down to 8, transparent parts over white. Errors as `read_grey`."""
    return _read(path, decode_upright)


def decode_upright(data: bytes, limits: PictureLimits | None = None) -> np.ndarray:
    """`read_upright` of a file's bytes. Raises PictureError when they are cut short, no picture, or beyond the limits,
    by default those of the process."""
    data, header = checked(data, limits)
    if header.kind == "JPEG":
        return _decode(data, header, cv2.IMREAD_COLOR)  # has no transparency
    whole = _decode(data, header, cv2.IMREAD_UNCHANGED)
    if whole.ndim == 2 or whole.shape[2] != 4:
        whole = None  # need not stay
    image = _decode(data, header, cv2.IMREAD_COLOR)
    return image if whole is None else _transparent_over_white(whole, image)


def checked(data: bytes, limits: PictureLimits | None = None) -> tuple[bytes, Header]:
    """The bytes of a picture's file, ready for OpenCV: without texts, which it would unpack all the same; a JPEG that
    lacks nothing but its end marker has one.

    Raises
    ------
    PictureError
        When they are no picture, cut short, or would cost more to decode than `limits` allow.
    """
    try:
        header = checked_header(data, limits)
    except ValueError as error:
        raise PictureError(str(error)) from None
    if header.ended:
        return without_texts(data), header
    if header.kind == "JPEG" and all_scans_begun(data):          # its pixels are counted when they are there
        return with_end(data), header
    raise PictureError(_CUT_SHORT.format(len(data)))


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


def over_white(image: np.ndarray, result: np.ndarray | None = None) -> np.ndarray:
    """A picture with opacity, uint8 (h, w, 4), laid over white: uint8 (h, w, 3); written to `result` if given."""
    result = np.empty((*image.shape[:2], 3), np.uint8) if result is None else result
    for row, whole_row in zip(result, image):  # one by one: a large picture's floats would fill the memory
        opacity = whole_row[:, 3:].astype(np.float32) / 255
        row[:] = np.rint(whole_row[:, :3] * opacity + 255 * (1 - opacity))
    return result


def _transparent_over_white(whole, image):
    """`image` mixed with white where `whole`, the same picture as its file holds it (h, w, 4), is transparent."""
    if whole.dtype == np.uint16:
        whole = np.right_shift(whole, 8, out=whole)
    elif whole.dtype != np.uint8:
        return image
    if whole.shape[:2] != image.shape[:2] or not all(map(np.array_equal, whole[..., :3], image)):
        return image  # OpenCV turned it by its orientation, or changed its colours: its transparency lies elsewhere
    return over_white(whole, image)


def _read(path, decode):
    data = picture_bytes(path)
    try:
        return decode(data)
    except PictureError as error:
        raise PictureError(f"{path}: {error}") from None


def _decode(data, header, flag):
    try:
        image = decoded_whole(data, flag, header.ended) if header.kind == "JPEG" else \
            cv2.imdecode(np.frombuffer(data, dtype=np.uint8), flag)
    except cv2.error:
        image = None
    if image is None and not header.ended:
        raise PictureError(_CUT_SHORT.format(len(data) - 2))
    if image is None:
        raise PictureError(f"not a picture that OpenCV can read, or a damaged one ({len(data)} bytes)")
    if sorted(image.shape[:2]) != sorted((header.height, header.width)):
        raise PictureError("the picture is damaged: its header tells of another size")
    return image


def is_truncated(data: bytes) -> bool:
    """True when the bytes of a JPEG or PNG stop before its end marker.

    OpenCV only warns about these and fills the rest with grey, which would be trained on without anybody noticing.
    """
    try:
        header = read_header(data)
    except ValueError:
        return True                                              # not even the header is there
    return header is not None and not header.ended


def picture_bytes(path: str | os.PathLike) -> bytes:
    """What is in a picture's file, not empty. Raises PictureError naming the file when it cannot be read."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode) and not os.path.isdir(path):
            raise PictureError(f"{path}: no file but a pipe or a device")       # which may never come to an end
        data = Path(path).read_bytes()
    except FileNotFoundError:
        raise PictureError(f"{path}: no such picture") from None
    except OSError as error:
        raise PictureError(f"{path}: cannot be read ({error.strerror})") from None
    if not data:
        raise PictureError(f"{path}: the file is empty")
    return data
