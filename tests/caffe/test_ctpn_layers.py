"""CTPN's layers, Transpose, Reverse and Lstm, which is also that of caffe-lstm: against loops, forward and backward, in
both layouts, with its state, as ONNX; and the part of CTPN that reads a map from left to right and back."""
import numpy as np
import pytest

import deeplandmark.caffe as caffe
from tests.helpers.layer_checks import check_layer, one_layer, worst_error
from tests.helpers.onnx_runs import check, net_text

FILLED = 'weight_filler { type: "uniform" min: -1 max: 1 } bias_filler { type: "uniform" min: -1 max: 1 }'
T, N, VALUES, D = 4, 2, 3, 3
MAPS = (2, 4, 6, 4)


def definition(more=""):
    return f'type: "Lstm" lstm_param {{ num_output: {D} {FILLED} {more} }}'


def values(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def by_loops(net, x, cont=None, state=None):
    """(h (T, N, D), what backward needs, the last state) in float64; cont (T, N)."""
    w, w_h, b = (blob.data.astype(np.float64) for blob in net.params["op"])
    tops, kept = np.zeros((*x.shape[:2], D)), []
    h, c = state or (np.zeros((x.shape[1], D)), np.zeros((x.shape[1], D)))
    h, c = h.copy(), c.copy()
    for t in range(len(x)):
        for n in range(x.shape[1]):
            go = 1.0 if cont is None else float(cont[t][n] != 0)
            before_h, before_c = h[n] * go, c[n] * go
            gates = w @ x[t, n] + b + w_h @ before_h
            i, f, o = (sigmoid(gates[k * D:(k + 1) * D]) for k in range(3))
            g = np.tanh(gates[3 * D:])
            c[n] = f * before_c + i * g
            h[n] = o * np.tanh(c[n])
            tops[t, n] = h[n]
            kept.append((t, n, go, i, f, o, g, before_c, c[n].copy()))
    return tops, kept, (h, c)


def clipped_diff(net, top_diff, x, threshold):
    """The diff of x where the gates' is kept within +-threshold, one step after the other."""
    w, w_h, _ = (blob.data.astype(np.float64) for blob in net.params["op"])
    _, kept, _ = by_loops(net, x)
    diff, h_diff, c_diff = np.zeros_like(x), np.zeros((x.shape[1], D)), np.zeros((x.shape[1], D))
    for t, n, go, i, f, o, g, before_c, c in reversed(kept):
        dh = top_diff[t, n] + h_diff[n]
        dc = c_diff[n] + dh * o * (1 - np.tanh(c) ** 2)
        gates = np.concatenate([dc * g * i * (1 - i), dc * before_c * f * (1 - f), dh * np.tanh(c) * o * (1 - o),
                                dc * i * (1 - g ** 2)]).clip(-threshold, threshold)
        diff[t, n], h_diff[n], c_diff[n] = w.T @ gates, go * (w_h.T @ gates), go * dc * f
    return diff


@pytest.mark.parametrize("dim", [(2, 3, 1, 0), (0, 1, 2, 3), (3, 0, 2, 1)])
def test_transpose(dim, tmp_path):
    definition = f'type: "Transpose" transpose_param {{ {" ".join(f"dim: {axis}" for axis in dim)} }}'
    x = values(MAPS)
    net = one_layer(definition, [x])
    top = net.forward()["y"]
    for place in np.ndindex(x.shape):
        assert x[place] == top[tuple(place[axis] for axis in dim)]
    check_layer(net, lambda x: x.transpose(dim), [0], 1e-6)
    check(net_text(definition, MAPS), 2, tmp_path)


@pytest.mark.parametrize("axes, flipped", [("", 0), ("axis: 0", 0), ("axis: -1", 3), ("axis: 2 axis: 1", (1, 2))])
def test_reverse(axes, flipped, tmp_path):
    definition = f'type: "Reverse" reverse_param {{ {axes} }}'
    check_layer(one_layer(definition, [values(MAPS)]), lambda x: np.flip(x, flipped), [0], 1e-6)
    check(net_text(definition, MAPS), 3, tmp_path)


@pytest.mark.parametrize("flat", [False, True])
def test_both_layouts(flat, tmp_path):
    """(T, N, values) as CTPN's fork has it, (T * N, values) with batch_size as caffe-lstm; neither with a state."""
    x = values((T * N, VALUES) if flat else (T, N, VALUES))
    text = definition(f"batch_size: {N}" if flat else "")
    net = one_layer(text, [x])

    def reference(x):
        return by_loops(net, x.reshape(T, N, VALUES))[0].reshape(*x.shape[:-1], D)
    check_layer(net, reference, [0])
    np.testing.assert_array_equal(net.forward()["y"], net.forward()["y"])
    check(net_text(text, x.shape), 3 * N, tmp_path)


@pytest.mark.parametrize("threshold", [0.05, 0.3])
def test_the_gradient_of_the_gates_is_clipped(threshold):
    net = one_layer(definition(f"clipping_threshold: {threshold}"), [values((T, N, VALUES))])
    plain = one_layer(definition(), [values((T, N, VALUES))])
    check_layer(net, lambda x: by_loops(net, x)[0], [0],
                backward=lambda diff, x: [clipped_diff(net, diff, x, threshold)])
    check_layer(plain, lambda x: by_loops(plain, x)[0], [0],
                backward=lambda diff, x: [clipped_diff(plain, diff, x, np.inf)])
    assert np.abs(net.blobs["x0"].diff - plain.blobs["x0"].diff).max() > 0.01


def test_a_second_bottom_says_where_streams_begin():
    """Whatever is not 0 goes on; the state after the last step is there at the next forward."""
    net = one_layer(definition(), [values((T, N, VALUES)), np.ones(T * N, np.float32)])
    state = None
    for seed, cont in enumerate(([[0, 1], [1, 1], [1, 0], [2, 1]], [[1, 0], [1, 1], [0, 1], [1, 1]])):
        x = values((T, N, VALUES), seed)
        net.blobs["x0"].data, net.blobs["x1"].data = x, np.ravel(cont)
        tops, _, state = by_loops(net, x.astype(np.float64), cont, state)
        assert worst_error(net.forward()["y"], tops) < 1e-5
    with pytest.raises(caffe.NetError, match="cannot be exported to ONNX with a second bottom"):
        caffe.to_onnx(net_text(definition(), (T, N, VALUES), (T * N,)), net.to_proto(), batch_axes=())


def test_ctpn_reads_rows_from_left_to_right_and_back():
    """The layers between its im2col and its heads, in its order: the last step of one direction sees the whole row."""
    rows, columns, maps = 3, 5, VALUES
    net = caffe.Net(f"""
        layer {{ name: "im2col" type: "Input" top: "im2col" input_param {{
            shape {{ dim: 1 dim: {maps} dim: {rows} dim: {columns} }} }} }}
        layer {{ name: "turned" type: "Transpose" bottom: "im2col" top: "turned"
            transpose_param {{ dim: 3 dim: 2 dim: 0 dim: 1 }} }}
        layer {{ name: "lstm_input" type: "Reshape" bottom: "turned" top: "lstm_input"
            reshape_param {{ shape {{ dim: -1 }} axis: 1 num_axes: 2 }} }}
        layer {{ name: "lstm" type: "Lstm" bottom: "lstm_input" top: "lstm" lstm_param {{ num_output: {D} {FILLED} }} }}
        layer {{ name: "reverse1" type: "Reverse" bottom: "lstm_input" top: "rlstm_input" reverse_param {{ axis: 0 }} }}
        layer {{ name: "rlstm" type: "Lstm" bottom: "rlstm_input" top: "rlstm_out"
            lstm_param {{ num_output: {D} {FILLED} }} }}
        layer {{ name: "reverse2" type: "Reverse" bottom: "rlstm_out" top: "rlstm" reverse_param {{ axis: 0 }} }}
        layer {{ name: "merge" type: "Concat" bottom: "lstm" bottom: "rlstm" top: "merge" concat_param {{ axis: 2 }} }}
        layer {{ name: "apart" type: "Reshape" bottom: "merge" top: "apart"
            reshape_param {{ shape {{ dim: -1 dim: 1 }} axis: 1 num_axes: 1 }} }}
        layer {{ name: "output" type: "Transpose" bottom: "apart" top: "output"
            transpose_param {{ dim: 2 dim: 3 dim: 1 dim: 0 }} }}""", caffe.TEST, seed=1)
    x = values((1, maps, rows, columns))
    net.blobs["im2col"].data = x
    top = net.forward()["output"]
    assert top.shape == (1, 2 * D, rows, columns)
    net.params["op"] = net.params["lstm"]
    forth = by_loops(net, x[0].transpose(2, 1, 0).astype(np.float64))[0]
    net.params["op"] = net.params["rlstm"]
    back = by_loops(net, x[0].transpose(2, 1, 0)[::-1].astype(np.float64))[0][::-1]
    assert worst_error(top[0, :D], forth.transpose(2, 1, 0)) < 1e-5
    assert worst_error(top[0, D:], back.transpose(2, 1, 0)) < 1e-5


@pytest.mark.parametrize("text, shapes, message", [
    ('type: "Lstm" lstm_param { num_output: 0 }', [(T, N, VALUES)], "needs num_output"),
    (definition("batch_size: 3"), [(T, VALUES)], "batch_size 3"),
    ('type: "Transpose" transpose_param { dim: 1 dim: 0 }', [MAPS], "must name axes 0 to 3, each once"),
    ('type: "Reverse" reverse_param { axis: 4 }', [MAPS], "axis 4: the bottom has 4 axes"),
    ('type: "Reverse" reverse_param { axis: 1 axis: -3 }', [MAPS], "names an axis twice"),
    (definition(), [(T, N, VALUES), (T,)], "no value for each of 4 steps of 2 streams")])
def test_what_is_refused(text, shapes, message):
    with pytest.raises(caffe.NetError, match=message):
        one_layer(text, [np.zeros(shape, np.float32) for shape in shapes])
