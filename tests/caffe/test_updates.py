"""Update rules against slow references in float64, one number at a time."""

import math

import numpy as np
import pytest
import torch

from deeplandmark.caffe.errors import SolverError
from deeplandmark.caffe.proto import caffe_pb2
from deeplandmark.caffe.solvers import updates

SHAPES = [(3, 2), (3,), (2, 1, 2, 2)]
LR_MULTS, DECAY_MULTS = [1.0, 2.0, 0.5], [1.0, 0.0, 3.0]


def reference_sgd(p, w, g, h, lr, iter):
    h[0] = p.momentum * h[0] + lr * g
    return w - h[0]


def reference_nesterov(p, w, g, h, lr, iter):
    before, h[0] = h[0], p.momentum * h[0] + lr * g
    return w - ((1 + p.momentum) * h[0] - p.momentum * before)


def reference_adagrad(p, w, g, h, lr, iter):
    h[0] += g * g
    return w - lr * g / (math.sqrt(h[0]) + p.delta)


def reference_rmsprop(p, w, g, h, lr, iter):
    h[0] = p.rms_decay * h[0] + (1 - p.rms_decay) * g * g
    return w - lr * g / (math.sqrt(h[0]) + p.delta)


def reference_adadelta(p, w, g, h, lr, iter):
    h[0] = p.momentum * h[0] + (1 - p.momentum) * g * g
    update = g * math.sqrt((h[1] + p.delta) / (h[0] + p.delta))
    h[1] = p.momentum * h[1] + (1 - p.momentum) * update * update
    return w - lr * update


def reference_adam(p, w, g, h, lr, iter):
    h[0] = p.momentum * h[0] + (1 - p.momentum) * g
    h[1] = p.momentum2 * h[1] + (1 - p.momentum2) * g * g
    correction = math.sqrt(1 - p.momentum2 ** (iter + 1)) / (1 - p.momentum ** (iter + 1))
    return w - lr * correction * h[0] / (math.sqrt(h[1]) + p.delta)


def reference_amsgrad(p, w, g, h, lr, iter):
    """Reddi, Kale, Kumar, ICLR 2018, Algorithm 2, with Adam's corrections for the start, as torch has them."""
    h[0] = p.momentum * h[0] + (1 - p.momentum) * g
    h[1] = p.momentum2 * h[1] + (1 - p.momentum2) * g * g
    h[2] = max(h[2], h[1])
    mean, largest = h[0] / (1 - p.momentum ** (iter + 1)), h[2] / (1 - p.momentum2 ** (iter + 1))
    return w - lr * mean / (math.sqrt(largest) + p.delta)


REFERENCES = {"SGD": reference_sgd, "Nesterov": reference_nesterov, "AdaGrad": reference_adagrad,
              "RMSProp": reference_rmsprop, "AdaDelta": reference_adadelta, "Adam": reference_adam,
              "AMSGrad": reference_amsgrad}


def solver_param(type, **fields):
    momentum = 0 if type in ("AdaGrad", "RMSProp") else 0.9
    return caffe_pb2.SolverParameter(**{"momentum": momentum, "delta": 1e-4, "weight_decay": 0.03, **fields})


def expected_gradient(param, gradients, weights, decays, k):
    """Diff of value k after clip, normalise, regularise."""
    norm = math.sqrt(sum(g * g for g in gradients))
    g = gradients[k] * (min(1, param.clip_gradients / norm) if param.clip_gradients > 0 else 1) / param.iter_size
    penalty = weights[k] if param.regularization_type == "L2" else np.sign(weights[k])
    return g + param.weight_decay * decays[k] * penalty


@pytest.mark.parametrize("large", [updates.LARGE, 3])                # 3: some blobs by themselves, some together
@pytest.mark.parametrize("type", REFERENCES)
@pytest.mark.parametrize("fields", [{}, {"regularization_type": "L1"}, {"clip_gradients": 0.5},
                                    {"clip_gradients": 100.0}, {"iter_size": 3, "clip_gradients": 1.0}])
def test_rule(monkeypatch, type, fields, large):
    monkeypatch.setattr(updates, "LARGE", large)
    param, generator = solver_param(type, **fields), torch.Generator().manual_seed(1)
    params = [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in SHAPES]
    sizes = [p.numel() for p in params]
    lr_mults, decays = np.repeat(LR_MULTS, sizes), np.repeat(DECAY_MULTS, sizes)
    weights = np.concatenate([p.detach().double().numpy().ravel() for p in params])
    history = [[0.0, 0.0, 0.0] for _ in weights]
    update = updates.RULES[type](param, params, LR_MULTS, DECAY_MULTS)
    for iter in range(5):
        for p in params:
            p.grad = torch.randn(p.shape, generator=generator)
        gradients = np.concatenate([p.grad.double().numpy().ravel() for p in params])
        rate = 0.1 / (iter + 1)
        weights = np.array([REFERENCES[type](param, weights[k], expected_gradient(param, gradients, weights, decays, k),
                                             history[k], rate * lr_mults[k], iter) for k in range(len(weights))])
        update.apply(rate, iter)
    found = np.concatenate([p.detach().numpy().ravel() for p in params])
    np.testing.assert_allclose(found, weights, rtol=1e-5, atol=1e-6)
    stored = np.concatenate([h.numpy().ravel() for h in update.history])
    moments = np.array(history).T[:update.moments].ravel()  # all first moments, then all second ones
    np.testing.assert_allclose(stored, moments, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("delta", [1e-8, 0.1])
def test_amsgrad_is_torchs_adam_with_amsgrad(delta):
    """Over gradients that shrink, where the largest mean of squares is not the last."""
    generator = torch.Generator().manual_seed(4)
    ours, theirs = (torch.nn.Parameter(torch.ones(50)) for _ in range(2))
    rule = updates.AMSGrad(solver_param("Adam", delta=delta, momentum2=0.9, weight_decay=0.01), [ours], [1.0], [1.0])
    plain = torch.nn.Parameter(torch.ones(50))
    adam = torch.optim.Adam([plain], 0.01, betas=(0.9, 0.9), eps=delta, weight_decay=0.01)
    optimizer = torch.optim.Adam([theirs], 0.01, betas=(0.9, 0.9), eps=delta, weight_decay=0.01, amsgrad=True)
    for iter in range(40):
        gradient = torch.randn(50, generator=generator) * 0.8 ** iter
        ours.grad, theirs.grad, plain.grad = gradient.clone(), gradient.clone(), gradient.clone()
        rule.apply(0.01, iter)
        optimizer.step()
        adam.step()
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    assert (plain - theirs).abs().max() > 0.01                   # it does matter


@pytest.mark.parametrize("regularization_type", ["L1", "L2"])
def test_a_net_of_one_parameter(regularization_type):
    weight = torch.nn.Parameter(torch.tensor([2.0, -4.0]))
    weight.grad = torch.zeros(2)
    param = solver_param("SGD", regularization_type=regularization_type, weight_decay=0.5)
    updates.SGD(param, [weight], [1.0], [1.0]).apply(0.1, 0)
    expected = [1.95, -3.95] if regularization_type == "L1" else [1.9, -3.8]
    assert weight.tolist() == pytest.approx(expected)


def test_least_squares_converges_to_the_closed_form_solution():
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(64, 3, generator=generator)
    y = x @ torch.tensor([[1.0], [-2.0], [0.5]]) + 0.01 * torch.randn(64, 1, generator=generator)
    weight = torch.nn.Parameter(torch.zeros(3, 1))
    update = updates.SGD(solver_param("SGD", weight_decay=0), [weight], [1.0], [1.0])
    for iter in range(400):
        weight.grad = x.T @ (x @ weight.detach() - y) / 64
        update.apply(0.05, iter)
    torch.testing.assert_close(weight.detach(), torch.linalg.lstsq(x, y).solution, rtol=1e-4, atol=1e-5)


def test_a_parameter_that_backward_never_reached_only_decays():
    weight = torch.nn.Parameter(torch.ones(2))
    updates.SGD(solver_param("SGD", weight_decay=0.5), [weight], [1.0], [1.0]).apply(0.1, 0)
    assert weight.tolist() == pytest.approx([0.95, 0.95])


@pytest.mark.parametrize("type, fields, reason", [
    ("AdaGrad", {"momentum": 0.9}, "momentum cannot be used with AdaGrad"),
    ("RMSProp", {"momentum": 0.9}, "momentum cannot be used with RMSProp"),
    ("RMSProp", {"rms_decay": 1.5}, "rms_decay"),
    ("Adam", {"momentum": 1.0}, "momentum"),
    ("SGD", {"regularization_type": "L3"}, "known: L1, L2"),
])
def test_refused(type, fields, reason):
    with pytest.raises(SolverError, match=reason):
        updates.RULES[type](solver_param(type, **fields), [torch.nn.Parameter(torch.ones(1))], [1.0], [1.0])
