"""Losses of connectionist temporal classification, of the forks that read lines of text.

CtcLoss is of xmfbit/warpctc-caffe and yalecyu/crnn.caffe (ctc_loss_layer.cpp), CTCLoss and WarpCTCLoss of ChWick/caffe
(ctc_loss_layer.cpp, warp_ctc_loss_layer.cpp) and, with labels (N, L), of senlinuc/caffe_ocr.
"""
import math

import torch
import torch.nn.functional as F

from deeplandmark.caffe.layers.base import LossLayer
from deeplandmark.caffe.layers.registry import layer


class SequenceLoss(LossLayer):
    """-log of the probability that scores (T, N, C), before any softmax, spell the labels; a mean over the sequences.

    Its gradient is that of the sum, not of the mean, as in all of these forks. A sequence that is too short for its
    labels counts as 0 and gets no gradient, as in warp-ctc.
    """

    def check_scores(self, shape):
        """(T, N, C) of bottom 0, which may have a last axis of size 1; a NetError for another shape."""
        if len(shape) not in (3, 4) or shape[3:] not in ((), (1,)) or min(shape) < 1:
            self.fail(f"takes scores (T, N, C), found shape {tuple(shape)}")
        return tuple(shape[:3])

    def loss(self, scores, lengths, labels, blank, count=None):
        """The top: scores (T, N, C), the steps of each sequence (list of int, 0: passed over), the labels of each
        (lists of int), the class that means nothing; `count` divides the sum instead of N."""
        classes = scores.shape[2]
        wrong = [label for row in labels for label in row if not 0 <= label < classes or label == blank]
        if wrong:
            self.fail(f"label {wrong[0]} is not one of the {classes} classes 0..{classes - 1} without the blank, "
                      f"{blank}")
        kept = [n for n, length in enumerate(lengths) if length > 0]
        if not kept:
            return scores.sum() * 0,
        targets = torch.tensor([label for n in kept for label in labels[n]], dtype=torch.long, device=scores.device)
        total = F.ctc_loss(F.log_softmax(scores[:, kept], -1), targets, torch.tensor([lengths[n] for n in kept]),
                           torch.tensor([len(labels[n]) for n in kept]), blank=blank, reduction="sum",
                           zero_infinity=True)
        return (total / (count or len(lengths))).detach() + (total - total.detach()),


def int_rows(blob):
    """Values of a blob as lists of int, one for each of its first axis."""
    return blob.detach().reshape(len(blob), -1).add(0.5).floor().long().tolist()


@layer("CtcLoss")
class CtcLoss(SequenceLoss):
    """-log of the probability that scores (T, N, C) spell labels (N, L), a mean over N (xmfbit, crnn.caffe).

    Labels that equal blank_label count nowhere: they fill up the rows. See SequenceLoss for its gradient.

    ctc_loss_param: alphabet_size, which must be C, blank_label, and time_step, how many of the T steps count.
    """

    def reshape(self, bottom_shapes):
        steps, count, classes = self.check_scores(bottom_shapes[0])
        p = self.param.ctc_loss_param
        if p.alphabet_size != classes or not 0 < p.time_step <= steps or not 0 <= p.blank_label < classes:
            self.fail(f"needs alphabet_size {classes}, a time_step of 1..{steps} and a blank_label below {classes} for "
                      f"scores {tuple(bottom_shapes[0])}, found {p.alphabet_size}, {p.time_step} and {p.blank_label}")
        if not bottom_shapes[1] or bottom_shapes[1][0] != count:
            self.fail(f"takes labels ({count}, L), found shape {tuple(bottom_shapes[1])}")
        return [()]

    def forward(self, scores, labels):
        p = self.param.ctc_loss_param
        rows = [[label for label in row if label != p.blank_label] for row in int_rows(labels)]
        return self.loss(scores.reshape(scores.shape[:3]), [p.time_step] * len(rows), rows, p.blank_label)


@layer("CTCLoss")
class CTCLoss(SequenceLoss):
    """-log of the probability that scores (T, N, C) spell the labels, a mean over N (ctc_loss_layer.cpp, ChWick/caffe).

    Three bottoms: scores; indicators (T, N), 0 at the first step of a sequence, so that one ends before the next 0; and
    labels (L, N), each column up to its first negative number. Or four: scores, numbers of steps (N,) and of labels
    (N,), and labels (L, N). A sequence without labels is passed over. See SequenceLoss for its gradient.

    ctc_loss_param: blank_index (negative, the default: the last class), preprocess_collapse_repeated, output_delay,
    steps at the beginning that say nothing. Not covered, a NetError: ctc_merge_repeated false.
    """
    exact_bottoms = None
    min_bottoms, max_bottoms = 3, 4
    no_gradient_bottoms = (1, 2, 3)
    counts_empty = True          # whether the mean is over those that are passed over as well

    def reshape(self, bottom_shapes):
        steps, count, classes = self.check_scores(bottom_shapes[0])
        p = self.param.ctc_loss_param
        if not p.ctc_merge_repeated:
            self.fail("ctc_loss_param ctc_merge_repeated: false is not covered")
        if not 0 <= p.output_delay < steps or p.blank_index >= classes:
            self.fail(f"output_delay must lie in 0..{steps - 1} and blank_index be below {classes}, found "
                      f"{p.output_delay} and {p.blank_index}")
        self.check_labels([tuple(shape) for shape in bottom_shapes], steps, count)
        return [()]

    def check_labels(self, shapes, steps, count):
        """A NetError where the bottoms behind the scores do not fit `steps` and `count`, T and N."""
        fits = shapes[-1][1:2] == (count,) and math.prod(shapes[-1][2:]) == 1
        if len(shapes) == 3:
            fits &= shapes[1][:2] == (steps, count) and math.prod(shapes[1][2:]) == 1
        else:
            fits &= math.prod(shapes[1]) == math.prod(shapes[2]) == count
        if not fits:
            self.fail("takes scores (T, N, C), indicators (T, N) and labels (L, N), or scores, lengths (N,), numbers "
                      f"of labels (N,) and labels (L, N); found shapes {shapes}")

    def blank(self, classes):
        """(the class that means nothing, what is added to each label)."""
        index = self.param.ctc_loss_param.blank_index
        return (index if index >= 0 else classes - 1), 0

    def forward(self, scores, *rest):
        scores, p = scores.reshape(scores.shape[:3]), self.param.ctc_loss_param
        blank, added = self.blank(scores.shape[2])
        lengths, labels = self._sequences(scores.shape[0], *rest)
        if p.preprocess_collapse_repeated:
            labels = [[label for i, label in enumerate(row) if not i or label != row[i - 1]] for row in labels]
        labels = [[label + added for label in row] for row in labels]
        count = None if self.counts_empty else max(1, sum(length > 0 for length in lengths))
        lengths = [max(0, length - p.output_delay) for length in lengths]
        return self.loss(scores[p.output_delay:], lengths, labels, blank, count)

    def _sequences(self, steps, *rest):
        """(number of steps, labels) of each sequence, lists."""
        columns = list(zip(*int_rows(rest[-1])))
        if len(rest) == 3:
            lengths, counts = (int_rows(blob.reshape(1, -1))[0] for blob in rest[:2])
            if not all(0 <= length <= steps for length in lengths) or \
                    not all(0 <= count <= len(rest[2]) for count in counts):
                self.fail(f"lengths must lie in 0..{steps} and numbers of labels in 0..{len(rest[2])}, found {lengths} "
                          f"and {counts}")
            labels = [list(column[:count]) for column, count in zip(columns, counts)]
        else:
            lengths = sequence_lengths(rest[0])
            labels = [list(column[:end_of(column)]) for column in columns]
        if any(len(row) > length for row, length in zip(labels, lengths)):
            self.fail(f"more labels than steps: {[len(row) for row in labels]} labels, {lengths} steps")
        return [length if row else 0 for length, row in zip(lengths, labels)], labels


def end_of(row):
    """Where labels end, an int: at the first negative one."""
    return next((i for i, label in enumerate(row) if label < 0), len(row))


def sequence_lengths(indicators):
    """Steps of each sequence (list of int) by indicators (T, N): up to the next 0, the first step aside."""
    ends = indicators.detach().reshape(*indicators.shape[:2]).add(0.5).floor() == 0
    ends[0] = False
    first = torch.where(ends.any(0), ends.to(torch.uint8).argmax(0), torch.tensor(len(ends), device=ends.device))
    return first.tolist()


@layer("WarpCTCLoss")
class WarpCTCLoss(CTCLoss):
    """CTCLoss, or with two bottoms scores (T, N, C) and labels (N, L) (warp_ctc_loss_layer.cpp, senlinuc/caffe_ocr).

    With two bottoms, blank_index is 0 unless it is given, and labels that equal it count nowhere. Otherwise a negative
    blank_index, the default, means that class 0 is the blank and labels are one less than their classes. The mean is
    over sequences that have labels.
    """
    min_bottoms = 2
    counts_empty = False

    def check_labels(self, shapes, steps, count):
        if len(shapes) > 2:
            super().check_labels(shapes, steps, count)
        elif not shapes[1] or shapes[1][0] != count:
            self.fail(f"takes labels ({count}, L), found shape {shapes[1]}")

    def blank(self, classes):
        index = self.param.ctc_loss_param.blank_index
        return (index, 0) if index >= 0 else (0, 1)

    def forward(self, scores, *rest):
        if len(rest) > 1:
            return super().forward(scores, *rest)
        scores = scores.reshape(scores.shape[:3])
        blank = max(0, self.param.ctc_loss_param.blank_index)
        rows = [[label for label in row if label != blank] for row in int_rows(rest[0])]
        return self.loss(scores, [len(scores)] * len(rows), rows, blank)
