"""A training loop of one's own: forward, backward, and the update written in NumPy."""
import numpy as np

import deeplandmark.caffe as caffe

NET = """
force_backward: true
layer { name: "data" type: "Input" top: "data" top: "label"
  input_param { shape { dim: 16 dim: 4 } shape { dim: 16 dim: 1 } } }
layer { name: "ip1" type: "InnerProduct" bottom: "data" top: "ip1"
  inner_product_param { num_output: 12 weight_filler { type: "xavier" } } }
layer { name: "tanh1" type: "TanH" bottom: "ip1" top: "tanh1" }
layer { name: "ip2" type: "InnerProduct" bottom: "tanh1" top: "ip2"
  inner_product_param { num_output: 1 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "ip2" bottom: "label" top: "loss" propagate_down: true
  propagate_down: false }
"""
with open("net.prototxt", "w") as f:
    f.write(NET)
caffe.set_random_seed(0)
net = caffe.Net("net.prototxt", caffe.TRAIN)
rng = np.random.RandomState(7)
losses = []
for it in range(150):
    x = rng.randn(16, 4).astype(np.float32)
    net.blobs["data"].data[...] = x
    net.blobs["label"].data[:, 0] = np.sin(x).sum(1)
    losses.append(float(net.forward()["loss"]))
    net.clear_param_diffs()
    net.backward()
    for name, blobs in net.params.items():
        for blob in blobs:
            blob.data[...] -= 0.1 * blob.diff

# What the net would like to see: the gradient down to the picture, layer by layer.
net.forward(end="ip2")
net.blobs["ip2"].diff[...] = 1
input_diff = net.backward(start="ip2", diffs=["ip1"])
step = 1e-2
net.blobs["data"].data[0, 0] += step
up = net.forward(end="ip2")["ip2"][0, 0].copy()
net.blobs["data"].data[0, 0] -= 2 * step
down = net.forward(end="ip2")["ip2"][0, 0].copy()
numeric = (up - down) / (2 * step)
