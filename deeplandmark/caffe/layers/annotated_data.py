"""AnnotatedData: pictures with boxes from a database, as SSD trains on them (annotated_data_layer.cpp)."""
import numpy as np
import torch

from deeplandmark.caffe.boxes import project, shared_areas, sizes_of
from deeplandmark.caffe.layers.box_sampler import check_samplers, sampled_boxes
from deeplandmark.caffe.layers.data_transformer import SEEDS, stack_items
from deeplandmark.caffe.layers.lmdb_data import DatabaseLayer
from deeplandmark.caffe.layers.picture_changes import (
    boxes_after_crop,
    boxes_after_resize,
    check_distortion,
    distort,
    expand,
)
from deeplandmark.caffe.layers.registry import layer
from deeplandmark.caffe.proto import caffe_pb2

_BOX = slice(2, 6)           # of the rows (class, number, x1, y1, x2, y2, difficult) that objects are here


@layer("AnnotatedData")
class AnnotatedData(DatabaseLayer):
    """AnnotatedDatums of an LMDB or a LevelDB: tops data (N, C, H, W) and label (1, 1, G, 8) (SSD, weiliu89/caffe).

    A row of label: place in the batch, class, number of the object, x1, y1, x2, y2 as parts of the picture in data,
    whether it is difficult. G changes from batch to batch; without any object there is one row of -1. Databases without
    a type of annotation (and no anno_type) have labels instead, (N, 1, 1, 1).

    transform_param distort_param changes the colours, expand_param puts the picture into a larger one, and one of the
    pieces that the annotated_data_param batch_sampler found is cut out; then come resize_param, noise_param, crop,
    mirror, mean and scale (DataTransformer). Objects are cut off at the edges, and left out where nothing remains;
    emit_constraint leaves out those whose centre is outside too, or (MIN_OVERLAP) of which no more than emit_overlap
    remains. SSD packs the picture as JPEG anew after each of the first three steps, which changes it a little, and
    leaves colours as they are where a picture is not encoded: neither is done here. label_map_file has no effect.
    """
    message = caffe_pb2.AnnotatedDatum

    def create(self, bottom_shapes):
        super().create(bottom_shapes)
        t, self.settings = self.param.transform_param, self.param.annotated_data_param
        self.samplers = list(self.settings.batch_sampler)
        check_samplers(self, self.samplers)
        check_distortion(self, t.distort_param)
        if t.HasField("expand_param") and not 1 <= t.expand_param.max_expand_ratio <= 1000:
            self.fail(f"expand_param max_expand_ratio must be in 1..1000, found {t.expand_param.max_expand_ratio:g}")
        if t.HasField("expand_param") and t.mean_file:
            self.fail("expand_param fills with mean_value; a mean_file has no values for places outside of a picture")
        if t.HasField("resize_param") and t.resize_param.resize_mode == t.resize_param.FIT_SMALL_SIZE \
                and self.batch_of_all != 1:
            self.fail(f"FIT_SMALL_SIZE gives each picture a size of its own: batch_size must be 1, found "
                      f"{self.batch_of_all}")

    def reshape(self, bottom_shapes):
        first = self.entry()
        self.has_boxes = first.HasField("type") or self.settings.HasField("anno_type")
        shape = self.transform.output_shape(self.picture(first.datum).shape)
        label = (1, 1, max(1, len(_objects(first))), 8) if self.has_boxes else (self.batch_size, 1, 1, 1)
        return [(self.batch_size, *shape), label][:self.num_tops]

    def forward(self):
        labels = []

        def item(entry):
            found, objects = self._item(entry)
            labels.append(entry.datum.label if not self.has_boxes else
                          np.concatenate([np.full((len(objects), 1), len(labels), np.float32), objects], 1))
            return found

        data = stack_items(self, self.items(item, self._pass_over), self.batch_size)
        if self.has_boxes:
            rows = np.concatenate(labels)
            label = torch.from_numpy(rows if len(rows) else np.full((1, 8), -1, np.float32))[None, None]
        else:
            label = torch.tensor(labels).reshape(-1, 1, 1, 1)
        return (self.to_place(data), self.to_place(label))[:self.num_tops]

    def _pass_over(self):
        self.transform.draw(SEEDS)
        self.transform.pass_over()

    def _item(self, entry):
        """(item (C, h, w), objects (G, 7)) of an AnnotatedDatum."""
        if self.has_boxes and not entry.HasField("type") and not self.settings.HasField("anno_type"):
            self.fail(f"key {self.cursor.key!r} has no type of annotation, the first entry has one")
        rng = np.random.default_rng(self.transform.draw(SEEDS))
        picture, objects = self._piece(self.picture(entry.datum).transpose(1, 2, 0), _objects(entry), rng)
        item, place, mirrored = self.transform.with_place(picture.transpose(2, 0, 1))
        resize_param = self.param.transform_param.resize_param if self.transform.resizes else None
        if resize_param:
            objects[:, _BOX] = boxes_after_resize(resize_param, objects[:, _BOX], picture.shape[:2])
        objects = self._inside(place, objects)
        if mirrored:
            objects[:, [2, 4]] = 1 - objects[:, [4, 2]]
        if resize_param:
            objects[:, _BOX] = boxes_after_crop(resize_param, objects[:, _BOX], picture.shape[:2], place)
        return item, objects

    def _piece(self, picture, objects, rng):
        """Picture (H, W, C) and objects, distorted, expanded and sampled."""
        t = self.param.transform_param
        if t.HasField("distort_param"):
            if picture.dtype != np.uint8 or picture.shape[2] != 3:
                self.fail(f"distort_param takes pictures of bytes in colour; key {self.cursor.key!r} holds "
                          f"{picture.shape[2]} channels of {picture.dtype} (force_color makes grey ones colour)")
            picture = distort(picture, t.distort_param, rng)
        if t.HasField("expand_param"):
            if len(t.mean_value) not in (0, 1, picture.shape[2]):
                self.fail(f"{len(t.mean_value)} mean_value for {picture.shape[2]} channels; give one, or one each")
            picture, place = expand(picture, t.expand_param, t.mean_value, rng)
            objects = self._inside(place, objects)
        found = sampled_boxes(self.samplers, objects[:, _BOX], rng)
        if not found:
            return picture, objects
        box = found[rng.integers(len(found))]
        corners = box * np.float32(picture.shape[1::-1] * 2)
        left, top = corners[:2].astype(int)
        width, height = np.maximum(corners[2:] - corners[:2], 1).astype(int)
        return picture[top:top + height, left:left + width], self._inside(box, objects)

    def _inside(self, box, objects):
        """The objects of which something remains in a piece of the picture, a box (4,), as parts of it."""
        moved, kept = project(box, objects[:, _BOX])
        t = self.param.transform_param
        if t.HasField("emit_constraint"):
            boxes = objects[:, _BOX]
            if t.emit_constraint.emit_type == t.emit_constraint.CENTER:
                centres = (boxes[:, :2] + boxes[:, 2:]) / 2
                kept &= ((centres >= box[:2]) & (centres <= box[2:])).all(1)
            else:
                kept &= shared_areas(box, boxes) > t.emit_constraint.emit_overlap * sizes_of(boxes)
        return np.concatenate([objects[:, :2], moved, objects[:, 6:]], 1)[kept]


def _objects(entry):
    """The objects of an AnnotatedDatum, float32 rows (class, number, x1, y1, x2, y2, difficult)."""
    rows = [(group.group_label, one.instance_id, one.bbox.xmin, one.bbox.ymin, one.bbox.xmax, one.bbox.ymax,
             one.bbox.difficult) for group in entry.annotation_group for one in group.annotation]
    return np.array(rows, np.float32).reshape(-1, 7)
