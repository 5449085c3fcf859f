"""Cascades to export, pictures for them, and what "the same answer" means."""
import cv2
import numpy as np

from deeplandmark.caffe import TEST
from deeplandmark.caffe.net import Net
from deeplandmark.cascade.networks import light_networks, networks
from deeplandmark.cascade.settings import CascadeSettings
from deeplandmark.training.templates import render, template_folder

TOLERANCE_PX = 0.01         # what one graph may differ from network by network in torch


def picture(height=230, width=301, seed=0):
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    return cv2.GaussianBlur(rng.integers(0, 256, (height, width), dtype=np.uint8), (0, 0), 3)


def assert_same(one, other, tolerance=TOLERANCE_PX):
    for name in ("points", "levels", "first", "spread"):
        found, expected = getattr(one, name), getattr(other, name)
        assert found.shape == expected.shape and found.dtype == np.float32
        assert np.abs(found - expected).max(initial=0) < tolerance, name
    assert np.abs(one.confidence - other.confidence).max(initial=0) < 1e-3


def random_model(folder, points=None, leave_out=(), s0=None, levels=(1, 2, 3), edit=None, variant="paper", **settings):
    """A model folder of untrained networks."""
    points = points or CascadeSettings().points
    folder.mkdir()
    rows = light_networks() if variant in ("light", "best") else networks(points, levels)
    table = tuple(network for network in rows if network.full_name not in leave_out)
    for seed, network in enumerate(table):
        text = render(network, "deploy", folder=template_folder(), variant=variant,
                      structure=s0 if network.name == "F" else None)
        target = folder / f"{network.full_name}.prototxt"
        target.write_text(edit(text) if edit else text)
        assert edit is None or network.name != "F" or edit(text) != text
        net = Net(str(target), TEST, seed=seed)
        for blobs in net.params.values():
            for blob in blobs:
                blob.data[...] += np.random.default_rng(seed).normal(0, 0.05, blob.data.shape)
        net.save(str(folder / f"{network.full_name}.caffemodel"))
    CascadeSettings(points=points, networks=table, **settings).save(folder)
    return folder
