"""Whether a JPEG has all of its pixels. libjpeg fills with grey what is missing, and OpenCV says nothing of it.

Data that end too early are found by what more of them would change: decoded once more with other bytes before the end
marker, a whole picture is the same, as nothing is left to be read from them.
"""
import re

import cv2
import numpy as np

from deeplandmark.work.opencv import hushed
from deeplandmark.work.picture_header import JPEG_END, JPEG_FRAMES, JPEG_SCAN, jpeg_markers

_GREY = 128                                                      # what libjpeg fills with
_MORE = bytes([0x55, 0xb3, 0x2a, 0x6c, 0x91, 0x4d, 0xe8, 0x17]) * 8      # no marker in it
_END = bytes([255, JPEG_END])
_RESTART = re.compile(rb"\xff([\xd0-\xd7])")                     # eight in turn, where pixels are in stretches


def with_end(data: bytes) -> bytes:
    """A JPEG without its end marker, with one."""
    return data.rstrip(b"\xff") + _END


def all_scans_begun(data: bytes) -> bool:
    """Whether a JPEG has come to its last scan: each coefficient of each component is in one, to its last bit."""
    try:
        sent: dict[int, np.ndarray] = {}
        for marker, place in jpeg_markers(data):
            if marker in JPEG_FRAMES:
                sent = {data[place + 8 + 3 * i]: np.zeros(64, bool) for i in range(data[place + 7])}
            if marker == JPEG_SCAN:
                count = data[place + 2]
                first, last, bits = data[place + 3 + 2 * count:place + 6 + 2 * count]
                for i in range(count):
                    sent[data[place + 3 + 2 * i]][first:last + 1] |= bits & 15 == 0
        return bool(sent) and all(each.all() for each in sent.values())
    except (LookupError, ValueError):
        return False


def decoded_whole(data: bytes, flag: int, has_end: bool) -> np.ndarray | None:
    """What cv2.imdecode makes of a JPEG, or None where it makes nothing or where pixels are missing.

    Parameters
    ----------
    data : bytes, with an end marker at the end
    flag : int, of cv2.imread
    has_end : bool
        Whether the file came with that marker: then pixels are asked for only where the picture ends in the grey that
        libjpeg fills with.
    """
    if not has_end:
        with hushed():
            image = _decode(data, flag)
            return None if image is None or _ends_early(data, image, flag) else image
    image = _decode(data, flag)
    if image is not None and _has_grey_corner(image):
        with hushed():
            return None if _ends_early(data, image, flag) else image
    return image


def _decode(data, flag):
    return cv2.imdecode(np.frombuffer(data, np.uint8), flag)


def _has_grey_corner(image):
    """The last pixel of the file may lie in any corner of a picture (h, w) or (h, w, 3) that was turned."""
    height, width = image.shape[:2]
    corners = image[::max(1, height - 1), ::max(1, width - 1)]
    return bool((corners.reshape(corners.shape[0] * corners.shape[1], -1) == _GREY).all(1).any())


def _ends_early(data, image, flag):
    """Whether pixels are missing from a JPEG that was decoded to `image`."""
    end = next((place - len(_END) for marker, place in jpeg_markers(data) if marker == JPEG_END), None)
    if end is None:                                              # a marker among the pixels has swallowed it
        return True
    again = _decode(data[:end] + _more(data[:end]) + data[end:], flag)
    return again is None or not np.array_equal(again, image)


def _more(data):
    """Bytes that would be pixels behind `data`, in this stretch and the next ones."""
    restarts = _RESTART.findall(data)
    last = restarts[-1][0] if restarts else 0xd7
    return _MORE + b"".join(bytes([255, 0xd0 + (last + i) % 8]) + _MORE for i in range(1, 9))
