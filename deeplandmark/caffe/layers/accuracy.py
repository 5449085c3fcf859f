"""Accuracy (accuracy_layer.cpp)."""
import math

import torch

from deeplandmark.caffe.layers.base import Layer
from deeplandmark.caffe.layers.labels import checked_labels
from deeplandmark.caffe.layers.registry import layer


@layer("Accuracy")
class Accuracy(Layer):
    """Share of labels among the top_k scores along `axis`; a tie counts against the true class.

    Scores (.., C, ..) and labels with every other axis -> (), and with a second top the share of each class (C,), 0
    where it does not occur. accuracy_param: top_k, axis, ignore_label (accuracy_layer.cpp). It has no backward.
    """
    exact_bottoms = 2
    min_tops, max_tops = 1, 2
    no_gradient_bottoms = (0, 1)

    def create(self, bottom_shapes):
        p = self.param.accuracy_param
        self.dim = self.axis(p.axis, bottom_shapes[0])
        self.top_k = p.top_k
        self.ignore_label = p.ignore_label if p.HasField("ignore_label") else None

    def reshape(self, bottom_shapes):
        scores, labels = map(tuple, bottom_shapes)
        if self.top_k > math.prod(labels):
            self.fail(f"top_k {self.top_k} is larger than the number of labels, {math.prod(labels)}")
        rest = math.prod(scores[:self.dim]) * math.prod(scores[self.dim + 1:])
        if math.prod(labels) != rest:
            self.fail(f"labels of shape {labels} for scores of shape {scores}: "
                      f"expected one label for each place, {rest}")
        return [(), (scores[self.dim],)][:self.num_tops]

    @torch.no_grad()
    def forward(self, scores, labels):
        rows = scores.movedim(self.dim, -1)
        rows = rows.reshape(-1, rows.shape[-1])
        labels = checked_labels(self, labels.reshape(-1), rows.shape[-1], self.ignore_label)
        if self.ignore_label is not None:
            counted = labels != self.ignore_label
            rows, labels = rows[counted], labels[counted]
        better = (rows >= rows.gather(1, labels[:, None])).sum(1) - 1      # the true class itself is among them
        right = (better < self.top_k).to(scores.dtype)
        share = right.sum() / max(1, len(labels))
        if self.num_tops == 1:
            return share,
        numbers, hits = (torch.zeros(rows.shape[1], dtype=scores.dtype, device=scores.device) for _ in range(2))
        numbers.index_add_(0, labels, torch.ones_like(right))
        hits.index_add_(0, labels, right)
        return share, hits / numbers.clamp(min=1)
