"""Python layers that public nets name and that are provided where their modules are not at hand: PROVIDED."""
import re

import numpy as np
import torch

from deeplandmark.caffe import proposals
from deeplandmark.caffe.blob import Blob
from deeplandmark.caffe.layers.proposal import ProposalLayer
from deeplandmark.caffe.mode import MODE
from deeplandmark.caffe.user_layer import Layer as UserLayer

_SHARE = re.compile(r"['\"]?\bp['\"]?\s*:\s*['\"]?([\d.]+)")
_TEST = 1


class SpatialDropoutLayer(UserLayer):
    """spatial_dropout.SpatialDropoutLayer of ENet (TimoSaemann), for nets that name it in python_param.

    param_str: phase, and p, the share of maps that are left out in TRAIN; the others are multiplied by 1 / (1 - p).
    In TEST the top is the bottom.
    """

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        """Reads param_str; a ValueError for a p outside 0..1."""
        found = _SHARE.search(self.param_str or "")
        self._share, self._trains = float(found[1]) if found else 0.0, "TRAIN" in (self.param_str or "")
        if not 0 <= self._share < 1:
            raise ValueError(f"param_str needs p of 0 to 1, found {self.param_str!r}")

    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        """The top has the shape of the bottom, (N, C, ...)."""
        top[0].reshape(*bottom[0].data.shape)

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        """Draws the maps that stay, in TRAIN."""
        shape = bottom[0].data.shape
        self._kept = np.ones((*shape[:2], *(1,) * (len(shape) - 2)), np.float32)
        if self._trains:
            drawn = torch.rand(self._kept.shape, generator=MODE.generator).numpy()
            self._kept[drawn < self._share] = 0
            self._kept /= 1 - self._share
        top[0].data[...] = bottom[0].data * self._kept

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        """The gradient of the maps that stayed."""
        bottom[0].diff[...] = top[0].diff * self._kept


class OfTestNets(UserLayer):
    """A layer of MNC (daijifeng001/MNC, lib/pylayer) as its test nets have it; those of training take more."""

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        """A ValueError in TRAIN."""
        if self.phase != _TEST:
            raise ValueError(f"{type(self).__name__} of MNC is provided for the phase TEST alone")

    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        """Follows in forward, from the number of regions."""
        top[0].reshape(*self.top_shape(bottom))

    def top_shape(self, bottom: list[Blob]) -> tuple[int, ...]:
        """Of the only top."""
        raise NotImplementedError


class MaskLayer(OfTestNets):
    """pylayer.mask_layer.MaskLayer of MNC: rows (R, 441) as masks (R, 1, 21, 21)."""
    SIDE = 21                                                    # MASK_SIZE of its mnc_config.py

    def top_shape(self, bottom: list[Blob]) -> tuple[int, ...]:
        """(R, 1, 21, 21)"""
        return bottom[0].data.shape[0], 1, self.SIDE, self.SIDE

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        """The same values."""
        top[0].data[...] = bottom[0].data.reshape(top[0].data.shape)


class StageBridgeLayer(OfTestNets):
    """pylayer.stage_bridge_layer.StageBridgeLayer of MNC: regions moved as the likeliest class of each has it.

    Bottoms: regions (R, 5), deltas (R, 4 K), probabilities (R, K), im_info (1, 3). Top: regions (R, 5) within the
    picture.
    """

    def top_shape(self, bottom: list[Blob]) -> tuple[int, ...]:
        """(R, 5)"""
        return bottom[0].data.shape[0], 5

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        """Moves and cuts the regions."""
        regions, deltas, scores, info = (blob.data for blob in bottom)
        rows = len(regions)
        deltas = deltas.reshape(rows, -1, 4)[np.arange(rows), scores.reshape(rows, -1).argmax(1)]
        moved = proposals.move_boxes(regions.reshape(rows, 5)[:, 1:].astype(np.float64), deltas.astype(np.float64))
        top[0].data[:, 0] = 0
        top[0].data[:, 1:] = proposals.clip_boxes(moved, *info.ravel()[:2])


class MncProposalLayer(ProposalLayer, OfTestNets):
    """pylayer.proposal_layer.ProposalLayer of MNC: in TEST that of py-faster-rcnn."""

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        """Reads param_str; a ValueError in TRAIN."""
        OfTestNets.setup(self, bottom, top)
        ProposalLayer.setup(self, bottom, top)


PROVIDED = {("rpn.proposal_layer", "ProposalLayer"): ProposalLayer,
            ("spatial_dropout", "SpatialDropoutLayer"): SpatialDropoutLayer,
            ("pylayer.proposal_layer", "ProposalLayer"): MncProposalLayer,
            ("pylayer.mask_layer", "MaskLayer"): MaskLayer,
            ("pylayer.stage_bridge_layer", "StageBridgeLayer"): StageBridgeLayer}
