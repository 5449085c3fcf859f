"""What a picture's file says of its size, read from its first bytes: nothing is decoded.

One function a format; together those that OpenCV reads. Each takes the bytes of a file of its format and gives a
Header, or raises ValueError, IndexError or struct.error where the file is damaged.
"""
from __future__ import annotations

import re
import struct
from typing import NamedTuple

# A JPEG marker that a length follows, or the end. Others, such as restarts, stand alone; 0 after 255 is a scan's 255.
_JPEG_MARKER = re.compile(rb"\xff([^\xff\x00\x01\xd0-\xd8])")
JPEG_END, JPEG_SCAN = 0xd9, 0xda
JPEG_FRAMES = frozenset(range(0xc0, 0xd0)) - {0xc4, 0xc8, 0xcc}     # tables lie between them
_SPACE = rb"(?:\s|#[^\n]*\n)+"                                   # of a PNM, comments among it
_PNM = re.compile(rb"P[1-6Ff]" + _SPACE + rb"(\d{1,10})" + _SPACE + rb"(\d{1,10})")
_PAM = re.compile(rb"^(WIDTH|HEIGHT|DEPTH|MAXVAL)\s+(\d{1,10})", re.MULTILINE)
_RADIANCE = re.compile(rb"^([-+][XY]) +(\d{1,10}) +([-+][XY]) +(\d{1,10})", re.MULTILINE)
_PNG, _PNG_TEXTS = b"\x89PNG\r\n\x1a\n", (b"zTXt", b"iTXt", b"tEXt", b"iCCP")
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}                   # by colour type


class Header(NamedTuple):
    """What a file says of its picture.

    Attributes
    ----------
    kind : str
        Its format.
    width, height : int
        Pixels as they are stored, before EXIF turns them.
    bytes_per_pixel : float
        Of memory that decoding takes at least.
    scans : int
        Times that a JPEG goes over its pixels.
    ended : bool
        False for a JPEG or PNG that stops before its end marker.
    """
    kind: str
    width: int
    height: int
    bytes_per_pixel: float = 3
    scans: int = 1
    ended: bool = True


def read_header(data: bytes) -> Header | None:
    """The Header of the bytes of a file; None for one of no known format.

    Raises
    ------
    ValueError
        For a header that is damaged.
    """
    for beginning, read in _FORMATS:
        if re.match(beginning, data, re.DOTALL):
            try:
                return read(data)
            except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, struct.error):
                raise ValueError("the picture's header is damaged") from None
    return None


def jpeg_markers(data: bytes):
    """(marker, where its data begin) of a JPEG, one by one, the end marker included. Goes from marker to marker:
    thumbnails, inside a marker's data, and what is appended have such bytes, too."""
    place = 2
    while found := _JPEG_MARKER.search(data, place):
        yield found[1][0], found.end()
        if found[1][0] == JPEG_END:
            return
        place = found.end() + int.from_bytes(data[found.end():found.end() + 2], "big")


def png_chunks(data: bytes):
    """(name, where its data begin, where they end) of the chunks of a PNG, one by one."""
    place = 8
    while place + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, place)
        yield name, place + 8, min(place + 8 + length, len(data))
        place += 12 + length


def without_texts(data: bytes) -> bytes:
    """A PNG without the packed texts and colour profiles that libpng would unpack, 8 MB of each, and nobody reads;
    other files as they are."""
    if not data.startswith(_PNG):
        return data
    chunks = list(png_chunks(data))
    if not any(name in _PNG_TEXTS for name, _, _ in chunks):
        return data
    kept = (data[start - 8:end + 4] for name, start, end in chunks if name not in _PNG_TEXTS)
    return b"".join([_PNG, *kept])


def _jpeg(data):
    frame, scans, ended = None, 0, False
    for marker, place in jpeg_markers(data):
        if marker in JPEG_FRAMES and frame is None:
            frame = marker, *struct.unpack_from(">HHB", data, place + 3)
            sampling = [data[place + 9 + 3 * i] for i in range(frame[3])]
        scans += marker == JPEG_SCAN
        ended = marker == JPEG_END
    kind, height, width, components = frame
    across, down = max(each >> 4 for each in sampling), max(each & 15 for each in sampling)
    stored = sum((each >> 4) * (each & 15) for each in sampling) / (across * down)
    # All coefficients, of 16 bits, are held until the last scan.
    held = 2 * stored if scans > 1 or kind not in (0xc0, 0xc1) else 0
    return Header("JPEG", width, height, (1 if components == 1 else 3) + held, scans, ended)


def _png(data):
    width, height, depth, colours, _, _, _ = struct.unpack_from(">IIBBBBB", data, 16)    # all of it, or none
    channels = _PNG_CHANNELS[colours]
    return Header("PNG", width, height, max(3, channels * max(1, depth // 8)), ended=b"IEND" in data)


def _webp(data):
    kind = data[12:16]
    if kind == b"VP8X":
        return Header("WebP", *(1 + int.from_bytes(data[place:place + 3], "little") for place in (24, 27)), 4)
    if kind == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        return Header("WebP", 1 + (bits & 0x3fff), 1 + (bits >> 14 & 0x3fff), 4)
    width, height = struct.unpack_from("<HH", data, 26)
    return Header("WebP", width & 0x3fff, height & 0x3fff)


def _bmp(data):
    if struct.unpack_from("<I", data, 14)[0] == 12:
        return Header("BMP", *struct.unpack_from("<HH", data, 18))
    width, height = struct.unpack_from("<ii", data, 18)
    return Header("BMP", abs(width), abs(height), 4)


def _gif(data):
    return Header("GIF", *struct.unpack_from("<HH", data, 6), 4)


def _tiff(data):
    order = "<" if data[:2] == b"II" else ">"
    big = struct.unpack_from(order + "H", data, 2)[0] == 43
    place = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)[0]
    count = struct.unpack_from(order + ("Q" if big else "H"), data, place)[0]
    place, step, at = place + (8 if big else 2), *((20, 12) if big else (12, 8))
    tags = {}
    for entry in range(place, place + step * min(count, 1000), step):
        tag, kind, values = struct.unpack_from(order + "HH" + ("Q" if big else "I"), data, entry)
        if kind in (3, 4):                                       # 16 or 32 bits
            size = 2 if kind == 3 else 4
            where = entry + at
            if values * size > (8 if big else 4):
                where = struct.unpack_from(order + ("Q" if big else "I"), data, where)[0]
            tags[tag] = struct.unpack_from(order + ("H" if kind == 3 else "I"), data, where)[0]
    width, height, bits, samples = tags[256], tags[257], tags.get(258, 1), tags.get(277, 1)
    per_pixel = max(4.0, samples * bits / 8)
    tiles = tags.get(322, 0) * tags.get(323, 0)                  # one is held, however small the picture
    return Header("TIFF", width, height, per_pixel * max(1, tiles / max(1, width * height)))


def _jpeg2000(data):
    width, height, left, top = struct.unpack_from(">IIII", data, data.index(b"\xff\x4f\xff\x51") + 8)
    components = struct.unpack_from(">H", data, data.index(b"\xff\x4f\xff\x51") + 40)[0]
    return Header("JPEG 2000", width - left, height - top, 3 + 4 * components)


def _avif(data):
    places = [found.end() for found in re.finditer(b"ispe", data[:100_000])]
    return Header("AVIF", *max(struct.unpack_from(">II", data, place + 4) for place in places), 7)


def _pnm(data):
    width, height = _PNM.match(data).groups()
    kind = data[1:2]
    return Header("PNM", int(width), int(height), 12 if kind in b"Ff" else 6)


def _pam(data):
    found = {name: int(value) for name, value in _PAM.findall(data[:4096])}
    return Header("PAM", found[b"WIDTH"], found[b"HEIGHT"],
                  found[b"DEPTH"] * (2 if found[b"MAXVAL"] > 255 else 1))


def _radiance(data):
    one, first, two, second = _RADIANCE.search(data[:4096]).groups()
    sizes = {one[1:]: int(first), two[1:]: int(second)}
    return Header("Radiance", sizes[b"X"], sizes[b"Y"], 12)


def _sun(data):
    return Header("Sun raster", *struct.unpack_from(">II", data, 4), 4)


_FORMATS = ((rb"\xff\xd8", _jpeg), (rb"\x89PNG\r\n\x1a\n", _png), (rb"RIFF....WEBP", _webp), (rb"BM", _bmp),
            (rb"GIF8[79]a", _gif), (rb"II[\x2a\x2b]\0|MM\0[\x2a\x2b]", _tiff), (rb"P[1-6Ff]\s", _pnm), (rb"P7\s", _pam),
            (rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51", _jpeg2000), (rb"....ftypavi[fs]", _avif),
            (rb"#\?R(?:ADIANCE|GBE)", _radiance), (rb"\x59\xa6\x6a\x95", _sun))
FORMAT_NAMES = "JPEG, PNG, WebP, BMP, GIF, TIFF, PNM, JPEG 2000, AVIF, Radiance or Sun raster"
