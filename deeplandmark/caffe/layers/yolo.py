"""Outputs of YOLO's ports: Region (v2), YoloDetectionOutput (v2) and Yolov3DetectionOutput."""
import numpy as np
import torch

from deeplandmark.caffe.boxes import overlaps
from deeplandmark.caffe.layers.base import Layer
from deeplandmark.caffe.layers.registry import layer


@layer("Region")
class Region(Layer):
    """Boxes of every cell side by side, their confidence through the sigmoid (region_layer.cpp, gklz1982/caffe-yolov2).

    (N, C, H, W) -> the same shape, which holds H * W cells of boxes_of_each_grid boxes of coords + 1 + classes values;
    with softmax the classes become probabilities. region_param: classes, coords, boxes_of_each_grid, softmax.
    """
    exact_bottoms = exact_tops = 1

    def create(self, bottom_shapes):
        self.settings = p = self.param.region_param
        self.values = p.coords + 1 + p.classes

    def reshape(self, bottom_shapes):
        shape, p = tuple(bottom_shapes[0]), self.settings
        if len(shape) != 4 or shape[1] != p.boxes_of_each_grid * self.values or not p.classes:
            self.fail(f"{p.boxes_of_each_grid} boxes of {self.values} values need a bottom of as many channels, "
                      f"found shape {shape}")
        return [shape]

    def forward(self, x):
        p = self.settings
        cells = x.permute(0, 2, 3, 1).reshape(len(x), -1, self.values)
        where, sure, classes = cells.split([p.coords, 1, p.classes], 2)
        classes = torch.softmax(classes, 2) if p.softmax else classes
        return torch.cat([where, torch.sigmoid(sure), classes], 2).reshape(x.shape),


class YoloOutput(Layer):
    """Top (1, 1, K, 7): 0, class + 1, confidence, x1, y1, x2, y2 as parts of the picture, surest first.

    Of boxes that overlap by nms_threshold or more the surest remains, whatever their classes. One picture at a time; K
    is 1 until the first forward; without any box one row of 0 and six times -1. Nothing gets a gradient.
    """
    exact_tops = 1

    def check_maps(self, shape, channels):
        """A NetError unless a bottom is (1, channels, S, S)."""
        if len(shape) != 4 or shape[0] != 1 or shape[1] != channels or shape[2] != shape[3]:
            self.fail(f"takes bottoms (1, {channels}, S, S), found shape {tuple(shape)}")

    def anchors(self, numbers):
        """(width, height) of anchors, float64; a NetError where biases lacks one."""
        biases = np.array(self.settings.biases, np.float64)
        if len(biases) % 2 or not len(numbers) or max(numbers) >= len(biases) // 2:
            self.fail(f"{len(biases)} biases are not width and height of anchors {list(numbers)}")
        return biases.reshape(-1, 2)[list(numbers)]

    def top(self, rows):
        """The top for rows (confidence, class, x, y, width, height) of all boxes, an array."""
        rows = rows[np.argsort(-rows[:, 0], kind="stable")]
        boxes = np.concatenate([rows[:, 2:4] - rows[:, 4:] / 2, rows[:, 2:4] + rows[:, 4:] / 2], 1)
        left, kept = np.arange(len(rows)), []
        while left.size:
            best, left = left[0], left[1:]
            kept.append(best)
            left = left[~(overlaps(boxes[best], boxes[left]) >= self.settings.nms_threshold)]
        found = [[0, rows[i, 1] + 1, rows[i, 0], *boxes[i]] for i in kept] or [[0, *[-1] * 6]]
        return torch.tensor(np.array(found, np.float32)).reshape(1, 1, -1, 7)


def read_boxes(x, count, anchors):
    """(rows x, y, width, height as parts of the picture (S * S, count, 4), confidences, classes) of maps (C, S, S).

    After darknet: the centre is the cell's plus a sigmoid, sizes are factors of the anchors, which are parts of the
    picture here. Confidences went through the sigmoid, classes did not; float64.
    """
    side = x.shape[-1]
    cells = x.astype(np.float64).reshape(count, -1, side * side).transpose(2, 0, 1)
    row, column = np.divmod(np.arange(side * side), side)
    centre = (np.stack([column, row], 1)[:, None] + sigmoid(cells[..., :2])) / side
    with np.errstate(over="ignore"):
        size = np.exp(cells[..., 2:4]) * anchors
    return np.concatenate([centre, size], 2), sigmoid(cells[..., 4]), cells[..., 5:]


def sigmoid(x):
    """1 / (1 + exp(-x)), an array."""
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))


@layer("YoloDetectionOutput")
class YoloDetectionOutput(YoloOutput):
    """Boxes that YOLO v2 finds, each of its likeliest class (yolo_detection_output_layer.cpp, eric612/MobileNet-YOLO).

    Bottom (1, num_box * (5 + num_classes), S, S); confidences are those of the box times the softmax over the classes,
    at least confidence_threshold. The top and the suppression are YoloOutput's. yolo_detection_output_param:
    num_classes, num_box, biases (anchors, in cells), confidence_threshold, nms_threshold.
    """
    exact_bottoms = 1
    no_gradient_bottoms = (0,)

    def create(self, bottom_shapes):
        self.settings = p = self.param.yolo_detection_output_param
        if p.coords != 4 or min(p.num_classes, p.num_box) < 1:
            self.fail(f"needs coords 4, num_classes and num_box, found {p.coords}, {p.num_classes} and {p.num_box}")
        self.check_maps(bottom_shapes[0], p.num_box * (5 + p.num_classes))
        self.anchors(range(p.num_box))

    def reshape(self, bottom_shapes):
        self.check_maps(bottom_shapes[0], self.settings.num_box * (5 + self.settings.num_classes))
        return [(1, 1, 1, 7)]

    def forward(self, x):
        p, side = self.settings, x.shape[-1]
        boxes, sure, classes = read_boxes(x.detach().cpu().numpy()[0], p.num_box, self.anchors(range(p.num_box)) / side)
        classes = np.exp(classes - classes.max(-1, keepdims=True))
        sure = sure * classes.max(-1) / classes.sum(-1)
        rows = np.concatenate([sure[..., None], classes.argmax(-1)[..., None], boxes], 2)
        return self.top(rows[sure >= p.confidence_threshold]).to(x.device),


@layer("Yolov3DetectionOutput")
class Yolov3DetectionOutput(YoloOutput):
    """Boxes that YOLO v3 finds at several scales (yolov3_detection_output_layer.cpp, eric612/MobileNet-YOLO).

    Bottoms (1, num_box * (5 + num_classes), S, S), one for each of mask_group_num groups; a box counts once for every
    class whose sigmoid times the box's own is above confidence_threshold. The top and the suppression are YoloOutput's.
    yolov3_detection_output_param: num_classes, num_box, biases (anchors, in pixels), mask (which of them, group by
    group), anchors_scale (pixels of a cell, for each bottom), mask_group_num, confidence_threshold, nms_threshold.
    """
    min_bottoms = 1

    def create(self, bottom_shapes):
        self.settings = p = self.param.yolov3_detection_output_param
        self.no_gradient_bottoms = tuple(range(len(bottom_shapes)))
        groups = len(bottom_shapes)
        if p.mask_group_num != groups or len(p.anchors_scale) != groups or len(p.mask) % groups \
                or min(p.num_classes, p.num_box, *p.anchors_scale, 1) < 1 or len(p.mask) // groups < p.num_box:
            self.fail(f"{groups} bottoms need mask_group_num {groups}, as many anchors_scale and {p.num_box} masks for "
                      f"each, found {p.mask_group_num}, {list(p.anchors_scale)} and {list(p.mask)}")
        self.masks = np.array(p.mask).reshape(groups, -1)[:, :p.num_box]
        self.anchors(self.masks.ravel())

    def reshape(self, bottom_shapes):
        for shape in bottom_shapes:
            self.check_maps(shape, self.settings.num_box * (5 + self.settings.num_classes))
        return [(1, 1, 1, 7)]

    def forward(self, *bottoms):
        p, rows = self.settings, [np.zeros((0, 6))]
        for x, mask, scale in zip(bottoms, self.masks, p.anchors_scale):
            anchors = self.anchors(mask) / (x.shape[-1] * scale)
            boxes, sure, classes = read_boxes(x.detach().cpu().numpy()[0], p.num_box, anchors)
            sure = sigmoid(classes) * sure[..., None]
            cell, box, label = np.nonzero(sure > p.confidence_threshold)
            rows.append(np.concatenate([sure[cell, box, label][:, None], label[:, None], boxes[cell, box]], 1))
        return self.top(np.concatenate(rows)).to(bottoms[0].device),
