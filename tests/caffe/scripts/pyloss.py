"""Layers in Python: a data layer with settings and a Euclidean loss, beside Caffe's own."""
import json

import numpy as np

import deeplandmark.caffe as caffe


class Pairs(caffe.Layer):
    """Random inputs and a fixed linear function of them."""

    def setup(self, bottom, top):
        settings = json.loads(self.param_str)
        self.batch, self.rng = settings["batch"], np.random.RandomState(settings["seed"])
        self.weights = np.array([[1., -2., 0.5], [0., 1., 1.]])

    def reshape(self, bottom, top):
        top[0].reshape(self.batch, 3)
        top[1].reshape(self.batch, 2)

    def forward(self, bottom, top):
        top[0].data[...] = self.rng.randn(self.batch, 3)
        top[1].data[...] = top[0].data.dot(self.weights.T)

    def backward(self, top, propagate_down, bottom):
        pass


class EuclideanLossLayer(caffe.Layer):
    def setup(self, bottom, top):
        if len(bottom) != 2:
            raise Exception("Need two inputs to compute distance.")

    def reshape(self, bottom, top):
        if bottom[0].count != bottom[1].count:
            raise Exception("Inputs must have the same dimension.")
        self.diff = np.zeros_like(bottom[0].data, dtype=np.float32)
        top[0].reshape(1)

    def forward(self, bottom, top):
        self.diff[...] = bottom[0].data - bottom[1].data
        top[0].data[...] = np.sum(self.diff ** 2) / bottom[0].num / 2.

    def backward(self, top, propagate_down, bottom):
        for i in range(2):
            if not propagate_down[i]:
                continue
            sign = 1 if i == 0 else -1
            bottom[i].diff[...] = sign * self.diff / bottom[i].num


if __name__ == "__main__":
    from deeplandmark.caffe import layers as L

    n = caffe.NetSpec()
    n.x, n.y = L.Python(module="pyloss", layer="Pairs", ntop=2, param_str=json.dumps(dict(batch=16, seed=4)))
    n.fc = L.InnerProduct(n.x, num_output=2, weight_filler=dict(type="gaussian", std=0.1))
    n.loss = L.Python(n.fc, n.y, module="pyloss", layer="EuclideanLossLayer", loss_weight=1)
    n.same = L.EuclideanLoss(n.fc, n.y, loss_weight=0)
    with open("train.prototxt", "w") as f:
        f.write("force_backward: false\n" + str(n.to_proto()))
    with open("solver.prototxt", "w") as f:
        f.write('train_net: "train.prototxt" base_lr: 0.2 momentum: 0.5 lr_policy: "fixed" display: 0 max_iter: 40')
    solver = caffe.SGDSolver("solver.prototxt")
    losses = []
    for _ in range(40):
        solver.step(1)
        losses.append((float(solver.net.blobs["loss"].data[0]), float(solver.net.blobs["same"].data)))
    learned = solver.net.params["fc"][0].data.copy()
