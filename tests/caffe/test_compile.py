"""torch.compile of a net: one graph without breaks, the same outputs and gradients as without it."""
import os
import shutil

import pytest
import torch

import deeplandmark.caffe as caffe

X = """layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 2 dim: 11 dim: 13 } } }
"""
Y = """layer { name: "y" type: "Input" top: "y" input_param { shape { dim: 2 } } }
"""
FC = """layer { name: "fc" type: "InnerProduct" bottom: "%s" top: "fc"
  inner_product_param { num_output: 6 weight_filler { type: "xavier" } } }
"""
PAPER = X + """layer { name: "conv" type: "LocallySharedConvolution" bottom: "x" top: "conv"
  local_share_param { p: 2 q: 3 } convolution_param { num_output: 3 kernel_size: 2 weight_filler { type: "xavier" } } }
layer { name: "tanh" type: "TanH" bottom: "conv" top: "conv" }
layer { name: "abs" type: "AbsVal" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "gain" type: "LocallySharedScale" bottom: "pool" top: "gain" local_share_param { p: 5 q: 3 } }
layer { name: "drop" type: "Dropout" bottom: "gain" top: "gain" }
""" + FC % "gain"
POOLS = X + """layer { name: "conv" type: "Convolution" bottom: "x" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "norm" type: "LRN" bottom: "conv" top: "norm" lrn_param { local_size: 3 alpha: 0.5 } }
layer { name: "map" type: "LRN" bottom: "norm" top: "map" lrn_param { local_size: 3 norm_region: WITHIN_CHANNEL } }
layer { name: "max" type: "Pooling" bottom: "map" top: "max" pooling_param { kernel_size: 2 stride: 2 pad: 1 } }
layer { name: "ave" type: "Pooling" bottom: "map" top: "ave"
  pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 } }
layer { name: "up" type: "Deconvolution" bottom: "max" top: "up"
  convolution_param { num_output: 2 kernel_size: 2 weight_filler { type: "xavier" } } }
layer { name: "all" type: "Pooling" bottom: "ave" top: "all" pooling_param { pool: AVE global_pooling: true } }
layer { name: "relu" type: "ReLU" bottom: "all" top: "all" relu_param { negative_slope: 0.1 } }
layer { name: "cols" type: "Im2col" bottom: "up" top: "cols" convolution_param { kernel_size: 3 stride: 2 } }
layer { name: "spp" type: "SPP" bottom: "up" top: "spp" spp_param { pyramid_height: 2 } }
""" + FC % "spp"
LOSSES = X + Y + """layer { name: "norm" type: "BatchNorm" bottom: "x" top: "norm"
  batch_norm_param { use_global_stats: false } }
layer { name: "scale" type: "Scale" bottom: "norm" top: "scale" scale_param { bias_term: true } }
layer { name: "prelu" type: "PReLU" bottom: "scale" top: "scale" }
layer { name: "prod" type: "Eltwise" bottom: "scale" bottom: "x" top: "prod"
  eltwise_param { operation: PROD stable_prod_grad: false } }
layer { name: "max" type: "Eltwise" bottom: "prod" bottom: "x" top: "max" eltwise_param { operation: MAX } }
layer { name: "cut" type: "Slice" bottom: "max" top: "a" top: "b" slice_param { axis: 3 slice_point: 6 } }
layer { name: "side" type: "Concat" bottom: "b" bottom: "a" top: "side" concat_param { axis: 3 } }
layer { name: "mvn" type: "MVN" bottom: "side" top: "mvn" }
""" + FC % "mvn" + """
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "y" top: "loss" }
layer { name: "hinge" type: "HingeLoss" bottom: "fc" bottom: "y" top: "hinge" hinge_loss_param { norm: L2 } }
layer { name: "acc" type: "Accuracy" bottom: "fc" bottom: "y" top: "acc" }"""
RECURRENT = """layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 3 dim: 2 dim: 4 } } }
layer { name: "c" type: "Input" top: "c" input_param { shape { dim: 3 dim: 2 } } }
layer { name: "lstm" type: "LSTM" bottom: "x" bottom: "c" top: "h"
  recurrent_param { num_output: 3 weight_filler { type: "xavier" } } }"""


all_nets = pytest.mark.parametrize("text", [PAPER, POOLS, LOSSES, RECURRENT],
                                   ids=["paper", "pools", "losses", "recurrent"])


def run(module, call, given):
    """(outputs, gradients of a sum of squares by the parameters and x) of a module or its compiled form."""
    given = {**given, "x": given["x"].clone().requires_grad_()}
    outputs = call(**given)
    total = sum(value.square().sum() for value in outputs.values() if value.requires_grad)
    wanted = [given["x"], *module.parameters()]                  # statistics that a batch replaces have none
    return outputs, torch.autograd.grad(total, wanted, allow_unused=True, materialize_grads=True)


def make(text):
    """(module, inputs) with every parameter learning; y are labels, c says where sequences go on."""
    caffe.set_random_seed(0)
    module = caffe.to_torch(text).requires_grad_()
    shapes = {module.graph.blob_names[i]: module.graph.blob_shapes[i] for i in module.graph.inputs}
    given = {name: torch.randn(shape) for name, shape in shapes.items()}
    fixed = {"y": torch.tensor([1.0, 4]), "c": torch.tensor([[0.0, 0], [1, 1], [1, 0]])}
    return module, {name: fixed.get(name, x) for name, x in given.items()}


def check(text, backend):
    torch._dynamo.reset()
    torch.manual_seed(0)
    module, given = make(text)
    compiled = torch.compile(module, backend=backend, fullgraph=True)     # a break of the graph is an error
    torch.testing.assert_close(run(module, compiled, given), run(module, module, given), rtol=1e-4, atol=1e-5)


@all_nets
@pytest.mark.slow
def test_one_graph(text):
    check(text, "aot_eager")                                     # traces forward and backward, makes no machine code


@pytest.mark.skipif(not shutil.which(os.environ.get("CXX", "g++")), reason="torch.compile needs a C++ compiler (g++)")
@pytest.mark.process
@pytest.mark.slow
def test_machine_code(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    small = {"cpp.simdlen": 1, "cpp_cache_precompile_headers": False, "compile_threads": 1}      # the quickest to build
    with torch._inductor.config.patch(small):
        check(PAPER.partition('layer { name: "gain"')[0], "inductor")


@all_nets
def test_gradients_are_those_of_differences(text):
    torch.manual_seed(0)
    module, given = make(text)
    module.double()
    given = {name: x.double() for name, x in given.items()}
    x = given.pop("x").requires_grad_()

    def outputs(x, *parameters):                                 # the parameters are changed where they stand
        return tuple(value for value in module(x=x, **given).values() if value.requires_grad)

    assert torch.autograd.gradcheck(outputs, (x, *module.parameters()), fast_mode=True)


@pytest.mark.slow
def test_dropout_while_training():
    module = caffe.to_torch(PAPER.partition('layer { name: "fc"')[0], phase=caffe.TRAIN)
    x = torch.randn(2, 2, 11, 13)
    found = []
    for call in (module, torch.compile(module, backend="eager")):         # drawn by Caffe's generator: breaks the graph
        caffe.set_random_seed(5)
        found.append(call(x=x)["gain"].detach())
    assert (found[0] == 0).float().mean() > 0.2
    torch.testing.assert_close(*found)


def test_half_precision_and_autocast():
    module = caffe.to_torch(PAPER)
    x = torch.randn(2, 2, 11, 13)
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        found = module(x=x)["fc"].float()
    torch.testing.assert_close(found, module(x=x)["fc"].detach(), rtol=0.1, atol=0.1)
