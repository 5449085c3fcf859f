"""Losses over class labels: HingeLoss, MultinomialLogisticLoss, InfogainLoss, SigmoidCrossEntropyLoss."""
import math
import os

import torch
import torch.nn.functional as F

from deeplandmark.caffe.files.blob_proto import blob_to_array
from deeplandmark.caffe.layers.base import LossLayer
from deeplandmark.caffe.layers.labels import checked_labels
from deeplandmark.caffe.layers.registry import layer
from deeplandmark.caffe.layers.softmax import NormalisedLoss
from deeplandmark.caffe.layers.stored_blob import read_blob_file

_SMALLEST = 1e-20      # kLOG_THRESHOLD: no smaller probability goes into a logarithm


class OneLabelLoss(LossLayer):
    """A bottom of N rows of K scores (N, ...) and one label 0..K-1 for each row, (N,) or (N, 1, ...)."""

    def reshape(self, bottom_shapes):
        """One top of shape (); a NetError unless there is one label for each row."""
        self.check_batch(bottom_shapes)
        scores, labels = map(tuple, bottom_shapes)
        if math.prod(labels) != scores[0]:
            self.fail(f"labels of shape {labels} for scores of shape {scores}: expected one for each of the "
                      f"{scores[0]} rows")
        return [()]

    def rows_and_labels(self, scores, labels):
        """Rows (N, K) and labels (N, 1) as int64."""
        rows = scores.reshape(scores.shape[0], -1)
        return rows, checked_labels(self, labels.reshape(-1, 1), rows.shape[1])


@layer("HingeLoss")
class HingeLoss(OneLabelLoss):
    """sum(max(0, 1 - s * x)^p) / N with s = 1 for the row's own class and -1 for the others; p by `norm`.

    Scores (N, ...) of K values a row, one label a row (hinge_loss_layer.cpp). hinge_loss_param: norm, L1 or L2.
    """

    def forward(self, scores, labels):
        p = self.param.hinge_loss_param
        rows, labels = self.rows_and_labels(scores, labels)
        sign = torch.ones_like(rows).scatter_(1, labels, -1.0)
        margins = torch.relu(1 + sign * rows)
        total = margins.sum() if p.norm == p.L1 else margins.square().sum()
        return total / len(rows),


@layer("MultinomialLogisticLoss")
class MultinomialLogisticLoss(OneLabelLoss):
    """-sum(log(x[label])) / N over rows of probabilities, none taken as less than 1e-20.

    Probabilities (N, ...) of K values a row, one label a row (multinomial_logistic_loss_layer.cpp). Backward divides by
    the value so taken and passes the gradient on, where autograd would stop it.
    """

    def forward(self, scores, labels):
        rows, labels = self.rows_and_labels(scores, labels)
        picked = rows.gather(1, labels)
        # Caffe divides by the clamped value and passes the gradient on, where autograd would stop it.
        clamped = picked + (picked.clamp(min=_SMALLEST) - picked).detach()
        return -clamped.log().sum() / len(rows),


@layer("InfogainLoss")
class InfogainLoss(NormalisedLoss):
    """-sum(H[label] * log(softmax(x))) / normaliser: a softmax loss whose mistakes are weighted by the matrix H (K, K).

    Scores (.., K, ..) along infogain_loss_param axis, a label for every other place; H comes from the binaryproto
    `source` or as a third bottom, any shape of K * K values. An optional second top is the softmax; no gradient reaches
    the scores from it. loss_param: ignore_label, normalization (infogain_loss_layer.cpp).
    """
    exact_bottoms = exact_tops = None
    min_bottoms, max_bottoms = 2, 3
    min_tops, max_tops = 1, 2
    no_gradient_bottoms = (1, 2)

    def create(self, bottom_shapes):
        if self.param.loss_param.HasField("normalize"):
            self.fail("loss_param normalize is not for InfogainLoss: use normalization")
        self.read_loss_param()
        p = self.param.infogain_loss_param
        self.dim = self.axis(p.axis, bottom_shapes[0])
        if len(bottom_shapes) == 3:
            return
        if not p.source:
            self.fail("needs the matrix H: infogain_loss_param source, or a third bottom")
        path = os.path.join(self.context.root_folder, p.source)
        matrix = torch.from_numpy(blob_to_array(read_blob_file(self, path), path))
        self.register_buffer("matrix", matrix.reshape(-1), persistent=False)

    def reshape(self, bottom_shapes):
        self.check_batch(bottom_shapes)
        scores, labels = map(tuple, bottom_shapes[:2])
        classes = scores[self.dim]
        if math.prod(labels) * classes != math.prod(scores):
            self.fail(f"labels of shape {labels} for scores of shape {scores}: expected one label for each place")
        count = math.prod(bottom_shapes[2]) if len(bottom_shapes) == 3 else self.matrix.numel()
        if count != classes * classes:
            self.fail(f"H has {count} values; {classes} classes need {classes} x {classes}")
        return [(), scores][:self.num_tops]

    def forward(self, scores, labels, matrix=None):
        classes = scores.shape[self.dim]
        matrix = (self.matrix if matrix is None else matrix.detach()).reshape(classes, classes)
        log_prob = torch.log_softmax(scores, self.dim).movedim(self.dim, -1)
        rows = log_prob.reshape(-1, classes)
        labels = checked_labels(self, labels.reshape(-1), classes, self.ignore_label)
        counts = torch.ones_like(labels, dtype=torch.bool) if self.ignore_label is None else labels != self.ignore_label
        # The value is clamped, its gradient is not.
        rows = rows + (rows.clamp(min=math.log(_SMALLEST)) - rows).detach()
        gains = matrix[torch.where(counts, labels, 0)] * counts[:, None]
        batch = math.prod(scores.shape[:self.dim])
        loss = -(gains * rows).sum() / self.normaliser(len(rows), batch, counts.sum())
        return (loss, torch.softmax(scores.detach(), self.dim))[:self.num_tops]


@layer("SigmoidCrossEntropyLoss")
class SigmoidCrossEntropyLoss(NormalisedLoss):
    """-sum(t * log(sigmoid(x)) + (1 - t) * log(1 - sigmoid(x))) / normaliser, which by default is the batch size.

    Scores x and targets t, of one size (sigmoid_cross_entropy_loss_layer.cpp). loss_param: ignore_label (a target that
    is cut to it does not count), normalization (BATCH_SIZE by default), normalize.
    """
    default_normalization = "BATCH_SIZE"

    def create(self, bottom_shapes):
        self.read_loss_param()

    def reshape(self, bottom_shapes):
        self.check_batch(bottom_shapes)
        scores, targets = map(tuple, bottom_shapes)
        if math.prod(scores) != math.prod(targets):
            self.fail(f"scores and targets differ in size: shapes {scores} and {targets}")
        return [()]

    def forward(self, scores, targets):
        targets = targets.reshape(scores.shape).detach()
        losses = F.binary_cross_entropy_with_logits(scores, targets, reduction="none")
        valid = None
        if self.ignore_label is not None:
            counts = targets.trunc() != self.ignore_label
            losses, valid = torch.where(counts, losses, 0.0), counts.sum()
        return losses.sum() / self.normaliser(scores.numel(), scores.shape[0], valid),
