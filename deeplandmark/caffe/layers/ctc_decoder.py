"""What sequences of scores spell, and how right it is: ctc_decoder_layer.cpp, labelsequence_accuracy_layer.cpp."""
import math

import numpy as np
import torch

from deeplandmark.caffe.layers.base import Layer
from deeplandmark.caffe.layers.ctc_loss import end_of, int_rows, sequence_lengths
from deeplandmark.caffe.layers.registry import layer


def best_paths(scores, lengths, blank, merge=True):
    """What scores (T, N, C), an array, spell if each step says its largest: lists of int without blanks and, with
    `merge`, without repetitions of the step before; `lengths` (N,) steps count."""
    said = scores.argmax(2)                                      # (T, N); of equal ones the first
    kept = (said != blank) & (np.arange(len(said))[:, None] < np.array(lengths)[None])
    if merge:
        kept[1:] &= said[1:] != said[:-1]
    return [said[kept[:, n], n].tolist() for n in range(said.shape[1])]


@layer("CTCGreedyDecoder")
class CTCGreedyDecoder(Layer):
    """What scores (T, N, C) spell by the best class of each step (ctc_decoder_layer.cpp, ChWick/caffe, caffe_ocr).

    Of ChWick: bottoms scores, indicators (T, N) as of CTCLoss and maybe labels (L, N) that end at a negative number.
    Tops: sequences (T, N, 1, 1), filled up with -1; with two bottoms maybe scores (N, 1, 1, 1), minus the sum of the
    largest values; with three accuracy (1, 1, 1, 1), or scores and accuracy: 1 minus the mean of edit distances over
    the longer of the two lengths.

    Of caffe_ocr: scores alone give sequences (N, T, 1, 1), scores and labels (N, L) give (1, 2, 1, 1), that accuracy
    and the share of lines without a mistake. A second bottom of shape (T, N) is taken for indicators.

    ctc_decoder_param: blank_index (negative or left out: in ChWick's forms the last class, in the others 0 where left
    out) and ctc_merge_repeated. Nothing gets a gradient.
    """
    min_bottoms, max_bottoms = 1, 3
    min_tops, max_tops = 1, 3
    no_gradient_bottoms = (0, 1, 2)

    def reshape(self, bottom_shapes):
        scores, *rest = map(tuple, bottom_shapes)
        if len(scores) not in (3, 4) or scores[3:] not in ((), (1,)) or min(scores) < 1:
            self.fail(f"takes scores (T, N, C), found shape {scores}")
        (steps, count, classes), p = scores[:3], self.param.ctc_decoder_param
        self.of_chwick = bool(rest) and rest[0][:2] == (steps, count) and math.prod(rest[0]) == steps * count
        if len(rest) == 2 and (not self.of_chwick or rest[1][1:2] != (count,) or math.prod(rest[1][2:]) != 1):
            self.fail(f"takes indicators ({steps}, {count}) and labels (L, {count}), found shapes {rest}")
        if len(rest) == 1 and not self.of_chwick and rest[0][:1] != (count,):
            self.fail(f"takes indicators ({steps}, {count}) or labels ({count}, L), found shape {rest[0]}")
        if p.blank_index >= classes:
            self.fail(f"blank_index must be below {classes}, found {p.blank_index}")
        self.blank = p.blank_index if p.blank_index >= 0 else classes - 1
        if not self.of_chwick:
            self.blank = self.blank if p.HasField("blank_index") else 0
            shapes = [(1, 2, 1, 1) if rest else (count, steps, 1, 1)]
        else:
            accuracy, values = (1, 1, 1, 1), (count, 1, 1, 1)
            behind = [values] if len(rest) == 1 else [accuracy] if self.num_tops == 2 else [values, accuracy]
            shapes = [(steps, count, 1, 1), *behind]
        if self.num_tops > len(shapes):
            self.fail(f"{len(rest) + 1} bottoms give up to {len(shapes)} tops, found {self.num_tops}")
        return shapes[:self.num_tops]

    def forward(self, scores, *rest):
        steps, count = scores.shape[:2]
        lengths = sequence_lengths(rest[0]) if self.of_chwick else [steps] * count
        values = scores.detach().cpu().numpy().reshape(steps, count, -1)
        found = best_paths(values, lengths, self.blank, self.param.ctc_decoder_param.ctc_merge_repeated)
        if not self.of_chwick and rest:
            wanted = [[label for label in row[:end_of(row)] if label != self.blank] for row in int_rows(rest[0])]
            tops = [[_accuracy(found, wanted), sum(a == b and bool(b) for a, b in zip(found, wanted)) / count]]
        else:
            sequences = np.full((steps, count), -1.0)
            for n, row in enumerate(found):
                sequences[:len(row), n] = row
            tops = [sequences if self.of_chwick else sequences.T]
            if self.num_tops > 1 and (len(rest) == 1 or self.num_tops == 3):
                counted = np.arange(steps)[:, None] < np.array(lengths)
                tops.append(-(values.max(2).astype(np.float64) * counted).sum(0))
            if len(rest) == 2 and self.num_tops > 1:
                columns = map(list, zip(*int_rows(rest[1])))
                tops.append(_accuracy(found, [column[:end_of(column)] for column in columns]))
        shapes = self.reshape([scores.shape, *(blob.shape for blob in rest)])
        return tuple(torch.from_numpy(np.asarray(top, np.float32).reshape(shape)).to(scores.device)
                     for top, shape in zip(tops, shapes))


def _accuracy(found, wanted):
    """1 - the mean of edit distances over the longer length of each pair; pairs of nothing count as right."""
    shares = [edit_distance(a, b) / max(len(a), len(b)) if a or b else 0 for a, b in zip(found, wanted)]
    return 1 - sum(shares) / len(shares)


def edit_distance(first, second):
    """The fewest changes, insertions and removals (int) that turn a list into another."""
    row = list(range(len(second) + 1))
    for i, a in enumerate(first, 1):
        above, row = row, [i]
        for j, b in enumerate(second, 1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (a != b)))
    return row[-1]


@layer("LabelsequenceAccuracy")
class LabelsequenceAccuracy(Layer):
    """Share of sequences that scores (N, T, C) spell without a mistake, labels (N, L) -> () (crnn.caffe).

    The best class of each step, without blanks and repetitions, beside the labels that are not the blank.
    labelsequence_accuracy_param: blank_label. It has no backward.
    """
    exact_bottoms, exact_tops = 2, 1
    no_gradient_bottoms = (0, 1)

    def reshape(self, bottom_shapes):
        scores, labels = map(tuple, bottom_shapes)
        if len(scores) != 3 or min(scores) < 1 or labels[:1] != scores[:1]:
            self.fail(f"takes scores (N, T, C) and labels (N, L), found shapes {scores} and {labels}")
        return [()]

    def forward(self, scores, labels):
        blank, values = self.param.labelsequence_accuracy_param.blank_label, scores.detach().cpu().numpy()
        found = best_paths(values.transpose(1, 0, 2), [values.shape[1]] * len(values), blank)
        wanted = [[label for label in row if label != blank] for row in int_rows(labels)]
        return torch.tensor(sum(a == b for a, b in zip(found, wanted)) / len(found), device=scores.device),
