"""to_onnx: what ONNX Runtime computes from every layer type against our own net."""
import numpy as np
import onnxruntime
import pytest

import deeplandmark.caffe as caffe
from tests.helpers.onnx_runs import CONV, check, net_text

RNG = np.random.default_rng
NOISE = 'filler { type: "gaussian" std: 1 }'
MAPS = (2, 4, 6, 5)


@pytest.mark.parametrize("batch", [1, 2, 5])
@pytest.mark.parametrize("definition, shape", [
    ('type: "ReLU"', MAPS), ('type: "ReLU" relu_param { negative_slope: 0.1 }', (2, 3)),
    ('type: "TanH"', MAPS), ('type: "Sigmoid"', MAPS), ('type: "AbsVal"', MAPS), ('type: "BNLL"', MAPS),
    ('type: "Power" power_param { power: 2 scale: 0.5 shift: 1 }', MAPS), ('type: "Power"', MAPS),
    ('type: "Power" power_param { power: 0 }', MAPS),
    ('type: "Power" power_param { power: 2 scale: 0 shift: 3 }', MAPS),
    ('type: "Power" power_param { power: 0.5 }', MAPS),                       # roots of negative values: no numbers
    ('type: "Dropout"', MAPS), ('type: "Noise" noise_param { gaussian_std: 1 }', MAPS),
    ('type: "PReLU"', MAPS), ('type: "PReLU" prelu_param { channel_shared: true }', (2, 3)),
    (f'type: "PReLU" prelu_param {{ {NOISE} }}', (2, 3)), (f'type: "PReLU" prelu_param {{ {NOISE} }}', MAPS),
    ('type: "ELU" elu_param { alpha: 0.3 }', MAPS), ('type: "ReLU6"', MAPS),
    ('type: "Clip" clip_param { min: -0.5 max: 0.7 }', MAPS), ('type: "Clip" clip_param { min: 2 max: 1 }', MAPS),
    ('type: "Swish"', MAPS), ('type: "Swish" swish_param { beta: -0.7 }', MAPS),
    ('type: "Exp"', MAPS), ('type: "Exp" exp_param { base: 2 scale: 0.5 shift: 1 }', MAPS),
    ('type: "Log"', MAPS), ('type: "Log" log_param { base: 10 scale: 2 shift: 9 }', MAPS),
    ('type: "Threshold" threshold_param { threshold: 0.4 }', MAPS),
    ('type: "Softmax"', (2, 5)), ('type: "Softmax" softmax_param { axis: -1 }', MAPS), ('type: "Split"', MAPS),
])
def test_neurons(definition, shape, batch, tmp_path):
    check(net_text(definition, shape), batch, tmp_path)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("definition, shape", [
    ("num_output: 6 kernel_size: 3 pad: 1 stride: 2", MAPS),
    ("num_output: 6 kernel_h: 2 kernel_w: 3 pad_h: 0 pad_w: 2 stride_h: 1 stride_w: 2", MAPS),
    ("num_output: 4 kernel_size: 2 group: 2 dilation: 2 bias_term: false", MAPS),
    ("num_output: 4 kernel_size: 3 pad: 1", (2, 3, 7)),                       # 1 spatial axis
    ("num_output: 4 kernel_size: 2 dilation: 2 stride: 1", (2, 3, 5, 4, 4)),  # 3
    ("num_output: 4 kernel_size: 2", (2, 3, 3, 4, 3, 3)),                     # 4
    ("num_output: 4 group: 2", (2, 6)),                                       # none
    ("num_output: 4 kernel_size: 2 axis: 2", (2, 3, 4, 5)),                   # leading axes
])
def test_convolution_and_deconvolution(definition, shape, batch, tmp_path):
    for type_name in ("Convolution", "Deconvolution"):
        check(net_text(f'type: "{type_name}" convolution_param {{ {definition} {CONV} }}', shape), batch, tmp_path)


@pytest.mark.parametrize("definition, shape", [
    (f'type: "DepthwiseConvolution" convolution_param {{ num_output: 8 group: 4 kernel_size: 3 {CONV} }}', MAPS),
    (f'type: "ConvolutionDepthwise" convolution_param {{ num_output: 1 kernel_size: 3 pad: 1 {CONV} }}', MAPS),
    ('type: "Im2col" convolution_param { kernel_size: 3 pad: 1 stride: 2 dilation: 1 }', MAPS),
    ('type: "Im2col" convolution_param { kernel_size: 2 axis: 2 }', MAPS),
    (f'type: "InnerProduct" inner_product_param {{ num_output: 3 {CONV} }}', MAPS),
    (f'type: "InnerProduct" inner_product_param {{ num_output: 3 axis: 2 transpose: true {CONV} }}', MAPS),
    (f'type: "InnerProduct" inner_product_param {{ num_output: 3 axis: -1 bias_term: false {CONV} }}', MAPS),
    (f'type: "LocallySharedConvolution" convolution_param {{ num_output: 3 kernel_size: 3 {CONV} }} '
     'local_share_param { p: 2 q: 3 }', (2, 4, 6, 8)),
    (f'type: "LocallySharedConvolution" convolution_param {{ num_output: 3 kernel_size: 2 bias_term: false {CONV} }} '
     'local_share_param { p: 1 q: 2 }', MAPS),
    (f'type: "LocallySharedConvolution" convolution_param {{ num_output: 3 kernel_size: 2 {CONV} }}', MAPS),
    (f'type: "LocallySharedScale" scale_param {{ {NOISE} bias_filler {{ type: "gaussian" }} }} '
     'local_share_param { p: 3 q: 5 }', MAPS),
    (f'type: "LocallySharedScale" scale_param {{ {NOISE} }}', MAPS),
])
def test_weights(definition, shape, tmp_path):
    check(net_text(definition, shape), 3, tmp_path)


@pytest.mark.parametrize("pool", ["MAX", "AVE", "STOCHASTIC"])
@pytest.mark.parametrize("settings", [
    "kernel_size: 2 stride: 2", "kernel_size: 3 stride: 2", "kernel_size: 3 stride: 2 pad: 1",
    "kernel_size: 3 stride: 3 pad: 2", "kernel_h: 2 kernel_w: 3 stride_h: 1 stride_w: 2 pad_h: 1 pad_w: 2",
    "kernel_size: 1 stride: 3",                                               # windows without a cell
    "kernel_size: 2 stride: 3 pad: 1", "kernel_size: 3 stride: 2 pad: 1 round_mode: FLOOR",
    "global_pooling: true"])
@pytest.mark.parametrize("shape", [(2, 3, 5, 5), (1, 2, 6, 7)])
def test_pooling(pool, settings, shape, tmp_path):
    if pool == "STOCHASTIC" and "pad" in settings:
        pytest.skip("takes no pad")
    check(net_text(f'type: "Pooling" pooling_param {{ pool: {pool} {settings} }}', shape), 2, tmp_path,
          x0=np.abs(RNG(1).standard_normal((2, *shape[1:])).astype(np.float32)) + 0.1 if pool == "STOCHASTIC" else
          RNG(1).integers(-4, 4, (2, *shape[1:])).astype(np.float32))         # with ties
    if pool == "MAX":
        check(net_text(f'type: "Pooling" pooling_param {{ pool: MAX {settings} }}', shape, tops="out mask"), 2,
              tmp_path, x0=RNG(1).integers(-4, 4, (2, *shape[1:])).astype(np.float32))


@pytest.mark.parametrize("definition, shape", [
    ('type: "SPP" spp_param { pyramid_height: 3 }', (2, 3, 9, 7)),
    ('type: "SPP" spp_param { pyramid_height: 1 pool: AVE }', (2, 3, 9, 7)),
    ('type: "LRN"', MAPS), ('type: "LRN" lrn_param { local_size: 3 alpha: 0.5 beta: 0.6 k: 2 }', MAPS),
    ('type: "LRN" lrn_param { local_size: 99 alpha: 0.5 }', MAPS),
    ('type: "LRN" lrn_param { local_size: 3 alpha: 0.5 norm_region: WITHIN_CHANNEL }', MAPS),
    ('type: "LRN" lrn_param { local_size: 15 alpha: 0.5 norm_region: WITHIN_CHANNEL }', MAPS),
    ('type: "MVN"', MAPS), ('type: "MVN" mvn_param { across_channels: true eps: 0.1 }', MAPS),
    ('type: "MVN" mvn_param { normalize_variance: false }', MAPS), ('type: "MVN" mvn_param { eps: 1 }', (2, 3)),
    ('type: "BatchNorm" batch_norm_param { use_global_stats: false }', MAPS),
    ('type: "BatchNorm"', MAPS),
])
def test_normalisation(definition, shape, tmp_path):
    check(net_text(definition, shape), 4, tmp_path)


def test_batch_norm_with_statistics(tmp_path):
    text = net_text('type: "BatchNorm" batch_norm_param { eps: 0.01 }', MAPS)
    net = caffe.Net(text, caffe.TEST)
    for blob, values in zip(net.params["op"], ([3, -2, 1, 0], [4, 1, 9, 2], [2])):
        blob.data = values
    session = onnxruntime.InferenceSession(caffe.to_onnx(text, net.to_proto()).SerializeToString())
    x = RNG(0).standard_normal(MAPS).astype(np.float32)
    np.testing.assert_allclose(session.run(None, {"x0": x})[0], net.forward(x0=x)["out"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("definition, shapes", [
    ('type: "Eltwise"', [MAPS] * 3), ('type: "Eltwise" eltwise_param { operation: PROD }', [MAPS] * 3),
    ('type: "Eltwise" eltwise_param { operation: MAX }', [MAPS] * 2),
    ('type: "Eltwise" eltwise_param { coeff: 1 coeff: -0.5 coeff: 2 }', [MAPS] * 3),
    (f'type: "Scale" scale_param {{ {NOISE} bias_term: true bias_filler {{ type: "uniform" }} }}', [MAPS]),
    (f'type: "Scale" scale_param {{ axis: 2 num_axes: 1 {NOISE} }}', [MAPS]),
    (f'type: "Scale" scale_param {{ num_axes: 0 {NOISE} }}', [MAPS]),
    ('type: "Scale" scale_param { axis: 0 }', [MAPS, (2, 4)]), ('type: "Scale"', [MAPS, (4, 6)]),
    ('type: "Scale" scale_param { axis: 1 bias_term: true bias_filler { value: 2 } }', [MAPS, (4,)]),
    (f'type: "Bias" bias_param {{ axis: 1 num_axes: -1 {NOISE} }}', [MAPS]),
    ('type: "Bias" bias_param { axis: 0 }', [MAPS, (2, 4, 6)]),
    ('type: "Concat"', [MAPS, (2, 2, 6, 5)]), ('type: "Concat" concat_param { axis: 0 }', [MAPS, MAPS]),
    ('type: "Flatten"', [MAPS]), ('type: "Flatten" flatten_param { axis: 0 end_axis: 1 }', [MAPS]),
    ('type: "Reshape" reshape_param { shape { dim: 0 dim: -1 dim: 3 } }', [MAPS]),
    ('type: "Reshape" reshape_param { shape { dim: 2 dim: 3 } axis: 2 num_axes: 1 }', [MAPS]),
    ('type: "Reshape" reshape_param { shape { dim: -1 dim: 10 } }', [MAPS]),
    ('type: "Crop" crop_param { axis: 2 offset: 1 offset: 2 }', [MAPS, (2, 1, 3, 3)]),
    ('type: "Crop" crop_param { axis: 0 }', [MAPS, (2, 3, 6, 2)]),
    ('type: "Tile" tile_param { tiles: 3 axis: 2 }', [MAPS]), ('type: "Tile" tile_param { tiles: 2 axis: 0 }', [MAPS]),
    ('type: "ArgMax"', [MAPS]), ('type: "ArgMax" argmax_param { top_k: 3 out_max_val: true }', [MAPS]),
    ('type: "ArgMax" argmax_param { top_k: 2 axis: 1 }', [MAPS]), ('type: "ArgMax" argmax_param { axis: 0 }', [MAPS]),
    ('type: "ArgMax" argmax_param { axis: -1 out_max_val: true }', [MAPS]), ('type: "ArgMax"', [(2, 7)]),
    *[(f'type: "Reduction" reduction_param {{ operation: {op} axis: {axis} coeff: {coeff} }}', [MAPS])
      for op, axis, coeff in (("SUM", 0, 1), ("SUM", 1, 0.5), ("ASUM", -2, 1), ("SUMSQ", 2, 2), ("MEAN", 1, 1))],
])
def test_operands_and_shapes(definition, shapes, tmp_path):
    check(net_text(definition, *shapes), 4, tmp_path)


@pytest.mark.parametrize("settings, tops", [
    ("axis: 1", "a b"), ("axis: 2 slice_point: 1 slice_point: 4", "a b c"), ("axis: 0", "a b"),
    ("axis: 0 slice_point: 1", "a b"), ("axis: 3", "a")])
def test_slice(settings, tops, tmp_path):
    check(net_text(f'type: "Slice" slice_param {{ {settings} }}', MAPS, tops=tops), 4, tmp_path)


def test_ties_of_argmax(tmp_path):
    for definition in ("top_k: 3", "axis: 1", "axis: 1 top_k: 4"):
        check(net_text(f'type: "ArgMax" argmax_param {{ {definition} }}', (2, 6)), 3, tmp_path,
              x0=np.array([[1, 2, 2, 1, 2, 0], [0] * 6, [3, 1, 3, 1, 3, 1]], np.float32))


@pytest.mark.parametrize("definition, shapes, index", [
    ('type: "BatchReindex"', [(5, 3), (4,)], [4, 0, 0, 2]),
    ('type: "Filter"', [(5, 3), (5, 1, 1)], [0, 1, -2, 0, 0.5]),
    (f'type: "Embed" embed_param {{ input_dim: 7 num_output: 3 {CONV} }}', [(5,)], [6, 0, 2, 1.9, 3]),
    ('type: "Embed" embed_param { input_dim: 7 num_output: 3 bias_term: false weight_filler { type: "uniform" } }',
     [(5,)], [6, 0, 2, 2, 3])])
def test_indices(definition, shapes, index, tmp_path):
    index = np.array(index, np.float32).reshape(shapes[-1])
    check(net_text(definition, *shapes), 5, tmp_path, **{f"x{len(shapes) - 1}": index})


@pytest.mark.parametrize("type_name, states", [("LSTM", 2), ("RNN", 1)])
@pytest.mark.parametrize("static", [False, True])
@pytest.mark.parametrize("exposed", [False, True])
def test_recurrent(type_name, states, static, exposed, tmp_path):
    shapes = [(3, 2, 2, 2), (3, 2), *([(2, 5)] if static else []), *([(1, 2, 4)] * states if exposed else [])]
    settings = f"num_output: 4 {CONV} expose_hidden: {str(exposed).lower()}"
    text = net_text(f'type: "{type_name}" recurrent_param {{ {settings} }}', *shapes,
                    tops="out h c"[:3 + 2 * states] if exposed else "out")
    cont = np.array([[0, 1, 0, 1], [1, 1, 0, 1], [1, 0, 1, 1]], np.float32)
    check(text, 4, tmp_path, x1=cont)


def test_lstm_unit(tmp_path):
    check(net_text('type: "LSTMUnit"', (1, 3, 2), (1, 3, 8), (1, 3), tops="c h"), 5, tmp_path,
          x2=np.array([[0, 1, 1, 0, 1]], np.float32))
