"""What `convert_imageset` and `convert_annoset` share: their flags, pictures as Datums, and writing the database."""
import os
import random
import sys

import numpy as np

from deeplandmark.caffe.errors import CaffeError
from deeplandmark.caffe.files.database import BACKENDS, written_database
from deeplandmark.caffe.files.pictures import channels_first, decode_checked
from deeplandmark.caffe.files.plain import open_list
from deeplandmark.caffe.proto import caffe_pb2


def add_flags(parser, in_lines):
    """The arguments of tools/convert_imageset.cpp; lines of the list have a name and `in_lines`. Returns a function
    flag(name, **settings) that adds one more."""
    def flag(name, **settings):
        parser.add_argument(f"-{name}", f"--{name}", dest=name, **settings)

    flag("gray", action="store_true", help="one channel")
    flag("shuffle", action="store_true", help="in a random order")
    flag("seed", type=int, metavar="N", help="of the order, to have it again; Caffe's tool has none")
    flag("backend", choices=BACKENDS, default="lmdb", help="kind of database; default lmdb")
    flag("resize_width", type=int, default=0, metavar="W", help="default: as it is")
    flag("resize_height", type=int, default=0, metavar="H", help="default: as it is")
    flag("check_size", action="store_true", help="stop where a picture has another size than the first")
    flag("encoded", action="store_true", help="keep the pictures' files; those that are changed are encoded anew")
    flag("encode_type", default="", metavar="TYPE", help="how to encode them: png, jpg ...; default: as the name says")
    parser.add_argument("root", metavar="ROOTFOLDER", help="goes before every name: end it with a slash")
    parser.add_argument("list", metavar="LISTFILE", help=f"lines of name and {in_lines}")
    parser.add_argument("database", metavar="DB_NAME", help="folder of the database, which is made")
    return flag


def write_pictures(options, lines, message):
    """Writes the database: of each line, whose first part is the picture's name, what `message(*line)` makes of it.

    Pictures for which it raises Unreadable are named on standard error and left out; where none is left, a
    CaffeError.
    """
    if options.shuffle:
        random.Random(options.seed).shuffle(lines)
    print(f"A total of {len(lines)} images.")
    count = 0
    with written_database(options.database, options.backend) as put:
        for number, line in enumerate(lines):
            try:
                made = message(*line)
            except Unreadable as error:
                print(f"{options.root}{line[0]}: {error}: left out", file=sys.stderr)
                continue
            put(b"%08d_%s" % (number, os.fsencode(line[0])), made.SerializeToString())
            count += 1
            if count % 1000 == 0:
                print(f"Processed {count} files.")
        if not count:
            raise CaffeError(f"{options.list}: none of its pictures can be read")
    print(f"Processed {count} files.")


def read_lines(path, kind, what):
    """(name, `kind` of the rest) of each line of a list; names may have blanks. A CaffeError for a line without;
    `what` says what was expected."""
    lines = []
    with open_list(path) as stream:
        for number, line in enumerate(stream, 1):
            name, _, rest = line.rstrip("\r\n").rpartition(" ")
            if not line.strip():
                continue
            try:
                if not name:
                    raise ValueError(line)
                lines.append((name, kind(rest)))
            except ValueError:
                raise CaffeError(f"{path}:{number}: expected a name and {what}; found {line.strip()!r}") from None
    return lines


class Unreadable(Exception):
    """A picture that cannot be read, and why."""


class Datums:
    """Makes Datums as ReadImageToDatum does (util/io.cpp), by the tool's options.

    `size` is (height, width) of the last picture as it is in its file, `shape` (channels, height, width) of its Datum.
    """

    def __init__(self, options):
        self.options, self.shape, self.size = options, None, None

    def datum(self, name, label):
        """The Datum of a picture; Unreadable where there is none, a CaffeError for another size with check_size."""
        import cv2
        o, path = self.options, self.options.root + name
        try:
            with open(path, "rb") as stream:
                data = stream.read()
            picture = decode_checked(data, cv2.IMREAD_GRAYSCALE if o.gray else cv2.IMREAD_COLOR)
        except (OSError, ValueError) as error:
            raise Unreadable(getattr(error, "strerror", None) or str(error)) from None
        self.size = picture.shape[:2]
        resized = self._resized(picture)
        maps = channels_first(resized)
        if o.check_size and self.shape not in (None, maps.shape):
            raise CaffeError(f"{path}: {maps.shape[1]} x {maps.shape[2]}, the first picture {self.shape[1]} x "
                             f"{self.shape[2]}")
        self.shape = maps.shape
        if o.encoded or o.encode_type:
            return self._encoded(path, data, resized, resized is not picture, label)
        return caffe_pb2.Datum(channels=maps.shape[0], height=maps.shape[1], width=maps.shape[2], label=label,
                               data=np.ascontiguousarray(maps).tobytes())

    def _resized(self, picture):
        import cv2
        o = self.options
        least, most = getattr(o, "min_dim", 0), getattr(o, "max_dim", 0)
        if least > 0 or most > 0:
            factor = max(1.0, least / min(picture.shape[:2]))
            if 0 < most < int(factor * max(picture.shape[:2])):
                factor = most / max(picture.shape[:2])
            return picture if factor == 1 else cv2.resize(picture, (0, 0), fx=factor, fy=factor)
        if o.resize_width > 0 and o.resize_height > 0:
            return cv2.resize(picture, (o.resize_width, o.resize_height))
        return picture

    def _encoded(self, path, data, picture, is_changed, label):
        import cv2
        o, suffix = self.options, os.path.splitext(path)[1][1:].lower()
        kind = o.encode_type.lower() or suffix
        same = {kind, suffix} <= {"jpg", "jpeg"} or kind == suffix
        if not same or o.gray or is_changed:
            try:
                data = cv2.imencode(f".{kind}", picture)[1].tobytes()
            except cv2.error:
                raise CaffeError(f"{path}: cannot be encoded as {kind!r}: give --encode_type png or jpg") from None
        return caffe_pb2.Datum(data=data, label=label, encoded=True)
