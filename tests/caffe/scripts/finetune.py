"""Finetuning: two solvers, one from scratch and one from weights; a layer renamed so that it starts afresh."""
import numpy as np

import deeplandmark.caffe as caffe
from deeplandmark.caffe import layers as L

frozen, learned = dict(lr_mult=0), dict(lr_mult=1, decay_mult=1)


def net(name, learn_all, num_output):
    n = caffe.NetSpec()
    n.data, n.label = L.DummyData(shape=[dict(dim=[8, 6]), dict(dim=[8, num_output])], ntop=2,
                                  data_filler=[dict(type="constant", value=0.5), dict(type="constant", value=1)])
    n.fc1 = L.InnerProduct(n.data, num_output=10, param=[learned if learn_all else frozen] * 2,
                           weight_filler=dict(type="gaussian", std=0.1))
    n.drop1 = L.Dropout(L.ReLU(n.fc1, in_place=True), dropout_ratio=0.2)
    setattr(n, name, L.InnerProduct(n.drop1, num_output=num_output, weight_filler=dict(type="gaussian", std=0.1)))
    n.loss = L.EuclideanLoss(n[name], n.label)
    file = name + ".prototxt"
    with open(file, "w") as f:
        f.write(str(n.to_proto()))
    return file


def solver_file(train_net):
    s = caffe.proto.caffe_pb2.SolverParameter(train_net=train_net, base_lr=0.05, lr_policy="fixed", max_iter=100,
                                              random_seed=1, snapshot_prefix="finetune", type="Nesterov", momentum=0.9)
    with open("solver.prototxt", "w") as f:
        f.write(str(s))
    return "solver.prototxt"


source = caffe.get_solver(solver_file(net("fc_old", True, 3)))
source.step(30)
source.net.save("source.caffemodel")

scratch = caffe.get_solver(solver_file(net("fc_new", False, 2)))
tuned = caffe.get_solver("solver.prototxt")
tuned.net.copy_from("source.caffemodel")
start = tuned.net.params["fc_new"][0].data.copy()
loss = {name: np.zeros(20) for name in ("scratch", "tuned")}
for it in range(20):
    for name, s in (("scratch", scratch), ("tuned", tuned)):
        s.step(1)
        loss[name][it] = s.net.blobs["loss"].data.copy()
