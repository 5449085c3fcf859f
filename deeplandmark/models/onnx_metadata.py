"""The metadata of an .onnx without loading its networks, which takes a hundred times as long, and without onnx."""
from __future__ import annotations

import mmap
import os
from collections.abc import Iterator

_METADATA, _KEY, _VALUE = 14, 1, 2      # fields of onnx.ModelProto and onnx.StringStringEntryProto (onnx.proto)
_VARINT, _EIGHT, _SIZED, _FOUR = 0, 1, 2, 5                     # how a field is written


class _DamageError(Exception):
    """No further field can be read."""


def metadata_of(path: str | os.PathLike) -> dict[str, str]:
    """The metadata of a model file: what there is of it before the first damage, so {} of a file that is no model.

    Raises ValueError where the file cannot be read."""
    found = {}
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            data: bytes | mmap.mmap = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) if size else b""
            for number, start, stop in _sized_fields(data, 0, size):
                if number == _METADATA:
                    entry = {field: data[a:b].decode() for field, a, b in _sized_fields(data, start, stop)}
                    found[entry.get(_KEY, "")] = entry.get(_VALUE, "")
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from None
    except (_DamageError, UnicodeDecodeError):
        pass                                                     # who loads the model says what is wrong with it
    return found


def _sized_fields(data: bytes | mmap.mmap, place: int, end: int) -> Iterator[tuple[int, int, int]]:
    """(number, start, stop) of the fields of a message data[place:end] that have a length; others are passed over."""
    while place < end:
        tag, place = _varint(data, place, end)
        kind, number = tag & 7, tag >> 3
        if kind == _VARINT:
            _, place = _varint(data, place, end)
            continue
        if kind == _SIZED:
            size, place = _varint(data, place, end)
        elif kind in (_EIGHT, _FOUR):
            size = 8 if kind == _EIGHT else 4
        else:
            raise _DamageError
        if place + size > end:
            raise _DamageError
        if kind == _SIZED:
            yield number, place, place + size
        place += size


def _varint(data, place, end):
    """(whole number, the place after it)."""
    value = 0
    for shift in range(0, 70, 7):
        if place >= end:
            break
        byte = data[place]
        value, place = value | (byte & 127) << shift, place + 1
        if byte < 128:
            return value, place
    raise _DamageError
