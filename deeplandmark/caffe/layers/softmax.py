"""Softmax and its loss (softmax_layer.cpp, softmax_loss_layer.cpp)."""
import math

import torch

from deeplandmark.caffe.layers.base import Layer, LossLayer
from deeplandmark.caffe.layers.labels import checked_labels
from deeplandmark.caffe.layers.registry import layer

_SMALLEST = torch.finfo(torch.float32).tiny


@layer("Softmax")
class Softmax(Layer):
    """exp(x) / sum(exp(x)) along softmax_param axis; the top has the bottom's shape (softmax_layer.cpp)."""
    exact_bottoms = exact_tops = 1

    def create(self, bottom_shapes):
        self.dim = self.axis(self.param.softmax_param.axis, bottom_shapes[0])

    def forward(self, x):
        return torch.softmax(x, self.dim),


class NormalisedLoss(LossLayer):
    """A loss that reads loss_param: ignore_label, normalization and the older `normalize` (loss_layer.cpp).

    By what the sum is divided: FULL all places, VALID (the default) those whose label counts, BATCH_SIZE the rows, NONE
    1, PRE_FIXED (of R-FCN's fork) pre_fixed_normalizer; by 1 at least.
    """
    default_normalization = "VALID"

    def read_loss_param(self):
        """Reads ignore_label (int or None) and normalization (str); `normalize: false` means BATCH_SIZE."""
        p = self.param.loss_param
        self.ignore_label = p.ignore_label if p.HasField("ignore_label") else None
        if not p.HasField("normalization") and p.HasField("normalize"):
            self.normalization = "VALID" if p.normalize else "BATCH_SIZE"
        elif p.HasField("normalization"):
            self.normalization = p.NormalizationMode.Name(p.normalization)
        else:
            self.normalization = self.default_normalization

    def normaliser(self, full, batch, valid):
        """What the summed loss is divided by, at least 1 (int, or a tensor where `valid` is one).

        Parameters
        ----------
        full, batch : int
            Number of all places, and of rows.
        valid : tensor of shape (), or None
            Number of places whose label counts.
        """
        if self.normalization == "VALID" and self.ignore_label is not None:
            return valid.clamp(min=1)
        counts = {"FULL": full, "VALID": full, "BATCH_SIZE": batch, "NONE": 1,
                  "PRE_FIXED": self.param.loss_param.pre_fixed_normalizer}
        return max(1, counts[self.normalization])


@layer("SoftmaxWithLoss")
class SoftmaxWithLoss(NormalisedLoss):
    """-sum(log(softmax(x)[label])) / normaliser: scores (.., C, ..) and labels with every other axis -> ().

    softmax_loss_layer.cpp. An optional second top is the softmax; no gradient reaches the scores from it. Probabilities
    are taken as at least the smallest normal float32 in the loss, not in the gradient. softmax_param: axis; loss_param:
    ignore_label, normalization (VALID by default), normalize.
    """
    exact_tops = None
    min_tops, max_tops = 1, 2

    def create(self, bottom_shapes):
        self.read_loss_param()
        self.dim = self.axis(self.param.softmax_param.axis, bottom_shapes[0])

    def reshape(self, bottom_shapes):
        scores, labels = map(tuple, bottom_shapes)
        self.check_batch(bottom_shapes)
        rest = math.prod(scores[:self.dim]) * math.prod(scores[self.dim + 1:])
        if math.prod(labels) != rest:
            self.fail(f"labels of shape {labels} for scores of shape {scores}: "
                      f"expected one label for each place, {rest}")
        return [(), scores][:self.num_tops]

    def forward(self, scores, labels):
        rows = scores.movedim(self.dim, -1)
        batch = math.prod(scores.shape[:self.dim])
        rows = rows.reshape(-1, rows.shape[-1])
        labels = checked_labels(self, labels.reshape(-1), rows.shape[-1], self.ignore_label)
        loss, prob, count = _SoftmaxLoss.apply(rows, labels, self.ignore_label)
        loss = loss / self.normaliser(len(rows), batch, count)
        if self.num_tops == 1:
            return loss,
        shape = scores.movedim(self.dim, -1).shape
        return loss, prob.reshape(shape).movedim(-1, self.dim)


class _SoftmaxLoss(torch.autograd.Function):
    """Rows (R, C) and labels (R,) to (summed loss, softmax, labels that counted).

    The probability is clamped at the smallest float in the loss but not in its gradient, so autograd would differ.
    """

    @staticmethod
    def forward(ctx, rows, labels, ignore_label):
        prob = torch.softmax(rows, -1)
        counts = torch.ones_like(labels, dtype=torch.bool) if ignore_label is None else labels != ignore_label
        labels = torch.where(counts, labels, 0)[:, None]
        picked = prob.gather(1, labels).clamp(min=_SMALLEST).log().squeeze(1)
        ctx.save_for_backward(prob, labels, counts)
        valid = counts.sum()
        ctx.mark_non_differentiable(valid)
        return -(picked * counts).sum(), prob.clone(), valid

    @staticmethod
    def backward(ctx, loss_diff, prob_diff, valid_diff):
        prob, labels, counts = ctx.saved_tensors
        diff = prob.scatter_add(1, labels, torch.full_like(labels, -1, dtype=prob.dtype))
        return diff * (counts[:, None] * loss_diff), None, None
