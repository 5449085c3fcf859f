"""What a picture's file may cost to decode, checked before anything is decoded.

A file of a few kilobytes can unfold to gigabytes, or to minutes of work. Every picture goes through
`checked_header`, which looks at what its header says, counts the scans of a JPEG and what a PNG's data unfold to.
"""
from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass

from deeplandmark.work.picture_header import FORMAT_NAMES, Header, png_chunks, read_header

VARIABLE = "DEEPLANDMARK_MAX_PIXELS"
_MAX_PIXELS = 120_000_000
_BYTES_PER_PIXEL = 6        # a limit of memory: pixels of 8 bytes, or scans whose coefficients are held, cost more
_SCANS = 100                # of a JPEG; encoders make a dozen
_SCANS_OF_ALL = 20          # of the largest picture: a scan costs 0.6 ns a pixel even where it says nothing
HINT = f" (--max-pixels or the variable {VARIABLE} allow more)"
_PACKED = 1032              # bytes that zlib packs into one, at most
_PIECE = 1 << 16
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_PNG_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


@dataclass(frozen=True)
class PictureLimits:
    """Upper bounds of a picture.

    Attributes
    ----------
    pixels : int
        Width x height.
    """
    pixels: int = _MAX_PIXELS

    @property
    def bytes(self) -> int:
        """Of memory that decoding may take."""
        return _BYTES_PER_PIXEL * self.pixels


def picture_limits() -> PictureLimits:
    """The limits of this process and those it starts: 120 million pixels, or what the environment variable
    DEEPLANDMARK_MAX_PIXELS says, which `--max-pixels` sets."""
    text = os.environ.get(VARIABLE, "")
    return PictureLimits(int(text)) if text.isdecimal() and int(text) > 0 else PictureLimits()


def limit_pictures(pixels: int) -> None:
    """Sets the most pixels (width x height) of a picture, for this process and those that it starts."""
    os.environ[VARIABLE] = str(pixels)


def checked_header(data: bytes, limits: PictureLimits | None = None) -> Header:
    """The Header of a file's bytes, if they may be decoded.

    Parameters
    ----------
    data : bytes
        A whole file; one that is cut short is not refused for that.
    limits : PictureLimits, optional
        By default those of the process.

    Raises
    ------
    ValueError
        When they are no picture or cost too much, saying why.
    """
    limits = limits or picture_limits()
    header = read_header(data)
    if header is None:
        raise ValueError(f"not a picture in a known format ({FORMAT_NAMES})")
    reason = _refused_by_size(header, limits) or _refused_by_work(header, data, limits)
    if reason is not None:
        raise ValueError(reason)
    return header


def _refused_by_size(header, limits):
    pixels = header.width * header.height
    if not pixels:
        return "the picture's header is damaged"
    if pixels > limits.pixels:
        return (f"a picture has at most {limits.pixels:,} pixels, found {header.width} x {header.height} = {pixels:,}"
                f"{HINT}")
    needed = int(pixels * header.bytes_per_pixel)
    if needed > limits.bytes:
        return (f"a picture takes at most {limits.bytes // 1_000_000:,} MB to decode, found {header.width} x "
                f"{header.height} at {header.bytes_per_pixel:g} bytes = {needed // 1_000_000:,} MB{HINT}")
    return None


def _refused_by_work(header, data, limits):
    if header.kind == "JPEG":
        most = min(_SCANS, max(_SCANS_OF_ALL, _SCANS_OF_ALL * limits.pixels // (header.width * header.height)))
        if header.scans > most:
            return f"a JPEG of this size has at most {most} scans, found {header.scans:,}"
    if header.kind == "PNG" and _claims_too_much(header, data):
        return f"the PNG claims more data than its {header.width} x {header.height} pixels can have"
    if header.kind == "PNG" and _unfolds_too_far(header, data, limits):
        return f"the PNG's data unfold to more than its {header.width} x {header.height} pixels"
    return None


def _claims_too_much(header, data):
    """Whether a PNG's last chunk says that it is longer than any of such a picture: a decoder takes as much memory as
    it says, up to 4 GB, before it sees that the file ends."""
    *_, (_, start, end) = png_chunks(data)
    (claimed,) = struct.unpack_from(">I", data, start - 8)
    return claimed > max(end - start, 2 * _png_rows(header, data) + 1024)


def _unfolds_too_far(header, data, limits):
    """Whether the data of a PNG unfold to more bytes than its rows have: a decoder goes to their end all the same.
    Only unfolding tells for sure, which takes nearly as long as decoding: not asked where the file cannot cost more
    than the largest picture does."""
    unpacker, left = zlib.decompressobj(), _png_rows(header, data)
    packed = sum(end - start for name, start, end in png_chunks(data) if name == b"IDAT")
    if packed > 2 * left + 1024:                                 # packed badly, it is hardly longer than the rows
        return True
    if packed * _PACKED <= 3 * limits.pixels:
        return False
    try:
        for name, start, end in png_chunks(data):
            if name != b"IDAT":
                continue
            for place in range(start, end, _PIECE):
                piece = data[place:min(place + _PIECE, end)]
                while piece:
                    left -= len(unpacker.decompress(piece, max(1, left + 1)))
                    if left < 0:
                        return True
                    piece = unpacker.unconsumed_tail
                if unpacker.eof:
                    return False
    except zlib.error:                                           # the decoder says so
        return False
    return False


def _png_rows(header, data):
    """Bytes of a PNG's rows, each with one that names its filter."""
    depth, colours, interlaced = data[24], data[25], data[28]
    passes = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    total = 0
    for left, top, across, down in passes:
        width, height = -(-(header.width - left) // across), -(-(header.height - top) // down)
        if width > 0 and height > 0:
            total += height * (1 + -(-width * depth * _PNG_SAMPLES[colours] // 8))
    return total
