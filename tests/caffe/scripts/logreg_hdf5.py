"""Logistic regression from HDF5, then a net with a hidden layer, each by solver.solve(), tested from its snapshot."""
import os

import h5py
import numpy as np

import deeplandmark.caffe as caffe
from deeplandmark.caffe import layers as L
from deeplandmark.caffe import params as P

rng = np.random.RandomState(6)
X = rng.randn(400, 4).astype(np.float32)
y = ((X[:, 0] * X[:, 1] > 0) ^ (X[:, 2] > 1)).astype(np.float32)     # not linear: the hidden layer must win
os.makedirs("hdf5")
for name, part in (("train", slice(0, 300)), ("test", slice(300, 400))):
    with h5py.File("hdf5/%s.h5" % name, "w") as f:
        f.create_dataset("data", data=X[part], compression="gzip")
        f.create_dataset("label", data=y[part])
    with open("hdf5/%s.txt" % name, "w") as f:
        f.write("hdf5/%s.h5\nhdf5/%s.h5\n" % (name, name) if name == "train" else "hdf5/%s.h5\n" % name)


def logreg(hdf5, batch_size, hidden=0):
    n = caffe.NetSpec()
    n.data, n.label = L.HDF5Data(batch_size=batch_size, source=hdf5, ntop=2)
    below = n.data
    if hidden:
        n.ip0 = L.InnerProduct(n.data, num_output=hidden, weight_filler=dict(type="xavier"))
        n.relu0 = below = L.ReLU(n.ip0, in_place=True)
    n.ip1 = L.InnerProduct(below, num_output=2, weight_filler=dict(type="xavier"))
    n.accuracy = L.Accuracy(n.ip1, n.label, include=dict(phase=caffe.TEST))
    n.loss = L.SoftmaxWithLoss(n.ip1, n.label, loss_param=dict(normalization=P.Loss.VALID))
    return n.to_proto()


def solve(name, **settings):
    for part, batch_size in (("train", 10), ("test", 100)):
        with open("%s_%s.prototxt" % (name, part), "w") as f:
            f.write(str(logreg("hdf5/%s.txt" % part, batch_size, **settings)))
    s = caffe.proto.caffe_pb2.SolverParameter(
        train_net="%s_train.prototxt" % name, test_net=["%s_test.prototxt" % name], test_interval=300, test_iter=[1],
        max_iter=600, base_lr=0.1, lr_policy="step", gamma=0.1, stepsize=500, display=300, momentum=0.9,
        weight_decay=5e-4, snapshot=600, snapshot_prefix=name, random_seed=2)
    with open("%s_solver.prototxt" % name, "w") as f:
        f.write(str(s))
    solver = caffe.get_solver("%s_solver.prototxt" % name)
    solver.solve()
    net = caffe.Net("%s_test.prototxt" % name, "%s_iter_600.caffemodel" % name, caffe.TEST)
    return float(net.forward()["accuracy"]), solver


caffe.set_mode_cpu()
linear, first = solve("linear")
nonlinear, second = solve("nonlinear", hidden=40)
second.restore("nonlinear_iter_600.solverstate")
