"""Layers of FlowNet's fork: against loops over cells, forward and backward, at the borders, as ONNX; and a net in the
shape of FlowNetC."""
import math

import numpy as np
import pytest

import deeplandmark.caffe as caffe
from tests.helpers.between_cells import held
from tests.helpers.layer_checks import check_layer, one_layer, worst_error
from tests.helpers.onnx_runs import check, net_text
from tests.helpers.resampled import resampled

SIZE, SMALL = (2, 3, 5, 7), (2, 2, 3, 4)


def values(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def correlation(settings, kind="Correlation"):
    return f'type: "{kind}" correlation_param {{ {settings} }}'


def correlated(a, b, pads, borders, moves, kernel, stride, subtract, top_diff=None):
    """The top, for a pad and a border of (rows, columns) and moves (down, across); for its diff those of a and b."""
    padding, before = ((0, 0), (0, 0), (pads[0], pads[0]), (pads[1], pads[1])), max(0, -min(m for _, m in moves))
    a = np.pad(a, padding)
    b = np.pad(np.pad(b, padding), ((0, 0), (0, 0), (0, 0), (before, 0)))     # columns before the padding are 0
    radius = (kernel - 1) // 2
    rows, columns = (math.ceil((size - 2 * (border + radius)) / stride) for size, border in zip(a.shape[2:], borders))
    top, share = np.zeros((len(a), len(moves), rows, columns)), 1 / (kernel ** 2 * a.shape[1])
    a_diff, b_diff = np.zeros_like(a), np.zeros_like(b)
    for n, c, y, x in np.ndindex(top.shape):
        for j, i in np.ndindex(kernel, kernel):
            row, column = y * stride + borders[0] + j, x * stride + borders[1] + i
            one = (n, slice(None), row, column)
            two = (n, slice(None), row + moves[c][0], column + moves[c][1] + before)
            top[n, c, y, x] += share * (np.abs(a[one] - b[two]) if subtract else a[one] * b[two]).sum()
            if top_diff is not None:
                diff, sign = share * top_diff[n, c, y, x], np.sign(a[one] - b[two])
                a_diff[one] += diff * (sign if subtract else b[two])
                b_diff[two] += diff * (-sign if subtract else a[one])
    if top_diff is None:
        return top
    whole = (slice(None), slice(None), slice(pads[0], a.shape[2] - pads[0]))
    return a_diff[(*whole, slice(pads[1], a.shape[3] - pads[1]))], b_diff[
        (*whole, slice(before + pads[1], b.shape[3] - pads[1]))]


@pytest.mark.parametrize("subtract", [False, True], ids=["multiply", "subtract"])
@pytest.mark.parametrize("pad, kernel, reach, stride, step", [
    (2, 1, 2, 1, 1), (4, 1, 4, 1, 2), (3, 3, 2, 1, 1), (3, 3, 3, 2, 2), (2, 1, 2, 3, 1), (0, 1, 1, 1, 1),
    (1, 3, 1, 1, 5)])
def test_correlation(pad, kernel, reach, stride, step, subtract, tmp_path):
    text = correlation(f"pad: {pad} kernel_size: {kernel} max_displacement: {reach} stride_1: {stride} "
                       f"stride_2: {step} {'correlation_type: SUBTRACT' if subtract else ''}")
    steps = [i * step for i in range(-(reach // step), reach // step + 1)]
    net = one_layer(text, [values(SIZE), values(SIZE, 1)])

    moves = [(down, across) for down in steps for across in steps]
    more = ((pad, pad), (reach, reach), moves, kernel, stride, subtract)
    check_layer(net, lambda a, b: correlated(a, b, *more), [0, 1],
                backward=lambda diff, a, b: correlated(a, b, *more, diff))
    check(net_text(text, SIZE, SIZE), 3, tmp_path)


@pytest.mark.parametrize("subtract", [False, True], ids=["multiply", "subtract"])
@pytest.mark.parametrize("direction, moves", [(0, [-4, -2, 0, 2, 4]), (-1, [-6, -4, -2]), (1, [0, 2, 4])])
@pytest.mark.parametrize("pad, kernel, stride", [(4, 1, 1), (5, 3, 2)])
def test_correlation_1d(direction, moves, pad, kernel, stride, subtract, tmp_path):
    text = correlation(f"pad: {pad} kernel_size: {kernel} max_displacement: 4 stride_1: {stride} stride_2: 2 "
                       f"single_direction: {direction} {'correlation_type: SUBTRACT' if subtract else ''}",
                       "Correlation1D")
    net = one_layer(text, [values(SIZE), values(SIZE, 1)])

    more = ((0, pad), (0, 4), [(0, move) for move in moves], kernel, stride, subtract)
    check_layer(net, lambda a, b: correlated(a, b, *more), [0, 1],
                backward=lambda diff, a, b: correlated(a, b, *more, diff))
    check(net_text(text, SIZE, SIZE), 3, tmp_path)


def warped(x, flow):
    top = np.zeros_like(x)
    for n, r, c in np.ndindex(len(x), *x.shape[2:]):
        top[n, :, r, c] = held(x[n], r + flow[n, 1, r, c], c + flow[n, 0, r, c])
    return top


@pytest.mark.parametrize("spread", [0.4, 1.7, 6.0])
def test_flow_warp(spread, tmp_path):
    flow = (spread * values(SMALL, 4)).astype(np.float32)
    flow[0, 0, :, 3], flow[0, 1, 2] = 0.4, 0.6                   # into what lies behind the last column and row
    flow[1, :, 0, 0] = -0.01
    check_layer(one_layer('type: "FlowWarp"', [values(SMALL), flow]), warped, [0, 1])
    check(net_text('type: "FlowWarp"', SMALL, flow.shape), 2, tmp_path, x1=flow)


def test_flow_warp_fills_with_nan(tmp_path):
    text = 'type: "FlowWarp" flow_warp_param { fill_value: NOT_A_NUMBER }'
    flow = 2 * values((2, 2, 5, 7), 4)
    flow[0, 0, 0, 0] = np.nan
    y = one_layer(text, [values(SIZE), flow]).forward()["y"]
    r, c = flow[:, 1] + np.arange(5)[:, None], flow[:, 0] + np.arange(7)
    outside = ~((r >= 0) & (r < 5) & (c >= 0) & (c < 7))
    assert 10 < outside.sum() < 60
    np.testing.assert_array_equal(np.isnan(y), np.broadcast_to(outside[:, None], y.shape))
    plain = one_layer('type: "FlowWarp"', [values(SIZE), flow]).forward()["y"]
    np.testing.assert_array_equal(np.where(np.isnan(y), 0, y), plain)
    check(net_text(text, SIZE, flow.shape), 2, tmp_path, x1=flow)


def test_channel_norm(tmp_path):
    x = values(SIZE)
    x[0, :, 2, 3] = 0                                            # where the derivative has no number
    net = one_layer('type: "ChannelNorm"', [x])

    def backward(diff, x):
        return [diff * x / (np.sqrt((x ** 2).sum(1, keepdims=True)) + 1e-9)]
    check_layer(net, lambda x: np.sqrt((x ** 2).sum(1, keepdims=True)), [0], backward=backward)
    check(net_text('type: "ChannelNorm"', SIZE), 3, tmp_path)


@pytest.mark.parametrize("settings, numbers, sign, scales", [
    ("operation: ADD value: 3", [3], 1, (1, 1, 1)),
    ("operation: SUBTRACT value: 1 value: 2 value: 3", [1, 2, 3], -1, (1, 1, 1)),
    ("operation: SUBTRACT value: 1 value: 5 mean_scale: 3 input_scale: 0.5 output_scale: 4", [1, 5], -1, (3, 0.5, 4))])
def test_mean(settings, numbers, sign, scales, tmp_path):
    text, shape = f'type: "Mean" mean_param {{ {settings} }}', (2, 6, 3, 4)

    def reference(x):
        top = np.zeros_like(x)
        for n, c in np.ndindex(x.shape[:2]):
            top[n, c] = scales[2] * (scales[1] * x[n, c] + sign * scales[0] * numbers[c % len(numbers)])
        return top
    check_layer(one_layer(text, [values(shape)]), reference)
    check(net_text(text, shape), 3, tmp_path)
    net = one_layer(text, [values(shape), values((1, 6, 1, 1))], "y z")
    tops = net.forward()
    assert worst_error(tops["z"], reference(net.blobs["x1"].data.astype(np.float64))) < 1e-6


def test_mean_of_a_file(tmp_path):
    mean = values((1, 3, 4, 5), 8)
    blob = caffe.io.array_to_blobproto(mean)
    (tmp_path / "mean.binaryproto").write_bytes(blob.SerializeToString())
    text = f'type: "Mean" mean_param {{ operation: SUBTRACT file: "{tmp_path}/mean.binaryproto" mean_scale: 2 }}'
    check_layer(one_layer(text, [values((2, 6, 4, 5))]), lambda x: x - 2 * np.concatenate([mean, mean], 1))
    (tmp_path / "onnx").mkdir()
    check(net_text(text, (2, 6, 4, 5)), 3, tmp_path / "onnx")
    with pytest.raises(caffe.NetError, match=r"a mean of shape \(3, 4, 5\) does not fit"):
        one_layer(text, [values((2, 6, 4, 4))])


@pytest.mark.parametrize("text, shape", [
    ('type: "Resample" resample_param { height: 3 width: 3 }', SIZE),
    ('type: "Downsample" downsample_param { top_height: 3 top_width: 3 }', SIZE),
    ('type: "Mean" mean_param { operation: ADD value: 1 }', SIZE)])
def test_no_backward(text, shape):
    net = one_layer(text, [values(shape)])
    net.forward()
    net.blobs["y"].diff = 1
    with pytest.raises(caffe.NetError, match="has no backward"):
        net.backward()


def l1_loss(settings, difference):
    """(loss, its derivative in the difference), float64."""
    per_place, prescaled = "l2_per_location: true" in settings, "prescale" in settings
    plateau, known = (1.0 if "plateau" in settings else 0.0), ~np.isnan(difference)
    count = known.sum() / difference.shape[1] if "normalize" in settings else len(difference)
    d = np.where(known, difference, 0)
    if not per_place:
        kept = known & (np.abs(d) >= plateau)
        return np.abs(d)[kept].sum() / count, np.where(kept, np.where(d > 0, 1, -1), 0) / count
    share = difference.shape[1] if prescaled else 1
    squares = (d ** 2).sum(1, keepdims=True) / share
    kept = squares >= plateau ** 2
    roots = np.sqrt(np.where(kept, squares, 0) + (0.5 if "epsilon" in settings else 0.01))
    return roots.sum() / count, np.where(kept, d / share / roots, 0) / count


@pytest.mark.parametrize("settings", [
    "", "plateau: 1", "normalize_by_num_entries: true", "l2_per_location: true",
    "l2_per_location: true l2_prescale_by_channels: true epsilon: 0.5",
    "l2_per_location: true plateau: 1 normalize_by_num_entries: true"])
@pytest.mark.parametrize("bottoms", [1, 2])
def test_l1_loss(settings, bottoms):
    arrays = [values(SIZE), values(SIZE, 1)][:bottoms]
    arrays[-1][0, 1, 2, 3] = arrays[-1][1, :, 0, 0] = np.nan
    net = one_layer(f'type: "L1Loss" loss_weight: 3 l1_loss_param {{ {settings} }}', arrays)
    difference = arrays[0].astype(np.float64) - (arrays[1] if bottoms > 1 else 0)
    loss, diff = l1_loss(settings, difference)
    assert worst_error(net.forward()["y"], loss) < 1e-5
    net.backward()
    for i, sign in zip(range(bottoms), (3, -3)):
        assert worst_error(net.blobs[f"x{i}"].diff, sign * diff) < 1e-5


PLAIN = "kernel_size: 1 max_displacement: 2 pad: 2"


@pytest.mark.parametrize("text, shapes, message", [
    (correlation("kernel_size: 2 max_displacement: 2"), [SIZE, SIZE], "needs an odd kernel_size"),
    (correlation("kernel_size: 1"), [SIZE, SIZE], "needs an odd kernel_size"),
    (correlation(PLAIN + " stride_2: 0"), [SIZE, SIZE], "stride_1 and stride_2 must be at least 1"),
    (correlation("kernel_size: 1 max_displacement: 3"), [SIZE, SIZE], "do not fit into a bottom"),
    (correlation(PLAIN), [SIZE, (2, 3, 5, 6)], "two bottoms .* of one shape"),
    (correlation(PLAIN + " single_direction: 2", "Correlation1D"), [SIZE, SIZE], "must be -1, 0 or 1"),
    ('type: "FlowWarp"', [SIZE, (2, 3, 5, 7)], r"takes \(N, C, H, W\) and \(N, 2, H, W\)"),
    ('type: "ChannelNorm"', [(2, 3)], "4 axes"),
    ('type: "Mean" mean_param { value: 1 }', [SIZE], "needs an operation"),
    ('type: "Mean" mean_param { operation: ADD }', [SIZE], "needs an operation, and a file or value"),
    ('type: "Mean" mean_param { operation: ADD value: 1 value: 2 }', [SIZE], "does not fit"),
    ('type: "Mean" mean_param { operation: ADD file: "nowhere" }', [SIZE], "cannot read 'nowhere'"),
    ('type: "Resample" resample_param { type: AREA height: 2 width: 2 }', [SIZE], "AREA is not covered"),
    ('type: "Resample"', [SIZE], "cannot resize"),
    ('type: "Downsample" downsample_param { top_height: 1 top_width: 2 }', [SIZE], "has no corners"),
    ('type: "L1Loss"', [SIZE, (2, 3, 5, 6)], "of one shape"),
    ('type: "L1Loss" l1_loss_param { plateau: -1 }', [SIZE], "must not be negative")])
def test_what_is_refused(text, shapes, message):
    with pytest.raises(caffe.NetError, match=message):
        one_layer(text, [np.zeros(shape, np.float32) for shape in shapes])


def stage(name, kind, bottoms, settings):
    names = " ".join(f'bottom: "{bottom}"' for bottom in bottoms.split())
    return f'layer {{ name: "{name}" type: "{kind}" {names} top: "{name}" {settings} }}\n'


def convolution(name, bottom, settings, shared="", kind="Convolution"):
    param = f'param {{ name: "{shared}_w" }} param {{ name: "{shared}_b" }}' if shared else ""
    return stage(name, kind, bottom, f"""{param} convolution_param {{ {settings}
        weight_filler {{ type: "msra" }} bias_filler {{ type: "uniform" }} }}""")


def flow_net():
    """FlowNetC in small: pictures of 16 x 24, correlated at a quarter of that, a flow refined once, at full size."""
    slope = "relu_param { negative_slope: 0.1 }"
    text = "".join(f'layer {{ name: "img{i}" type: "Input" top: "img{i}" input_param {{ shape {{ dim: 1 dim: 3 dim: 16 '
                   'dim: 24 } } }\n' for i in (0, 1))
    for i, side in enumerate("ab"):
        text += stage(f"img{side}", "Mean", f"img{i}", "mean_param { operation: SUBTRACT value: 0.4 input_scale: 0.5 }")
        text += convolution(f"conv1{side}", f"img{side}", "num_output: 4 kernel_size: 5 stride: 2 pad: 2", "conv1")
        text += stage(f"relu1{side}", "ReLU", f"conv1{side}", slope)
        text += convolution(f"conv2{side}", f"relu1{side}", "num_output: 6 kernel_size: 3 stride: 2 pad: 1", "conv2")
    text += stage("corr", "Correlation", "conv2a conv2b", "correlation_param { pad: 4 kernel_size: 1 "
                  "max_displacement: 4 stride_1: 1 stride_2: 2 }")
    text += stage("corr_relu", "ReLU", "corr", slope)
    text += convolution("redir", "conv2a", "num_output: 3 kernel_size: 1")
    text += stage("both", "Concat", "redir corr_relu", "")
    text += convolution("conv3", "both", "num_output: 8 kernel_size: 3 pad: 1 stride: 2")
    text += convolution("flow3", "conv3", "num_output: 2 kernel_size: 3 pad: 1")
    text += convolution("up3", "flow3", "num_output: 2 kernel_size: 4 stride: 2 pad: 1", kind="Deconvolution")
    text += convolution("deconv2", "conv3", "num_output: 4 kernel_size: 4 stride: 2 pad: 1", kind="Deconvolution")
    text += stage("joined", "Concat", "conv2a deconv2 up3", "")
    text += convolution("flow2", "joined", "num_output: 2 kernel_size: 3 pad: 1")
    text += stage("scaled", "Eltwise", "flow2 up3", "eltwise_param { operation: SUM coeff: 20 coeff: 1 }")
    text += stage("flow", "Resample", "scaled img0", "resample_param { type: LINEAR antialias: true }")
    text += stage("warped", "FlowWarp", "img1 flow", "")
    text += stage("error", "Eltwise", "img0 warped", "eltwise_param { operation: SUM coeff: 1 coeff: -1 }")
    return text + stage("error_norm", "ChannelNorm", "error", "")


def test_a_net_in_the_shape_of_flow_net_c(tmp_path):
    net = caffe.Net(flow_net(), caffe.TEST, seed=2)
    for i in (0, 1):
        net.blobs[f"img{i}"].data = values((1, 3, 16, 24), i)
    top = net.forward()["error_norm"]
    assert net.blobs["corr"].data.shape == (1, 25, 4, 6) and top.shape == (1, 1, 16, 24)
    data = {name: net.blobs[name].data.astype(np.float64) for name in ("conv2a", "conv2b", "scaled", "img0", "img1")}
    moves = [(down, across) for down in range(-4, 5, 2) for across in range(-4, 5, 2)]
    assert worst_error(net.blobs["corr"].data, correlated(
        data["conv2a"], data["conv2b"], (4, 4), (4, 4), moves, 1, 1, False)) < 1e-5
    flow = resampled(data["scaled"], (16, 24), "LINEAR", True)
    assert worst_error(net.blobs["flow"].data, flow) < 1e-5
    difference = data["img0"] - warped(data["img1"], net.blobs["flow"].data.astype(np.float64))
    assert worst_error(top, np.sqrt((difference ** 2).sum(1, keepdims=True))) < 1e-5
    np.testing.assert_array_equal(net.params["conv1a"][0].data, net.params["conv1b"][0].data)
    check(flow_net(), 2, tmp_path)
