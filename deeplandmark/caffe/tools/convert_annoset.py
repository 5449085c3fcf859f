"""Pictures of a list with their objects as a database of AnnotatedDatums (tools/convert_annoset.cpp of SSD)."""
import os
import sys

from deeplandmark.caffe.errors import CaffeError
from deeplandmark.caffe.files.annotations import LABEL_TYPES, read_annotations, read_label_map
from deeplandmark.caffe.proto import caffe_pb2
from deeplandmark.caffe.tools.picture_database import Datums, add_flags, read_lines, write_pictures


def convert_annoset(parser):
    """Write pictures and their objects as an LMDB or LevelDB for AnnotatedData.

    LISTFILE has in each line a picture's name and its label, a whole number (--anno_type classification), or the name
    of the file that tells its objects (--anno_type detection); a picture whose file is not there has none. Pictures
    that cannot be read are named on standard error and left out.
    """
    flag = add_flags(parser, "label, or file of annotations")
    flag("anno_type", choices=("classification", "detection"), default="classification",
         help="what belongs to a picture; default: a label")
    flag("label_type", choices=LABEL_TYPES, default="xml", help="kind of the files of annotations; default xml (VOC's)")
    flag("label_map_file", default="", metavar="FILE", help="labelmap.prototxt: classes by name (xml, json)")
    flag("check_label", action="store_true", help="refuse a label map in which a name or a class comes twice")
    flag("min_dim", type=int, default=0, metavar="N", help="enlarge pictures whose shorter side is below")
    flag("max_dim", type=int, default=0, metavar="N", help="shrink pictures whose longer side is above")

    def run(options):
        made = _Annotated(options)
        if options.anno_type == "classification":
            return write_pictures(options, read_lines(options.list, int, "a label, a whole number"), made.labelled)
        return write_pictures(options, read_lines(options.list, str, "a file of annotations"), made.with_objects)
    return run


class _Annotated:
    """Makes AnnotatedDatums by the tool's options."""

    def __init__(self, options):
        self.options, self._datums, self._classes = options, Datums(options), {}
        if options.anno_type == "detection" and options.label_type != "txt":
            if not options.label_map_file:
                raise CaffeError(f"--label_type {options.label_type} needs --label_map_file")
            self._classes = read_label_map(options.label_map_file, options.check_label)

    def labelled(self, name, label):
        """The AnnotatedDatum of a picture and its label; errors as of Datums.datum."""
        return self._annotated(self._datums.datum(name, label))

    def with_objects(self, name, file_name):
        """The AnnotatedDatum of a picture and the objects in a file; errors of both."""
        found = self._annotated(self._datums.datum(name, -1))
        found.type = found.BBOX
        path = self.options.root + file_name
        if not os.path.exists(path):
            print(f"{path}: no such file: a picture without objects", file=sys.stderr)
            return found
        found.annotation_group.extend(read_annotations(path, self.options.label_type, self._classes, self._datums.size))
        boxes = [one.bbox for group in found.annotation_group for one in group.annotation]
        if not all(0 <= low <= high <= 1 for b in boxes for low, high in ((b.xmin, b.xmax), (b.ymin, b.ymax))):
            print(f"{path}: a box is inside out or reaches outside of the picture", file=sys.stderr)
        return found

    def _annotated(self, datum):
        """With the size of the picture, which SSD reads even where it is encoded."""
        datum.channels, datum.height, datum.width = self._datums.shape
        return caffe_pb2.AnnotatedDatum(datum=datum)
