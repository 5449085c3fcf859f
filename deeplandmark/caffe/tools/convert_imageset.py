"""Pictures of a list as a database of Datums (tools/convert_imageset.cpp)."""
import os
import random
import sys

import numpy as np

from deeplandmark.caffe.errors import CaffeError
from deeplandmark.caffe.files.database import BACKENDS, written_database
from deeplandmark.caffe.files.pictures import channels_first, decode_checked
from deeplandmark.caffe.files.plain import open_list
from deeplandmark.caffe.proto import caffe_pb2


def convert_imageset(parser):
    """Write the pictures of a list as an LMDB or LevelDB of Datums.

    LISTFILE has a picture's name and its label, a whole number, in each line. Pictures that cannot be read are named on
    standard error and left out, as Caffe does it.
    """
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
    parser.add_argument("list", metavar="LISTFILE", help="lines of name and label")
    parser.add_argument("database", metavar="DB_NAME", help="folder of the database, which is made")

    def run(options):
        lines = _read_list(options.list)
        if options.shuffle:
            random.Random(options.seed).shuffle(lines)
        print(f"A total of {len(lines)} images.")
        made, count = _Datums(options), 0
        with written_database(options.database, options.backend) as put:
            for number, (name, label) in enumerate(lines):
                try:
                    datum = made.datum(name, label)
                except _Unreadable as error:
                    print(f"{options.root}{name}: {error}: left out", file=sys.stderr)
                    continue
                put(b"%08d_%s" % (number, os.fsencode(name)), datum.SerializeToString())
                count += 1
                if count % 1000 == 0:
                    print(f"Processed {count} files.")
            if not count:
                raise CaffeError(f"{options.list}: none of its pictures can be read")
        print(f"Processed {count} files.")
    return run


class _Unreadable(Exception):
    """A picture that cannot be read, and why."""


class _Datums:
    """Makes Datums as ReadImageToDatum does (util/io.cpp), by the tool's options."""

    def __init__(self, options):
        self.options, self._shape = options, None

    def datum(self, name, label):
        """The Datum of a picture; _Unreadable where there is none, a CaffeError for another size with check_size."""
        import cv2
        o, path = self.options, self.options.root + name
        try:
            with open(path, "rb") as stream:
                data = stream.read()
            picture = decode_checked(data, cv2.IMREAD_GRAYSCALE if o.gray else cv2.IMREAD_COLOR)
        except (OSError, ValueError) as error:
            raise _Unreadable(getattr(error, "strerror", None) or str(error)) from None
        if o.resize_width > 0 and o.resize_height > 0:
            picture = cv2.resize(picture, (o.resize_width, o.resize_height))
        maps = channels_first(picture)
        if o.check_size and self._shape not in (None, maps.shape):
            raise CaffeError(f"{path}: {maps.shape[1]} x {maps.shape[2]}, the first picture {self._shape[1]} x "
                             f"{self._shape[2]}")
        self._shape = maps.shape
        if o.encoded or o.encode_type:
            return self._encoded(path, data, picture, label)
        return caffe_pb2.Datum(channels=maps.shape[0], height=maps.shape[1], width=maps.shape[2], label=label,
                               data=np.ascontiguousarray(maps).tobytes())

    def _encoded(self, path, data, picture, label):
        import cv2
        o, suffix = self.options, os.path.splitext(path)[1][1:].lower()
        kind = o.encode_type.lower() or suffix
        same = {kind, suffix} <= {"jpg", "jpeg"} or kind == suffix
        if not same or o.gray or o.resize_width > 0 and o.resize_height > 0:
            try:
                data = cv2.imencode(f".{kind}", picture)[1].tobytes()
            except cv2.error:
                raise CaffeError(f"{path}: cannot be encoded as {kind!r}: give --encode_type png or jpg") from None
        return caffe_pb2.Datum(data=data, label=label, encoded=True)


def _read_list(path):
    """(name, label) of each line; the label is behind the last blank, so names may have some."""
    lines = []
    with open_list(path) as stream:
        for number, line in enumerate(stream, 1):
            name, _, label = line.rstrip("\r\n").rpartition(" ")
            if not line.strip():
                continue
            try:
                lines.append((name, int(label)))
            except ValueError:
                raise CaffeError(f"{path}:{number}: expected a name and a label, a whole number; found "
                                 f"{line.strip()!r}") from None
    return lines
