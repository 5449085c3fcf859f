"""MultiBoxLoss: what SSD trains with (multibox_loss_layer.cpp, bbox_util.cpp of weiliu89/caffe)."""
import math

import numpy as np
import torch
import torch.nn.functional as F

from deeplandmark.caffe.boxes import decode, encode, match
from deeplandmark.caffe.layers.registry import layer
from deeplandmark.caffe.layers.softmax import NormalisedLoss


@layer("MultiBoxLoss")
class MultiBoxLoss(NormalisedLoss):
    """loc_weight times a loss of the offsets plus one of the classes, over the priors that stand for an object.

    Bottoms: offsets (N, P * 4), confidences (N, P * classes) before any softmax, priors (1, 2, P * 4) and the truth
    (1, 1, G, 8): number of the picture (-1: none), class, a number, x1, y1, x2, y2 as parts of the picture, whether it
    is difficult. A prior stands for the object of which it covers most (`boxes.match`). Of the others, neg_pos_ratio
    times as many teach the background, in each picture those that look least like it (mining_type MAX_NEGATIVE; the
    older do_neg_mining means the same), or all (NONE). The sum is divided by the number of matched priors (loss_param
    normalization VALID, the default), priors (FULL), pictures (BATCH_SIZE) or 1 (NONE).

    multibox_loss_param: loc_loss_type, conf_loss_type, loc_weight, num_classes, match_type, overlap_threshold,
    use_prior_for_matching, background_label_id, use_difficult_gt, neg_pos_ratio, neg_overlap, code_type,
    encode_variance_in_target, map_object_to_agnostic, mining_type. Not covered, a NetError: share_location false,
    mining_type HARD_EXAMPLE, ignore_cross_boundary_bbox, bp_inside.
    """
    exact_bottoms = 4
    no_gradient_bottoms = (2, 3)

    def create(self, bottom_shapes):
        self.settings = p = self.param.multibox_loss_param
        self.read_loss_param()
        if p.num_classes < 1 or p.neg_pos_ratio <= 0:
            self.fail(f"needs num_classes, and a neg_pos_ratio above 0; found {p.num_classes} and {p.neg_pos_ratio:g}")
        largest = p.background_label_id + p.map_object_to_agnostic
        if largest >= p.num_classes and (p.conf_loss_type == p.SOFTMAX or p.map_object_to_agnostic):
            self.fail(f"background_label_id {p.background_label_id} leaves no class among {p.num_classes}")
        for name, wanted in (("share_location", True), ("ignore_cross_boundary_bbox", False), ("bp_inside", False)):
            if getattr(p, name) != wanted:
                self.fail(f"multibox_loss_param {name}: {str(not wanted).lower()} is not covered")
        self.mining = p.mining_type
        if p.HasField("do_neg_mining") and not p.HasField("mining_type"):
            self.mining = p.MAX_NEGATIVE if p.do_neg_mining else p.NONE
        if self.mining == p.HARD_EXAMPLE:
            self.fail("mining_type HARD_EXAMPLE is not covered")

    def reshape(self, bottom_shapes):
        offsets, confidences, priors, truth = map(tuple, bottom_shapes)
        count = math.prod(priors) // 8
        if len(priors) < 3 or priors[:2] != (1, 2) or not offsets or offsets[:1] != confidences[:1] \
                or math.prod(offsets[1:]) != 4 * count or not truth or truth[-1] != 8 \
                or math.prod(confidences[1:]) != count * self.settings.num_classes:
            self.fail(f"takes offsets (N, P * 4), confidences (N, P * {self.settings.num_classes}), priors "
                      f"(1, 2, P * 4) and truth (1, 1, G, 8), found shapes {offsets}, {confidences}, {priors}, {truth}")
        return [()]

    def forward(self, offsets, confidences, priors, truth):
        p, n = self.settings, len(offsets)
        boxes, variances = priors.detach().cpu().numpy().reshape(2, -1, 4)
        offsets = offsets.reshape(n, -1, 4)
        confidences = confidences.reshape(n, len(boxes), p.num_classes)
        matched, labels, targets, chosen = self._assigned(offsets, confidences, boxes, variances,
                                                          truth.detach().cpu().numpy().reshape(-1, 8))
        device = offsets.device
        matched, chosen = (torch.from_numpy(mask).to(device) for mask in (matched, chosen))
        found, wanted = offsets[matched], torch.from_numpy(targets).to(device)
        if p.encode_variance_in_target:
            scale = torch.from_numpy(np.broadcast_to(variances, (n, *variances.shape)).copy()).to(device)[matched]
            found, wanted = found / scale, wanted / scale
        loss = F.smooth_l1_loss if p.loc_loss_type == p.SMOOTH_L1 else F.mse_loss
        of_places = loss(found, wanted, reduction="sum") * (1 if p.loc_loss_type == p.SMOOTH_L1 else 0.5)
        of_classes = self._class_loss(confidences[chosen], torch.from_numpy(labels).to(device)[chosen])
        count = int(matched.sum())
        divisor = max(1, {"VALID": count, "FULL": n * len(boxes), "BATCH_SIZE": n, "NONE": 1,
                          "PRE_FIXED": self.param.loss_param.pre_fixed_normalizer}[self.normalization])
        return (p.loc_weight * of_places + of_classes) / divisor,

    def _assigned(self, offsets, confidences, boxes, variances, truth):
        """(matched (N, P), class (N, P), offsets wanted of the matched, priors whose class counts (N, P))."""
        p, n = self.settings, len(offsets)
        matched = np.zeros((n, len(boxes)), bool)
        labels = np.full((n, len(boxes)), p.background_label_id, np.int64)
        chosen, targets = np.full_like(matched, self.mining == p.NONE), [np.zeros((0, 4), np.float32)]
        unlikely = None if self.mining == p.NONE else self._background_loss(confidences)
        for i in range(n):
            rows = truth[(truth[:, 0] == i) & (p.use_difficult_gt | (truth[:, 7] == 0))]
            if not len(rows):
                continue
            if not ((rows[:, 1] >= 0) & (rows[:, 1] < p.num_classes) & (rows[:, 1] != p.background_label_id)).all():
                self.fail(f"classes of the truth must lie in 0..{p.num_classes - 1} and not be the background's, "
                          f"{p.background_label_id}; found {rows[:, 1].tolist()[:5]}")
            places = boxes if p.use_prior_for_matching else decode(
                boxes, variances, offsets[i].detach().cpu().numpy(), p.code_type, p.encode_variance_in_target)
            found, most = match(places, rows[:, 3:7], p.overlap_threshold, p.match_type == p.PER_PREDICTION)
            mine = matched[i] = found >= 0
            of_object = np.int64(p.background_label_id + 1) if p.map_object_to_agnostic else rows[found[mine], 1]
            labels[i, mine] = of_object
            targets.append(encode(boxes[mine], variances[mine], rows[found[mine], 3:7], p.code_type,
                                  p.encode_variance_in_target))
            if unlikely is not None:
                others = np.flatnonzero(~mine & (most < p.neg_overlap))
                order = others[np.argsort(-unlikely[i, others], kind="stable")]
                chosen[i] |= mine
                chosen[i, order[:int(mine.sum() * p.neg_pos_ratio)]] = True
        return matched, labels, np.concatenate(targets).astype(np.float32), chosen

    def _background_loss(self, confidences):
        """How much each prior's class would cost if it were the background, array (N, P)."""
        p, scores = self.settings, confidences.detach()
        if p.conf_loss_type == p.SOFTMAX:
            return -F.log_softmax(scores, -1)[..., p.background_label_id].cpu().numpy()
        wanted = torch.zeros_like(scores)
        if p.background_label_id < p.num_classes:
            wanted[..., p.background_label_id] = 1
        return F.binary_cross_entropy_with_logits(scores, wanted, reduction="none").sum(-1).cpu().numpy()

    def _class_loss(self, scores, labels):
        """Sum of the losses of scores (K, classes) with labels (K,)."""
        p = self.settings
        if p.conf_loss_type == p.SOFTMAX:
            return F.cross_entropy(scores, labels, reduction="sum")
        wanted = F.one_hot(labels.clamp(max=p.num_classes), p.num_classes + 1)[..., :p.num_classes].to(scores.dtype)
        return F.binary_cross_entropy_with_logits(scores, wanted, reduction="sum")
