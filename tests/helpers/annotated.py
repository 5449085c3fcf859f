"""Pictures with coloured rectangles and databases of AnnotatedDatums, for tests of SSD."""
import cv2
import lmdb
import numpy as np

from deeplandmark.caffe.proto import caffe_pb2

COLOURS = {1: (0, 0, 255), 2: (0, 255, 0), 3: (255, 0, 0)}       # BGR, pure: nothing else in a picture is


def drawn_picture(size, boxes, rng, colours=COLOURS):
    """A uint8 picture (height, width, 3) of dark noise with filled rectangles; boxes: (class, x1, y1, x2, y2) in
    pixels, the last ones excluded."""
    picture = rng.integers(0, 90, (*size, 3)).astype(np.uint8)
    for label, x1, y1, x2, y2 in boxes:
        picture[y1:y2, x1:x2] = colours[label]
    return picture


def annotated(picture, boxes, encoded=True, difficult=()):
    """The AnnotatedDatum of a picture; `difficult` numbers boxes that are."""
    height, width = picture.shape[:2]
    made = caffe_pb2.AnnotatedDatum(type=caffe_pb2.AnnotatedDatum.BBOX)
    made.datum.channels, made.datum.height, made.datum.width = picture.shape[2], height, width
    made.datum.encoded, made.datum.label = encoded, -1
    made.datum.data = cv2.imencode(".png", picture)[1].tobytes() if encoded else picture.transpose(2, 0, 1).tobytes()
    for number, (label, x1, y1, x2, y2) in enumerate(boxes):
        group = next((g for g in made.annotation_group if g.group_label == label), None) or \
            made.annotation_group.add(group_label=label)
        group.annotation.add(instance_id=len(group.annotation)).bbox.CopyFrom(caffe_pb2.NormalizedBBox(
            xmin=x1 / width, ymin=y1 / height, xmax=x2 / width, ymax=y2 / height, difficult=number in difficult))
    return made


def write_database(folder, messages):
    """An LMDB of messages at `folder`."""
    with lmdb.open(str(folder), map_size=1 << 26) as environment, environment.begin(write=True) as transaction:
        for index, message in enumerate(messages):
            transaction.put(b"%08d" % index, message if isinstance(message, bytes) else message.SerializeToString())


def coloured(picture, colour, slack=70):
    """Bounds (x1, y1, x2, y2) in pixels, the last ones excluded, of a colour in a picture (3, H, W), or None."""
    mask = (np.abs(picture - np.array(colour, np.float32)[:, None, None]) < slack).all(0)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]) if len(rows) else None
