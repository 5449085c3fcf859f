"""Fillers: exact where Caffe is exact, otherwise the statistics of the definition."""
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from google.protobuf import text_format

from deeplandmark.caffe.errors import NetError
from deeplandmark.caffe.fillers import fill
from deeplandmark.caffe.proto import caffe_pb2

FOLDER = Path(__file__).parents[1] / "data" / "caffe" / "fillers"
CASES = json.loads((FOLDER / "index.json").read_text())["fillers"]


def draw(text, shape, seed=1):
    filler = text_format.Parse(text, caffe_pb2.FillerParameter())
    return fill(filler, shape, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_reference(case):
    blob = draw(case["filler"], case["shape"]).numpy()
    assert blob.shape == tuple(case["shape"]) and blob.dtype == np.float32
    if case.get("exact"):
        with np.load(FOLDER / "exact.npz") as exact:
            np.testing.assert_allclose(blob, exact[case["exact"].split(":")[1]], rtol=0, atol=1e-6)
        return
    expected, observed = case["expected"], case["observed"]
    spread = observed["std"] / np.sqrt(blob.size)
    assert abs(blob.mean() - observed["mean"]) < 7 * spread + 1e-7       # both means are samples
    assert blob.std() == pytest.approx(observed["std"], rel=0.03)
    assert (blob == 0).mean() == pytest.approx(observed["zero_fraction"], abs=0.02)
    if expected.get("low") is not None:
        assert blob.min() >= expected["low"] - 1e-6
    if expected.get("high") is not None:
        assert blob.max() <= expected["high"] + 1e-6


def test_positive_unitball_rows_sum_to_one():
    blob = draw('type: "positive_unitball"', (7, 3, 5))
    torch.testing.assert_close(blob.sum((1, 2)), torch.ones(7))
    assert blob.min() >= 0


def test_same_seed_same_blob():
    assert torch.equal(draw('type: "xavier"', (5, 6), seed=4), draw('type: "xavier"', (5, 6), seed=4))
    assert not torch.equal(draw('type: "xavier"', (5, 6), seed=4), draw('type: "xavier"', (5, 6), seed=5))


@pytest.mark.parametrize("text, shape, reason", [
    ('type: "orthogonal"', (2, 2), "unknown filler type 'orthogonal' (known: bilinear, constant"),
    ('type: "xavier" sparse: 3', (2, 2), "does not support sparse"),
    ('type: "bilinear"', (2, 2, 3, 4), "square kernels"),
    ('type: "gaussian"', (2, 0), "no elements")])
def test_refused(text, shape, reason):
    with pytest.raises(NetError) as caught:
        draw(text, shape)
    assert reason in str(caught.value)
