"""Files that say which objects a picture shows, and where: VOC's XML, COCO's JSON, plain lines (io.cpp of SSD)."""
import json
import math
from xml.etree import ElementTree

from google.protobuf import text_format

from deeplandmark.caffe.errors import FileFormatError
from deeplandmark.caffe.files.plain import open_list, open_plain
from deeplandmark.caffe.proto import caffe_pb2

LABEL_TYPES = ("xml", "json", "txt")


def read_label_map(path, check=False):
    """{name: class (int)} of a labelmap_*.prototxt, a LabelMap in text format; of equal names the last counts.

    Raises
    ------
    OSError
        When it cannot be opened.
    FileFormatError
        For a file that is none, and with `check` for names or classes that come twice.
    """
    found, labels = {}, set()
    try:
        with open_list(path) as stream:
            items = text_format.Parse(stream.read(), caffe_pb2.LabelMap()).item
    except text_format.ParseError as error:
        raise FileFormatError(f"{path}: is no label map: {error}") from None
    for item in items:
        if check and (item.name in found or item.label in labels):
            raise FileFormatError(f"{path}: name {item.name!r} or label {item.label} comes twice")
        found[item.name] = item.label
        labels.add(item.label)
    return found


def read_annotations(path, label_type, classes, size):
    """The objects of a picture as a list of AnnotationGroup, one for each class, in the order of their first objects.

    Parameters
    ----------
    path : str
    label_type : str
        `xml`: object with name, bndbox (xmin ...) and difficult; `json`: annotation with category_id, bbox (x, y,
        width, height) and iscrowd; `txt`: lines of class, xmin, ymin, xmax, ymax. All in pixels.
    classes : dict of str to int
        By the name or category_id.
    size : (height, width)
        Of the picture as it is in its file, where the file of annotations does not say it.

    Raises
    ------
    OSError
        When it cannot be opened.
    FileFormatError
        For a file that is damaged, and a name that is not among `classes`.
    """
    with open_plain(path) as stream:
        data = stream.read()
    try:
        size, objects = _READERS[label_type](data, size, classes)
        height, width = (int(side) for side in size)
        if min(height, width) < 1:
            raise ValueError(f"a picture of {height} x {width}")
        groups = {}
        for label, (x1, y1, x2, y2), difficult in objects:
            if not all(map(math.isfinite, (x1, y1, x2, y2))):
                raise ValueError(f"a box {x1:g} {y1:g} {x2:g} {y2:g}")
            group = groups.setdefault(label, caffe_pb2.AnnotationGroup(group_label=label))
            box = caffe_pb2.NormalizedBBox(xmin=x1 / width, ymin=y1 / height, xmax=x2 / width, ymax=y2 / height,
                                           difficult=difficult)
            group.annotation.add(instance_id=len(group.annotation)).bbox.CopyFrom(box)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError,
            ElementTree.ParseError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else error
        raise FileFormatError(f"{path}: cannot be read as {label_type}: {reason}") from None
    return list(groups.values())


def _class_of(name, classes):
    if name not in classes:
        raise ValueError(f"class {name!r} is not in the label map")
    return classes[name]


def _text(node, name):
    """The text of a part of an XML node."""
    part = node.find(name)
    if part is None or not (part.text or "").strip():
        raise KeyError(name)
    return part.text.strip()


def _read_xml(data, size, classes):
    root = ElementTree.fromstring(data)
    if root.find("size") is not None:
        size = [int(_text(root.find("size"), name)) for name in ("height", "width")]
    objects = []
    for one in root.findall("object"):
        box = one.find("bndbox")
        if box is None:
            raise KeyError("bndbox")
        corners = [float(_text(box, name)) for name in ("xmin", "ymin", "xmax", "ymax")]
        difficult = (one.findtext("difficult") or "").strip() == "1"
        objects.append((_class_of(_text(one, "name"), classes), corners, difficult))
    return size, objects


def _read_json(data, size, classes):
    root = json.loads(data)
    if "image" in root:
        size = [root["image"][name] for name in ("height", "width")]
    objects = []
    for one in root["annotation"]:
        x, y, width, height = map(float, one["bbox"])
        objects.append((_class_of(str(one["category_id"]), classes), (x, y, x + width, y + height),
                        bool(int(one.get("iscrowd", 0)))))
    return size, objects


def _read_txt(data, size, classes):
    words = data.split()
    if len(words) % 5:
        raise ValueError(f"{len(words)} words, expected five for each object")
    return size, [(int(words[i]), [float(word) for word in words[i + 1:i + 5]], False)
                  for i in range(0, len(words), 5)]


_READERS = {"xml": _read_xml, "json": _read_json, "txt": _read_txt}
