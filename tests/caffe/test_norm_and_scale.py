"""BatchNorm and the Scale in its top run as one operation: values, diffs and statistics are those of one by one."""
import numpy as np
import pytest

import deeplandmark.caffe as caffe
from deeplandmark.caffe.graph.norm_and_scale import NormAndScale

NET = """
layer {{ name: "x" type: "Input" top: "x" input_param {{ shape {{ dim: 6 dim: 4 dim: 5 dim: 7 }} }} }}
layer {{ name: "conv" type: "Convolution" bottom: "x" top: "conv" convolution_param {{ num_output: 8 kernel_size: 3
  weight_filler {{ type: "msra" }} }} }}
layer {{ name: "bn" type: "BatchNorm" bottom: "conv" top: "bn" }}
layer {{ name: "scale" type: "Scale" bottom: "bn" top: "{top}" scale_param {{ {scale}
  filler {{ type: "uniform" min: 0.5 max: 2 }} bias_filler {{ type: "uniform" min: -1 max: 1 }} }} {more} }}
layer {{ name: "relu" type: "ReLU" bottom: "{top}" top: "{top}" }}
layer {{ name: "ip" type: "InnerProduct" bottom: "{top}" top: "ip" inner_product_param {{ num_output: 3
  weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "loss" type: "EuclideanLoss" bottom: "ip" bottom: "y" top: "loss" }}
"""
LABEL = 'layer { name: "y" type: "Input" top: "y" input_param { shape { dim: 6 dim: 3 } } }\n'
PLAIN = {"top": "bn", "scale": "bias_term: true", "more": ""}


def net(phase, one_by_one=False, **changes):
    made = caffe.Net(LABEL + NET.format(**{**PLAIN, **changes}), phase, seed=3)
    rng = np.random.default_rng(0)
    for name in ("x", "y"):
        made.blobs[name].data[...] = rng.standard_normal(made.blobs[name].shape)
    for blob, values in zip(made.params["bn"], (rng.standard_normal(8), 1 + rng.random(8), [2.0])):
        blob.data[...] = values
    if one_by_one:
        made.after_forward(lambda index: None)
    return made


def together(made):
    return sum(isinstance(step.layer, NormAndScale) for step in made.module._training_steps)


@pytest.mark.parametrize("phase", [caffe.TRAIN, caffe.TEST])
@pytest.mark.parametrize("scale", ["bias_term: true", "bias_term: false"])
def test_the_same_as_one_by_one(phase, scale):
    fast, slow = net(phase, scale=scale), net(phase, one_by_one=True, scale=scale)
    assert together(fast) == 1
    for _ in range(2):                                           # the second time with other statistics
        assert fast.forward()["loss"] == pytest.approx(slow.forward()["loss"], rel=1e-5)
        fast.clear_param_diffs()
        slow.clear_param_diffs()
        fast.backward()
        slow.backward()
    for name, blobs in slow.params.items():
        for mine, wanted in zip(fast.params[name], blobs):
            np.testing.assert_allclose(mine.data, wanted.data, rtol=1e-5, atol=1e-6)
            largest = max(1, np.abs(wanted.diff).max())
            np.testing.assert_allclose(mine.diff, wanted.diff, rtol=1e-4, atol=1e-5 * largest)


@pytest.mark.parametrize("changes", [
    {"top": "other"}, {"scale": "bias_term: true axis: 2 num_axes: 2"}, {"scale": "bias_term: true num_axes: 0"},
    {"scale": "bias_term: true num_axes: 2"}, {"more": "propagate_down: false"}])
def test_others_stay_apart(changes):
    assert together(net(caffe.TRAIN, **changes)) == 0


def test_a_step_of_training_counts_the_batch_once(tmp_path):
    (tmp_path / "net.prototxt").write_text(LABEL + NET.format(**PLAIN))
    solver = caffe.SGDSolver(caffe.proto.caffe_pb2.SolverParameter(
        net=str(tmp_path / "net.prototxt"), base_lr=0.01, lr_policy="fixed"))
    solver.step(1)
    assert solver.net.params["bn"][2].data[0] == 1.0
