"""Processor time of forward, here and in OpenCV's importer of Caffe nets, in one process and turn by turn."""
import os
import tempfile
import time
from dataclasses import dataclass

import numpy as np
import torch

from deeplandmark.caffe.benchmark.nets import NETS
from deeplandmark.caffe.net import Net
from deeplandmark.caffe.proto import caffe_pb2


@dataclass
class Row:
    """A net at a batch: seconds (float) of a forward by way, and the largest difference of the last blob from torch's,
    as a part of its largest value, by way."""
    name: str
    batch: int
    seconds: dict
    differences: dict


def measure(name, batch, rounds=4, with_opencv=True):
    """The Row of one of NETS: the least processor time of `rounds` rounds, each way once a round, one thread each."""
    with tempfile.TemporaryDirectory() as folder:
        ways = _ways(NETS[name](batch), folder, with_opencv)
        wanted = ways["torch"]().copy()
        differences = {way: float(np.abs(run() - wanted).max() / np.abs(wanted).max()) for way, run in ways.items()}
        seconds = dict.fromkeys(ways, float("inf"))
        for _ in range(rounds):
            for way, run in ways.items():
                start = time.process_time()
                run()
                seconds[way] = min(seconds[way], time.process_time() - start)
    return Row(name, batch, seconds, differences)


def has_importer():
    """Whether (bool) the OpenCV that is installed reads Caffe nets: version 4 does, 5 does not."""
    import cv2
    return hasattr(cv2.dnn, "readNetFromCaffe")


def _ways(definition, folder, with_opencv):
    """Functions that run the net by each way and give its last output, by name."""
    torch.set_num_threads(1)
    net = Net(definition, caffe_pb2.TEST, seed=1, engine="torch")
    _draw_statistics(net)
    model, weights = os.path.join(folder, "net.prototxt"), os.path.join(folder, "net.caffemodel")
    with open(model, "w", encoding="utf-8") as file:
        file.write(str(definition))
    net.save(weights)
    graph = Net(model, weights, caffe_pb2.TEST, engine="onnxruntime")
    name, output = net.inputs[0], net.outputs[-1]
    picture = np.random.default_rng(0).standard_normal(net.blobs[name].shape).astype(np.float32)
    for each in (net, graph):
        each.blobs[name].data[...] = picture
    ways = {"torch": lambda: net.forward()[output], "onnxruntime": lambda: graph.forward()[output]}
    if with_opencv:
        import cv2
        cv2.setNumThreads(1)
        other = cv2.dnn.readNetFromCaffe(model, weights)

        def by_opencv():
            other.setInput(picture, name)
            return other.forward(output)
        ways["OpenCV"] = by_opencv
    return ways


def _draw_statistics(net):
    """Means and variances as of a trained net: without them every BatchNorm divides by nearly nothing."""
    rng = np.random.default_rng(0)
    for layer in net.layers:
        if layer.type == "BatchNorm":
            mean, variance, factor = layer.blobs
            mean.data, variance.data, factor.data = 0.1 * rng.standard_normal(mean.shape), 1 + rng.random(mean.shape), 1
