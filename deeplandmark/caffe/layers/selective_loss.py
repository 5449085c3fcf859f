"""Losses of some rows of a batch, chosen by their labels and by how large they are (no layers of Caffe's).

What several tasks in one network need, as in MTCNN (Zhang et al., IEEE SPL 2016, Eq. 4 and its online hard sample
mining): each row says by its label for which tasks it counts, and the easiest rows of a task are left out.
"""
import math

import torch
import torch.nn.functional as F

from deeplandmark.caffe.layers.base import LossLayer
from deeplandmark.caffe.layers.registry import layer


class SelectiveLoss(LossLayer):
    """Reads row_selection_param: `label`, of the rows that count (repeated; whole numbers), and `keep`.

    Of M rows that count, the round(keep * M) of the largest loss are kept, at least one; of equal ones those that stand
    first. The top is the mean over the rows kept, 0 without any. Which rows are kept counts as constant.
    """

    def create(self, bottom_shapes):
        p = self.param.row_selection_param
        self.wanted, self.keep = tuple(p.label), p.keep
        if not 0 < self.keep <= 1:
            self.fail(f"keep must be above 0 and at most 1, found {self.keep:g}")

    def check_labels(self, rows, labels):
        """Refuses, as a NetError, labels of that shape that are not one for each row."""
        if math.prod(labels) != rows:
            self.fail(f"labels of shape {tuple(labels)}: expected one for each row, {rows}")

    def counted(self, labels):
        """Which rows count, bool (N,), by their labels, float (N,)."""
        counted = torch.zeros_like(labels, dtype=torch.bool)
        for wanted in self.wanted:
            counted = counted | (labels == wanted)
        return counted

    def mean(self, losses, counted):
        """The mean, shape (), of the losses (N,) that count and are kept."""
        ranked = torch.where(counted, losses.detach(), -torch.inf)
        order = torch.argsort(ranked, descending=True, stable=True)
        rank = torch.empty_like(order).scatter(0, order, torch.arange(len(order), device=order.device))
        kept = counted & (rank < (self.keep * counted.sum()).round().clamp(min=1))
        return torch.where(kept, losses, 0).sum() / kept.sum().clamp(min=1)


@layer("SelectiveSoftmaxWithLoss")
class SelectiveSoftmaxWithLoss(SelectiveLoss):
    """Mean of -log(softmax(x)[label]) over the rows that count, the largest of them: x (N, C) or (N, C, 1, 1) -> ().

    row_selection_param: see `SelectiveLoss`; without `label` rows of the labels 0 .. C - 1 count. `keep: 0.7` is the
    online hard example mining of MTCNN.
    """

    def create(self, bottom_shapes):
        super().create(bottom_shapes)
        self.classes = math.prod(bottom_shapes[0][1:])
        self.wanted = self.wanted or tuple(range(self.classes))
        if not all(0 <= wanted < self.classes for wanted in self.wanted):
            self.fail(f"counts rows of label {', '.join(map(str, self.wanted))}, but there are {self.classes} classes")

    def reshape(self, bottom_shapes):
        shapes = super().reshape(bottom_shapes)
        if math.prod(bottom_shapes[0][1:]) != self.classes:
            self.fail(f"made for {self.classes} classes, found scores of shape {tuple(bottom_shapes[0])}")
        self.check_labels(bottom_shapes[0][0], bottom_shapes[1])
        return shapes

    def forward(self, scores, labels):
        labels = labels.reshape(-1)
        counted = self.counted(labels)
        places = torch.where(counted, labels, 0).long()
        return self.mean(F.cross_entropy(scores.reshape(-1, self.classes), places, reduction="none"), counted),


@layer("SelectiveEuclideanLoss")
class SelectiveEuclideanLoss(SelectiveLoss):
    """Mean of ||a - b||^2 / 2 over the rows that count: a (N, ...), target b of as many values, label (N,) -> ().

    row_selection_param: see `SelectiveLoss`; `label` must be given. What the target's other rows hold does not matter.
    """
    exact_bottoms = 3
    no_gradient_bottoms = (1, 2)

    def create(self, bottom_shapes):
        super().create(bottom_shapes)
        if not self.wanted:
            self.fail("row_selection_param has no label: no row would count")

    def reshape(self, bottom_shapes):
        shapes = super().reshape(bottom_shapes)
        a, b, labels = bottom_shapes
        if math.prod(a) != math.prod(b):
            self.fail(f"prediction and target differ in size: shapes {tuple(a)} and {tuple(b)}")
        self.check_labels(a[0], labels)
        return shapes

    def forward(self, a, b, labels):
        counted = self.counted(labels.reshape(-1))
        rows, targets = a.flatten(1), b.detach().reshape(len(a), -1)
        difference = torch.where(counted[:, None], rows - targets, 0)
        return self.mean(difference.square().sum(1) / 2, counted),
