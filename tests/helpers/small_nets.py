"""Nets of one layer for tests against plain loops, and the gradient by differences."""
import numpy as np
from hypothesis import settings

import deeplandmark.caffe as caffe

SETTINGS = settings(max_examples=40, deadline=None, derandomize=True)


def run(definition, shape, seed=0):
    """Output and net of one layer `op` on random integers: ties are common, sums are exact."""
    net = caffe.Net(f"""force_backward: true
        layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ {dims(shape)} }} }} }}
        layer {{ name: "op" bottom: "data" top: "out" {definition} }}""", caffe.TEST, seed=seed)
    rng = np.random.default_rng(seed)
    for blob in [net.blobs["data"], *net.params.get("op", [])]:
        blob.data = rng.integers(-3, 4, blob.shape)
    return net.forward()["out"], net


def dims(shape):
    return " ".join(f"dim: {n}" for n in shape)


def numerical_gradient(net, blob, weights):
    """d sum(weights * out) / d blob by central differences; exact for layers that are linear."""
    gradient = np.zeros(blob.shape)
    for index in np.ndindex(blob.shape):
        kept = blob.data[index]
        for step in (1, -1):
            blob.data[index] = kept + step
            gradient[index] += step * (weights * net.forward()["out"].astype(np.float64)).sum() / 2
        blob.data[index] = kept
    return gradient
