"""The bytes of binary files, and what to say of files that hold something else."""
import contextlib
import mmap
import os

from deeplandmark.caffe.errors import FileFormatError
from deeplandmark.caffe.files.plain import mistaken, open_plain
from deeplandmark.caffe.files.wire import MalformedMessage

LARGEST = (1 << 31) - 1          # bytes of a binary message, as protobuf has it


def no_message(path, data, message, error):
    """The FileFormatError for bytes that are no binary `message`; `error` is what went wrong in reading them."""
    reason = f": {error}" if isinstance(error, MalformedMessage) else ""
    known = f"not a binary {message.DESCRIPTOR.name}, {_as_text(data[:512]) or f'or cut off{reason}'}"
    return FileFormatError(f"{os.fspath(path)}: {mistaken(data[:512]) or known}")


def _as_text(start):
    """What to say of a text file where a binary one belongs; '' for bytes that are not text."""
    words = (b"layer", b"input", b"name", b"net:", b"base_lr")
    if any(byte < 32 and byte not in b"\t\n\r\f" for byte in start) or not any(word in start for word in words):
        return ""
    return "but text, a definition as it seems: the definition comes first, the weights second"


@contextlib.contextmanager
def mapped(path):
    """The bytes of a file without reading those that nobody looks at."""
    path = os.fspath(path)
    try:
        with open_plain(path) as stream:
            size = os.fstat(stream.fileno()).st_size
            if size > LARGEST:
                raise FileFormatError(f"{path}: {size} bytes; a binary message has at most 2 GiB")
            if not size:
                raise FileFormatError(f"{path}: is empty")       # a message without fields, which Caffe would take
            with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
                yield data
    except OSError as error:
        raise FileFormatError(f"{path}: {error.strerror or error}") from None
