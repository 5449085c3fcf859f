"""DetectionEvaluate: which detections found an object (detection_evaluate_layer.cpp, bbox_util.cpp of SSD)."""
import os

import numpy as np
import torch

from deeplandmark.caffe.boxes import project, shared_areas, sizes_of
from deeplandmark.caffe.files.plain import open_list
from deeplandmark.caffe.layers.base import Layer
from deeplandmark.caffe.layers.registry import layer


@layer("DetectionEvaluate")
class DetectionEvaluate(Layer):
    """True and false positives among detections, and how many objects of each class there are (SSD, weiliu89/caffe).

    Bottoms: the top (1, 1, K, 7) of DetectionOutput, and the truth (1, 1, G, 8) of AnnotatedData. Top (1, 1, C + K, 5):
    for each of the C classes besides the background a row -1, class, number of objects, -1, -1; then for each detection
    its picture, class, confidence, 1 or 0 for a true positive, 1 or 0 for a false one - both 0 where it found a
    difficult object that does not count. Picture by picture, class by class and the surest first, a detection is right
    if of all objects of its class it overlaps one most, by overlap_threshold at least, which no surer one had. Nothing
    gets a gradient. What solvers make of it: eval_type "detection".

    detection_evaluate_param: num_classes, background_label_id, overlap_threshold, evaluate_difficult_gt, and
    name_size_file with resize_param: boxes are then compared in whole pixels of pictures of these sizes, lines
    `name height width` in the order of the pictures that have detections.
    """
    exact_bottoms, exact_tops = 2, 1
    no_gradient_bottoms = (0, 1)

    def create(self, bottom_shapes):
        self.settings = p = self.param.detection_evaluate_param
        if not 0 < p.num_classes < 1e6:
            self.fail(f"needs num_classes, found {p.num_classes}")
        if not p.overlap_threshold > 0:
            self.fail(f"overlap_threshold must be above 0, found {p.overlap_threshold:g}")
        self.classes = [label for label in range(p.num_classes) if label != p.background_label_id]
        self.sizes = self._read_sizes() if p.name_size_file else []
        self.count = 0                                           # pictures so far, of those in the file

    def reshape(self, bottom_shapes):
        detections, truth = map(tuple, bottom_shapes)
        if len(detections) != 4 or len(truth) != 4 or detections[:2] + truth[:2] != (1,) * 4 \
                or detections[3] != 7 or truth[3] != 8:
            self.fail(f"takes detections (1, 1, K, 7) and truth (1, 1, G, 8), found shapes {detections} and {truth}")
        return [(1, 1, len(self.classes) + detections[2], 5)]

    def forward(self, detections, truth):
        device = detections.device
        found, truth = (b.detach().cpu().numpy()[0, 0] for b in (detections, truth))
        found, truth = found[found[:, 0] != -1], truth[:(np.append(truth[:, 0], -1) == -1).argmax()]
        for rows in (found, truth):
            if (rows[:, 1] == self.settings.background_label_id).any():
                self.fail(f"class {self.settings.background_label_id} is the background's, and a bottom has it")
        counted = truth[(truth[:, 7] == 0) | self.settings.evaluate_difficult_gt]
        top = np.zeros((len(self.classes) + detections.shape[2], 5), np.float32)
        top[:len(self.classes)] = [(-1, label, (counted[:, 1] == label).sum(), -1, -1) for label in self.classes]
        rows = [row for picture in np.unique(found[:, 0]) for row in self._of_picture(picture, found, truth)]
        top[len(self.classes):len(self.classes) + len(rows)] = np.array(rows, np.float32).reshape(-1, 5)
        return torch.from_numpy(top)[None, None].to(device),

    def _of_picture(self, picture, found, truth):
        """Rows of the detections in one picture."""
        found, truth = found[found[:, 0] == picture], truth[truth[:, 0] == picture]
        rows = []
        for label in np.unique(found[:, 1]):
            mine, objects = found[found[:, 1] == label], truth[truth[:, 1] == label]
            if not len(objects):
                rows += [(picture, label, one[2], 0, 1) for one in mine]
                continue
            mine = mine[np.argsort(-mine[:, 2], kind="stable")]
            right = self._right(self._overlaps(mine[:, 3:7], objects[:, 3:7]), objects[:, 7] != 0)
            rows += [(picture, label, one[2], *hit) for one, hit in zip(mine, right)]
        if self.sizes:
            self.count = (self.count + 1) % len(self.sizes)
        return rows

    def _right(self, shared, difficult):
        """(true, false) positive of each detection, surest first, by its overlaps with the objects (K, G)."""
        p, taken, hits = self.settings, set(), []
        for row in shared:
            best = int(row.argmax())
            if row[best] < p.overlap_threshold:
                hits.append((0, 1))
            elif difficult[best] and not p.evaluate_difficult_gt:
                hits.append((0, 0))
            else:
                hits.append((0, 1) if best in taken else (1, 0))
                taken.add(best)
        return hits

    def _overlaps(self, boxes, others):
        """Intersections over unions (K, G), in parts of the picture or, with sizes, in whole pixels."""
        if not self.sizes:
            areas, other_areas, more = sizes_of(boxes), sizes_of(others), 0
        else:
            size = self.sizes[self.count]
            (boxes, areas), (others, other_areas) = (self._in_pixels(b, size) for b in (boxes, others))
            more = np.array([0, 0, 1, 1], np.float32)            # the last pixels are included
        shared = np.stack([shared_areas(box + more, others + more) * _meet(box, others) for box in boxes])
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(shared > 0, shared / (areas[:, None] + other_areas - shared), 0)

    def _in_pixels(self, boxes, size):
        """(corners in pixels of a picture of `size` (height, width), areas) of boxes, as OutputBBox has them."""
        p, (height, width) = self.settings.resize_param, size
        scale = np.array([width, height] * 2, np.float32)
        if self.settings.HasField("resize_param"):
            aspect, wanted = width / height, p.width / p.height
            if p.resize_mode == p.FIT_LARGE_SIZE_AND_PAD:
                x, y = (0, (1 - wanted / aspect) / 2) if aspect > wanted else ((1 - aspect / wanted) / 2, 0)
                boxes = project(np.array([x, y, 1 - x, 1 - y], np.float32), boxes)[0]
            elif p.resize_mode == p.FIT_SMALL_SIZE and p.height_scale and p.width_scale:
                boxes = (boxes * np.array([p.width_scale, p.height_scale] * 2, np.float32)).clip(0, scale)
                return boxes, sizes_of(boxes)
        boxes = boxes.clip(0, 1) * scale
        sides = boxes[:, 2:] - boxes[:, :2]
        more = float(max(size) > 1)
        return boxes, np.where((sides < 0).any(1), 0, (sides + more).prod(1))

    def _read_sizes(self):
        p, path = self.settings, os.path.join(self.context.root_folder, self.settings.name_size_file)
        if p.HasField("resize_param") and not (p.resize_param.height and p.resize_param.width):
            self.fail("resize_param needs height and width")
        try:
            with open_list(path) as stream:
                sizes = [tuple(map(int, line.split()[-2:])) for line in stream if line.strip()]
        except OSError as error:
            self.fail(f"cannot read its name_size_file {path!r}: {error.strerror}")
        except ValueError:
            sizes = []
        if not sizes or not all(len(size) == 2 and min(size) > 0 for size in sizes):
            self.fail(f"its name_size_file {path!r} has lines without name, height and width")
        return sizes


def _meet(box, others):
    """1 where boxes (N, 4) touch a box (4,), else 0: whole pixels count only then."""
    return ((np.minimum(box[2:], others[:, 2:]) >= np.maximum(box[:2], others[:, :2])).all(1)).astype(np.float32)
