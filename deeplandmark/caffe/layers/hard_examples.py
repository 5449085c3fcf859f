"""Losses that look at hard examples: OHEM of R-FCN (daijifeng001/caffe-rfcn) and the FocalLoss of several forks."""
import math

import torch
import torch.nn.functional as F

from deeplandmark.caffe.layers.base import Layer
from deeplandmark.caffe.layers.labels import checked_labels
from deeplandmark.caffe.layers.registry import layer
from deeplandmark.caffe.layers.softmax import NormalisedLoss, SoftmaxWithLoss

_SMALLEST = torch.finfo(torch.float32).tiny


@layer("BoxAnnotatorOHEM")
class BoxAnnotatorOHEM(Layer):
    """Labels and weights of the regions with the largest losses of each picture, roi_per_img of them (R-FCN).

    Bottoms: regions (N, 5), whose first value is the picture, losses (N, ...), labels (N, ...) and weights (N, C, ...).
    Tops: labels, ignore_label for regions that are not chosen, and weights, 0 for those. Of equal losses the first is
    taken. Nothing gets a gradient. box_annotator_ohem_param: roi_per_img, ignore_label.
    """
    exact_bottoms, exact_tops = 4, 2
    no_gradient_bottoms = (0, 1, 2, 3)

    def create(self, bottom_shapes):
        self.settings = self.param.box_annotator_ohem_param
        if not self.settings.roi_per_img:
            self.fail("box_annotator_ohem_param needs roi_per_img")

    def reshape(self, bottom_shapes):
        regions, losses, labels, weights = map(tuple, bottom_shapes)
        rows = {shape[:1] for shape in (regions, losses, labels, weights)}
        if len(rows) > 1 or len(weights) < 2 or math.prod(regions[1:]) != 5 \
                or math.prod(losses[1:]) != 1 or math.prod(labels[1:]) != 1:
            self.fail(f"takes regions (N, 5), losses (N), labels (N) and weights (N, C), found shapes {regions}, "
                      f"{losses}, {labels} and {weights}")
        return [(regions[0], 1, 1, 1), (*weights, *(1,) * (4 - len(weights)))]

    def forward(self, regions, losses, labels, weights):
        picture = regions.reshape(len(regions), -1)[:, 0].detach()
        chosen = torch.zeros(len(regions), dtype=torch.bool, device=regions.device)
        order = torch.argsort(losses.detach().reshape(-1), descending=True, stable=True)
        for number in picture.unique():
            chosen[order[picture[order] == number][:self.settings.roi_per_img]] = True
        found = torch.where(chosen, labels.detach().reshape(-1), float(self.settings.ignore_label))
        kept = weights.detach() * chosen.reshape(-1, *(1,) * (weights.dim() - 1))
        return found.reshape(-1, 1, 1, 1), kept.reshape(*kept.shape, *(1,) * (4 - kept.dim()))


@layer("SoftmaxWithLossOHEM")
class SoftmaxWithLossOHEM(SoftmaxWithLoss):
    """SoftmaxWithLoss with a third top: the loss of each place, the labels' shape (softmax_loss_ohem_layer, R-FCN).

    Tops: the loss, the softmax, the losses (N, 1, 1, 1), 0 where the label is ignored; only the first gives a gradient.
    """
    max_tops = 3

    def reshape(self, bottom_shapes):
        shapes = super().reshape(bottom_shapes)
        scores = tuple(bottom_shapes[0])
        each = (*scores[:self.dim], 1, *scores[self.dim + 1:])
        return [*shapes[:2], (*each, *(1,) * (4 - len(each)))][:self.num_tops]

    def forward(self, scores, labels):
        tops = super().forward(scores, labels)
        if self.num_tops < 3:
            return tops
        index = labels.detach().long().reshape(*scores.shape[:self.dim], 1, *scores.shape[self.dim + 1:])
        counts = torch.ones_like(index, dtype=torch.bool) if self.ignore_label is None else index != self.ignore_label
        picked = torch.softmax(scores.detach(), self.dim).gather(self.dim, torch.where(counts, index, 0))
        each = -picked.clamp(min=_SMALLEST).log() * counts
        return (*tops, each.reshape(*each.shape, *(1,) * (4 - each.dim())))


@layer("SmoothL1LossOHEM")
class SmoothL1LossOHEM(NormalisedLoss):
    """sum f(w * (a - b)) / normaliser, f(x) x^2 / 2 where |x| < 1 and |x| - 1 / 2 beyond (smooth_L1_loss_ohem, R-FCN).

    Bottoms a (N, C, ...), b and optional weights w of its size. Tops: the loss, and the sums over the channels
    (N, 1, ...), which give no gradient. loss_param: normalization, by default VALID, which is FULL here: the number of
    places (N, ...); pre_fixed_normalizer.
    """
    exact_bottoms = exact_tops = None
    min_bottoms, max_bottoms, min_tops, max_tops = 2, 3, 1, 2
    no_gradient_bottoms = (2,)

    def create(self, bottom_shapes):
        self.read_loss_param()
        self.ignore_label = None

    def reshape(self, bottom_shapes):
        self.check_batch(bottom_shapes)
        shape = tuple(bottom_shapes[0])
        if len(shape) < 2 or any(math.prod(other) != math.prod(shape) for other in bottom_shapes[1:]):
            self.fail(f"takes bottoms of one size and at least 2 axes, found shapes {list(map(tuple, bottom_shapes))}")
        each = (shape[0], 1, *shape[2:])
        return [(), (*each, *(1,) * (4 - len(each)))][:self.num_tops]

    def forward(self, a, b, weights=None):
        difference = a - b.reshape(a.shape)
        if weights is not None:
            difference = difference * weights.detach().reshape(a.shape)
        losses = F.smooth_l1_loss(difference, torch.zeros_like(difference), reduction="none")
        places = a.numel() // a.shape[1]
        each = losses.detach().sum(1, keepdim=True)
        return (losses.sum() / self.normaliser(places, a.shape[0], None),
                each.reshape(*each.shape, *(1,) * (4 - each.dim())))[:self.num_tops]


@layer("FocalLoss", "SoftmaxWithFocalLoss")
class FocalLoss(NormalisedLoss):
    """sum of -alpha (1 - p)^gamma log(p) / normaliser, p the probability of the label (Lin et al., ICCV 2017).

    Two kinds, told apart by the labels: one for each place beside the classes, then p is the softmax along
    focal_loss_param axis and every place has the factor alpha; or as many as scores, 0 or 1, then p is sigmoid(x) for
    1 and 1 - sigmoid(x), with 1 - alpha, for 0. An optional second top is softmax or sigmoid, without a gradient.
    focal_loss_param: alpha, gamma, axis; loss_param: ignore_label, normalization, by default VALID for the first
    (laycoding/caffe_focal_loss and others), BATCH_SIZE for the second (happynear/caffe-windows).
    """
    exact_tops = None
    min_tops, max_tops = 1, 2

    def create(self, bottom_shapes):
        p, (scores, labels) = self.param.focal_loss_param, map(tuple, bottom_shapes)
        self.dim = self.axis(p.axis, scores)
        self.alpha, self.gamma = p.alpha, p.gamma
        if not (self.alpha >= 0 and self.gamma >= 0):
            self.fail(f"alpha and gamma must not be negative, found {self.alpha:g} and {self.gamma:g}")
        self.is_sigmoid = math.prod(scores) == math.prod(labels)
        self.default_normalization = "BATCH_SIZE" if self.is_sigmoid else "VALID"
        self.read_loss_param()

    def reshape(self, bottom_shapes):
        self.check_batch(bottom_shapes)
        scores, labels = map(tuple, bottom_shapes)
        wanted = math.prod(scores) // (1 if self.is_sigmoid else max(1, scores[self.dim]))
        if math.prod(labels) != wanted:
            self.fail(f"labels of shape {labels} for scores of shape {scores}: expected {wanted}")
        return [(), scores][:self.num_tops]

    def forward(self, scores, labels):
        return (self._of_sigmoid if self.is_sigmoid else self._of_softmax)(scores, labels.detach())[:self.num_tops]

    def _of_softmax(self, scores, labels):
        rows = scores.movedim(self.dim, -1)
        log_p = F.log_softmax(rows.reshape(-1, rows.shape[-1]), -1)
        labels = checked_labels(self, labels.reshape(-1), rows.shape[-1], self.ignore_label)
        counts = torch.ones_like(labels, dtype=torch.bool) if self.ignore_label is None else labels != self.ignore_label
        log_p = log_p.gather(1, torch.where(counts, labels, 0)[:, None])[:, 0]
        batch = math.prod(scores.shape[:self.dim])
        return (self._sum(log_p, self.alpha, counts) / self.normaliser(len(labels), batch, counts.sum()),
                torch.softmax(scores.detach(), self.dim))

    def _of_sigmoid(self, scores, labels):
        labels = labels.reshape(scores.shape)
        log_p = F.logsigmoid(torch.where(labels == 1, scores, -scores))
        counts = (labels == 0) | (labels == 1)
        if self.ignore_label is not None:
            counts &= labels != self.ignore_label
        alpha = torch.where(labels == 1, self.alpha, 1 - self.alpha)
        normaliser = self.normaliser(scores.numel(), scores.shape[0], counts.sum())
        return self._sum(log_p, alpha, counts) / normaliser, torch.sigmoid(scores.detach())

    def _sum(self, log_p, alpha, counts):
        missing = -torch.expm1(log_p)                            # 1 - p
        return torch.where(counts, -alpha * missing.clamp(min=0).pow(self.gamma) * log_p, 0).sum()
