"""A small LeNet from NetSpec, trained with a loop of solver.step(1) that keeps losses and test accuracies."""
import h5py
import numpy as np

import deeplandmark.caffe as caffe
from deeplandmark.caffe import layers as L
from deeplandmark.caffe import params as P

# Two-class pictures: a bright upper or lower half under noise.
rng = np.random.RandomState(1)
for name, count in (("train", 96), ("test", 64)):
    label = rng.randint(0, 2, count)
    data = rng.randn(count, 1, 12, 12) * 0.5
    data[label == 0, :, :6] += 1
    data[label == 1, :, 6:] += 1
    with h5py.File(name + ".h5", "w") as f:
        f["data"], f["label"] = data.astype("f4"), label.astype("f4")
    with open(name + ".txt", "w") as f:
        f.write(name + ".h5\n")


def lenet(source, batch_size):
    n = caffe.NetSpec()
    n.data, n.label = L.HDF5Data(batch_size=batch_size, source=source, ntop=2)
    n.conv1 = L.Convolution(n.data, kernel_size=5, num_output=4, weight_filler=dict(type="xavier"))
    n.pool1 = L.Pooling(n.conv1, kernel_size=2, stride=2, pool=P.Pooling.MAX)
    n.fc1 = L.InnerProduct(n.pool1, num_output=16, weight_filler=dict(type="xavier"))
    n.relu1 = L.ReLU(n.fc1, in_place=True)
    n.score = L.InnerProduct(n.relu1, num_output=2, weight_filler=dict(type="xavier"))
    n.loss = L.SoftmaxWithLoss(n.score, n.label)
    return n.to_proto()


with open("lenet_train.prototxt", "w") as f:
    f.write(str(lenet("train.txt", 32)))
with open("lenet_test.prototxt", "w") as f:
    f.write(str(lenet("test.txt", 64)))

s = caffe.proto.caffe_pb2.SolverParameter()
s.random_seed = 1701
s.train_net = "lenet_train.prototxt"
s.test_net.append("lenet_test.prototxt")
s.test_interval, s.max_iter = 500, 10000
s.test_iter.append(1)
s.base_lr, s.momentum, s.weight_decay = 0.05, 0.9, 5e-4
s.lr_policy, s.gamma, s.power = "inv", 0.0001, 0.75
s.display, s.snapshot, s.snapshot_prefix = 1000, 5000, "lenet"
s.solver_mode = caffe.proto.caffe_pb2.SolverParameter.CPU
with open("lenet_solver.prototxt", "w") as f:
    f.write(str(s))

caffe.set_mode_cpu()
solver = None
solver = caffe.get_solver("lenet_solver.prototxt")
shapes = [(k, v.data.shape) for k, v in solver.net.blobs.items()]
solver.net.forward()
first_test = solver.test_nets[0].forward()["loss"].copy()
solver.step(1)
filter_updates = solver.net.params["conv1"][0].diff[:, 0].copy()

niter, test_interval = 60, 20
train_loss = np.zeros(niter)
test_acc = []
for it in range(niter):
    solver.step(1)
    train_loss[it] = solver.net.blobs["loss"].data
    solver.test_nets[0].forward(start="conv1")
    if it % test_interval == 0:
        correct = 0
        for test_it in range(2):
            solver.test_nets[0].forward()
            correct += sum(solver.test_nets[0].blobs["score"].data.argmax(1)
                           == solver.test_nets[0].blobs["label"].data)
        test_acc.append(correct / 128.)
solver.test_nets[0].share_with(solver.net)
solver.test_nets[0].forward()
last_acc = (solver.test_nets[0].blobs["score"].data.argmax(1) == solver.test_nets[0].blobs["label"].data).mean()
