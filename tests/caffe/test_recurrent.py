"""LSTM and RNN against plain loops, and what Caffe keeps from one forward to the next."""
import numpy as np
import pytest

import deeplandmark.caffe as caffe


def net(kind, steps=3, streams=2, extra="", bottoms="", tops="", inputs="", size=3):
    return caffe.Net(f"""force_backward: true
        layer {{ name: "i" type: "Input" top: "x" top: "cont" input_param {{
            shape {{ dim: {steps} dim: {streams} dim: 2 dim: 2 }} shape {{ dim: {steps} dim: {streams} }} }} }}
        {inputs}
        layer {{ name: "r" type: "{kind}" bottom: "x" bottom: "cont" {bottoms} top: "h" {tops}
            recurrent_param {{ num_output: {size} weight_filler {{ type: "uniform" min: -1 max: 1 }}
                               bias_filler {{ type: "uniform" min: -1 max: 1 }} {extra} }} }}""", caffe.TRAIN, seed=0)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm_by_hand(x, cont, weights, h, c):
    w_x, b, w_h = weights
    tops = []
    for t in range(len(x)):
        gates = x[t].reshape(len(x[t]), -1) @ w_x.T + b + (h * cont[t][:, None]) @ w_h.T
        i, f, o, g = gates[:, :3], gates[:, 3:6], gates[:, 6:9], gates[:, 9:]
        c = cont[t][:, None] * sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        tops.append(h)
    return np.array(tops), h, c


def test_lstm_carries_its_state_where_cont_says_so():
    made = net("LSTM")
    rng = np.random.default_rng(0)
    weights = [blob.data.astype(np.float64) for blob in made.params["r"]]
    h = c = np.zeros((2, 3))
    for cont in ([[0, 0], [1, 1], [1, 1]], [[1, 0], [1, 1], [0.5, 1]], [[1, 1], [0, 1], [1, 1]]):
        x, cont = rng.normal(size=(3, 2, 2, 2)), np.array(cont)
        made.blobs["x"].data, made.blobs["cont"].data = x, cont
        top, h, c = lstm_by_hand(x, cont, weights, h, c)
        np.testing.assert_allclose(made.forward()["h"], top, rtol=1e-5, atol=1e-6)


def test_whole_graph_runs_carry_the_state_too():
    made, other = net("RNN"), net("RNN")
    for one in (made, other):
        one.blobs["x"].data = np.random.default_rng(0).normal(size=(3, 2, 2, 2))
        one.blobs["cont"].data[...] = 1
    for _ in range(3):
        out, _ = made.forward_loss()
        np.testing.assert_allclose(out["h"], other.forward()["h"], rtol=1e-6)
    made.graph.nodes[-1].layer.reset()
    assert not np.array_equal(made.forward()["h"], other.forward()["h"])


def test_exposed_state_goes_round():
    """Fed back, the exposed state gives what the hidden one gives."""
    states = """layer { name: "states" type: "Input" top: "h0" top: "c0"
                        input_param { shape { dim: 1 dim: 2 dim: 3 } } }"""
    exposed = net("LSTM", extra="expose_hidden: true", bottoms='bottom: "h0" bottom: "c0"', tops='top: "hT" top: "cT"',
                  inputs=states)
    hidden = net("LSTM")
    for one in (exposed, hidden):
        one.blobs["cont"].data[...] = 1
    for index in range(3):
        for one in (exposed, hidden):
            one.blobs["x"].data = np.random.default_rng(index).normal(size=(3, 2, 2, 2))
        out = exposed.forward()
        np.testing.assert_allclose(out["h"], hidden.forward()["h"], rtol=1e-6)
        exposed.blobs["h0"].data, exposed.blobs["c0"].data = out["hT"], out["cT"]
    exposed.blobs["h"].diff[...] = 1
    exposed.backward()
    assert exposed.blobs["x"].diff.any() and not exposed.blobs["h0"].diff.any()


def test_another_batch_starts_from_zeros():
    made = net("LSTM")
    made.blobs["cont"].data[...] = 1
    made.forward()
    made.blobs["x"].reshape(3, 5, 2, 2)
    made.blobs["cont"].reshape(3, 5)
    made.blobs["cont"].data[...] = 1
    first = made.forward()["h"].copy()
    made.graph.nodes[-1].layer.reset()
    np.testing.assert_array_equal(first, made.forward()["h"])


@pytest.mark.parametrize("kind, change, reason", [
    ("LSTM", {"size": 0}, "needs num_output"),
    ("LSTM", {"extra": "expose_hidden: true"}, "states, found 2 bottoms"),
    ("RNN", {"tops": 'top: "hT"'}, "has 1 tops"),
    ("RNN", {"bottoms": 'bottom: "s"', "inputs": 'layer { name: "s" type: "Input" top: "s" input_param { shape { '
             "dim: 3 dim: 2 } } }"}, "static input has shape")])
def test_refused(kind, change, reason):
    with pytest.raises(caffe.NetError, match=reason):
        net(kind, **change)


def test_the_number_of_steps_is_fixed():
    made = net("RNN")
    made.blobs["x"].reshape(4, 2, 2, 2)
    made.blobs["cont"].reshape(4, 2)
    with pytest.raises(caffe.NetError, match="number of steps cannot change"):
        made.forward()


def test_cont_gets_no_gradient():
    with pytest.raises(caffe.NetError, match="labels or indices"):
        made = net("RNN")
        made.graph.nodes[-1].bottom_needs[1] = True
        made.forward()
