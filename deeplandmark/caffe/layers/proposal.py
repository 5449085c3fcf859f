"""Proposals of Faster R-CNN and R-FCN: the layer Proposal, and the Python layer of py-faster-rcnn."""
import re

import numpy as np
import torch

from deeplandmark.caffe import proposals
from deeplandmark.caffe.blob import Blob
from deeplandmark.caffe.layers.base import Layer
from deeplandmark.caffe.layers.registry import layer
from deeplandmark.caffe.user_layer import Layer as UserLayer

_RATIOS, _SCALES = (0.5, 1, 2), (8, 16, 32)
_SETTING = re.compile(r"['\"]?(\w+)['\"]?\s*:\s*(\[[^\]]*\]|\([^)]*\)|[-+.\w]+)")
_NUMBER = re.compile(r"-?\d*\.?\d+(?:[eE][-+]?\d+)?")
_MOST = 1 << 31


@layer("Proposal")
class Proposal(Layer):
    """Regions (K, 5) that an RPN suggests, best first, and their scores (K,) as a second top.

    proposal_layer.cpp of sanghoon/pva-faster-rcnn and its descendants. Bottoms: scores (N, 2 A, H, W), the foreground's
    behind the background's, deltas (N, 4 A, H, W), and im_info (N, 3) or (N, 4): height, width, scale (vertical and
    horizontal). A region is (number in the batch, x1, y1, x2, y2) in pixels; K is post_nms_topn until the first
    forward, then as many as there are. Boxes with a side below min_size times the scale get the score 0. Nothing gets a
    gradient.

    proposal_param: feat_stride, base_size, ratio, scale (0.5 1 2 and 8 16 32 where left out), min_size, pre_nms_topn,
    post_nms_topn, nms_thresh.
    """
    exact_bottoms = 3
    min_tops, max_tops = 1, 2
    no_gradient_bottoms = (0, 1, 2)

    def create(self, bottom_shapes):
        self.settings = p = self.param.proposal_param
        ratios, scales = list(p.ratio) or _RATIOS, list(p.scale) or _SCALES
        if min(p.feat_stride, p.base_size, p.post_nms_topn) < 1 or not all(0 < n < 1e6 for n in (*ratios, *scales)):
            self.fail("feat_stride, base_size, post_nms_topn, ratio and scale must be above 0")
        self.anchors = proposals.make_anchors(p.base_size, ratios, scales)

    def reshape(self, bottom_shapes):
        scores, deltas, info = map(tuple, bottom_shapes)
        n, a = scores[:1], len(self.anchors)
        if len(scores) != 4 or scores[1] != 2 * a or deltas != (*n, 4 * a, *scores[2:]) or info not in (
                (*n, 3), (*n, 4), (*n, 3, 1, 1), (*n, 4, 1, 1), (1, 1, *n, 3)):
            self.fail(f"{a} anchors take scores (N, {2 * a}, H, W), deltas (N, {4 * a}, H, W) and im_info (N, 3), "
                      f"found shapes {scores}, {deltas} and {info}")
        count = self.settings.post_nms_topn
        return [(count, 5), (count,)][:self.num_tops]

    def forward(self, scores, deltas, info):
        device = scores.device
        scores, deltas, info = (bottom.detach().cpu().numpy() for bottom in (scores, deltas, info))
        found = [self._of_one(*rows) for rows in zip(scores, deltas, info.reshape(len(scores), -1))]
        regions = [np.insert(boxes, 0, number, axis=1) for number, (boxes, _) in enumerate(found)]
        tops = np.concatenate([np.zeros((0, 5)), *regions]), np.concatenate([np.zeros(0), *(s for _, s in found)])
        return tuple(torch.from_numpy(top.astype(np.float32)).to(device) for top in tops[:self.num_tops])

    def _of_one(self, scores, deltas, info):
        """(boxes (K, 4), scores (K,)) of one picture."""
        p, (height, width, *scale) = self.settings, info
        boxes, scores = proposals.propose(scores[len(self.anchors):], deltas, self.anchors, p.feat_stride)
        boxes = proposals.clip_boxes(boxes, height, width)
        least = p.min_size * np.array([scale[-1], scale[0]])
        scores = scores * (boxes[:, 2:] - boxes[:, :2] + 1 >= least).all(1)
        return best(boxes, scores, p.pre_nms_topn, p.post_nms_topn, p.nms_thresh)


def best(boxes, scores, before, after, threshold):
    """(boxes, scores), highest first, of the best `before` those that `suppress` leaves, at most `after`; 0: all."""
    order = np.argsort(-scores, kind="stable")[:before or None]
    boxes, scores = boxes[order], scores[order]
    kept = proposals.suppress(boxes, threshold, after or _MOST)
    return boxes[kept], scores[kept]


class ProposalLayer(UserLayer):
    """rpn.proposal_layer.ProposalLayer of py-faster-rcnn and py-R-FCN, for nets that name it in python_param.

    param_str: feat_stride, and scales, ratios where they are not 8 16 32 and 0.5 1 2, as in `'feat_stride': 16`.
    Bottoms: scores (1, 2 A, H, W), deltas (1, 4 A, H, W), im_info (1, 3): height, width, scale. Tops: regions (K, 5),
    scores (K, 1). Boxes with a side below 16 pixels times the scale are left out; in TEST the best 6000 and of them 300
    remain, in TRAIN 12000 and 2000, none overlapping a better one by more than 0.7 (its config.py).
    """
    PRE_NMS, POST_NMS, NMS_THRESH, MIN_SIZE = (12000, 6000), (2000, 300), 0.7, 16

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        """Reads param_str; a ValueError where it lacks feat_stride."""
        settings = {name: list(map(float, _NUMBER.findall(value))) for name, value in _SETTING.findall(self.param_str)}
        if not settings.get("feat_stride"):
            raise ValueError(f"param_str needs feat_stride, found {self.param_str!r}")
        self._stride = int(settings["feat_stride"][0])
        self._anchors = proposals.make_anchors(16, settings.get("ratios") or _RATIOS, settings.get("scales") or _SCALES)
        top[0].reshape(1, 5)
        if len(top) > 1:
            top[1].reshape(1, 1)

    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        """The number of regions is known in forward."""

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        """Fills the tops from the first and only picture."""
        if bottom[0].data.shape[0] != 1:
            raise ValueError(f"one picture at a time, found a batch of {bottom[0].data.shape[0]}")
        height, width, scale = bottom[2].data.ravel()[:3]
        boxes, scores = proposals.propose(bottom[0].data[0, len(self._anchors):], bottom[1].data[0], self._anchors,
                                          self._stride)
        boxes = proposals.clip_boxes(boxes, height, width)
        large = (boxes[:, 2:] - boxes[:, :2] + 1 >= self.MIN_SIZE * scale).all(1)
        boxes, scores = best(boxes[large], scores[large], self.PRE_NMS[self.phase], self.POST_NMS[self.phase],
                             self.NMS_THRESH)
        top[0].reshape(len(boxes), 5)
        top[0].data[:, 0] = 0
        top[0].data[:, 1:] = boxes
        if len(top) > 1:
            top[1].reshape(len(boxes), 1)
            top[1].data[...] = scores[:, None]

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        """Nothing: regions have no gradient."""
