"""Processor time of a training step - forward, backward, update -, here and in plain PyTorch, turn by turn."""
import time

import numpy as np
import torch

from deeplandmark.caffe.benchmark.eager import LOSS, EagerNet
from deeplandmark.caffe.benchmark.nets import NETS
from deeplandmark.caffe.benchmark.run import Row
from deeplandmark.caffe.logs.log import SilentLog
from deeplandmark.caffe.net import Net
from deeplandmark.caffe.proto import caffe_pb2
from deeplandmark.caffe.solvers import SGDSolver

_RATE, _MOMENTUM = 1e-6, 0.9   # no net diverges by such a rate
_CLASSES = 5                 # of the labels
_STEPS = 2                   # at a time: after the last of some the solver writes the update into the diffs


def measure_step(name, batch, rounds=4):
    """The Row of one of NETS: the least processor time of `rounds` rounds, each way once a round, one thread each; and
    how far the loss after the first ones lies from that of plain PyTorch."""
    torch.set_num_threads(1)
    ways = _ways(for_training(NETS[name](batch)))
    first = {way: step() for way, step in ways.items()}
    differences = {way: abs(loss - first["PyTorch"]) / max(1.0, abs(first["PyTorch"])) for way, loss in first.items()}
    seconds = dict.fromkeys(ways, float("inf"))
    for _ in range(rounds):
        for way, step in ways.items():
            start = time.process_time()
            step()
            seconds[way] = min(seconds[way], (time.process_time() - start) / _STEPS)
    return Row(name, batch, seconds, differences)


def for_training(definition):
    """A net of `nets.py` with a loss at each end, whose labels are further inputs, and without Dropout, whose draws no
    two ways share; a NetParameter."""
    classes = definition.layer[-1].type == "Softmax"
    made = caffe_pb2.NetParameter()
    made.layer.extend(layer for layer in definition.layer if layer.type not in ("Dropout", "Softmax"))
    net = Net(made, caffe_pb2.TEST)
    for end in net.outputs:
        label, shape = made.layer.add(name=f"label_{end}", type="Input", top=[f"label_{end}"]), net.blobs[end].shape
        label.input_param.shape.add(dim=shape[:1] if classes else shape)
        made.layer.add(name=LOSS + end, type="SoftmaxWithLoss" if classes else "EuclideanLoss",
                       bottom=[end, label.name], top=[LOSS + end])
    return made


def _ways(definition):
    """Functions that make _STEPS steps by each way and give the last one's loss, by name."""
    solver = SGDSolver(caffe_pb2.SolverParameter(net_param=definition, base_lr=_RATE, momentum=_MOMENTUM,
                                                 lr_policy="fixed", random_seed=1), log=SilentLog())
    net = solver.net
    rng = np.random.default_rng(0)
    inputs = {}
    for name in net.inputs:
        shape = net.blobs[name].shape
        values = rng.integers(0, _CLASSES, shape) if len(shape) == 1 else rng.standard_normal(shape)
        inputs[name] = torch.from_numpy(values.astype(np.float32))
        net.blobs[name].data[...] = inputs[name].numpy()
    plain = EagerNet(definition, net.params)
    optimizer = torch.optim.SGD(plain.parameters(), _RATE, _MOMENTUM)
    losses = [output for output in net.outputs if output.startswith(LOSS)]

    def by_solver():
        solver.step(_STEPS)
        return float(sum(net.blobs[loss].data.sum() for loss in losses))

    def by_pytorch():
        for _ in range(_STEPS):
            optimizer.zero_grad()
            loss = plain(**inputs)
            loss.backward()
            optimizer.step()
        return loss.item()
    return {"solver": by_solver, "PyTorch": by_pytorch}
