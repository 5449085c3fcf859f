"""LSTM, RNN and LSTMUnit (layers/recurrent.py), one step behind the other; Lstm of forks (layers/fork_lstm.py). Each
begins from a state of zeros."""
import numpy as np

from deeplandmark.caffe.onnx.builder import Value
from deeplandmark.caffe.onnx.registry import exporter


@exporter("LSTM")
def lstm(b, layer, x, cont, *others):
    """T steps of gates (1, N, 4D) in the order i f o g, written out one behind the other."""
    def step(row, go_on, states, weights):
        h, c = states
        gates = b.node("Add", row, b.node("MatMul", b.node("Mul", h, go_on), weights[0]))
        c, h = _cell(b, c, gates, go_on)
        return h, (h, c)
    return _unroll(b, layer, x, cont, others, step)


@exporter("RNN")
def rnn(b, layer, x, cont, *others):
    """T steps of h (1, N, D), written out one behind the other."""
    bias = b.blob(layer, len(layer.blobs) - 1)

    def step(row, go_on, states, weights):
        carried = b.node("MatMul", b.node("Mul", states[0], go_on), weights[0])
        h = b.node("Tanh", b.node("Add", row, carried))
        return b.node("Tanh", b.node("Add", b.node("MatMul", h, weights[1]), bias)), (h,)
    return _unroll(b, layer, x, cont, others, step)


@exporter("LSTMUnit")
def lstm_unit(b, layer, c, gates, cont):
    """The next c and h (1, N, D) of c, gates (1, N, 4D) and cont (1, N)."""
    return _cell(b, c, gates, b.reshape(cont, (*cont.shape, 1)))


def _cell(b, c, gates, go_on):
    """The next c and h of gates i f o g; the forget gate is multiplied by cont."""
    i, f, o, g = b.node("Split", gates, outputs=4, axis=2)
    kept = b.node("Mul", b.node("Mul", b.node("Sigmoid", f), go_on), c)
    c = b.node("Add", kept, b.node("Mul", b.node("Sigmoid", i), b.node("Tanh", g)))
    return c, b.node("Mul", b.node("Sigmoid", o), b.node("Tanh", c))


def _unroll(b, layer, x, cont, others, step):
    """The tops: the steps' tops (T, N, D), and with expose_hidden the states (1, N, D) after the last."""
    inputs = int(np.prod(x.shape[2:]))
    first_state = 2 + layer.has_static
    rows = b.reshape(x, (*x.shape[:2], inputs))
    rows = b.node("Add", b.node("MatMul", rows, _turned(b, layer, 0)), b.blob(layer, 1))
    if layer.has_static:
        static = b.reshape(others[0], (others[0].shape[0], int(np.prod(others[0].shape[1:]))))
        rows = b.node("Add", rows, b.node("MatMul", static, _turned(b, layer, 2)))
    if layer.expose_hidden:
        states = others[layer.has_static:]
    else:
        states = [Value(b.constant(np.zeros((1, 1, layer.num_output))), ())] * len(layer.state_names)
    weights = [_turned(b, layer, i) for i in range(first_state, len(layer.blobs)) if layer.blobs[i].dim() == 2]
    rows, cont = (_steps(b, layer, value) for value in (rows, b.reshape(cont, (*cont.shape, 1))))
    tops = []
    for row, go_on in zip(rows, cont):
        top, states = step(row, go_on, states, weights)
        tops.append(top)
    whole = b.node("Concat", *tops, axis=0)
    return [whole, *states][:len(b.tops)]


def _steps(b, layer, value):
    """(T, N, ...) as T values (1, N, ...)."""
    return [value] if layer.steps == 1 else b.node("Split", value, outputs=layer.steps, axis=0)


def _turned(b, layer, index):
    """Weights (rows, columns) as (columns, rows)."""
    return b.constant(layer.blobs[index].detach().t().cpu().numpy())


@exporter("Lstm")
def fork_lstm(b, layer, x, cont=None):
    """ONNX's own LSTM, whose gates are in the order i o f g; a run begins from zeros."""
    if cont is not None:
        layer.fail("cannot be exported to ONNX with a second bottom: its state is kept from run to run")
    if len(x.shape) != 3:
        steps = None if x.shape[0] is None else x.shape[0] // layer.batch_size
        x = b.reshape(x, (steps, layer.batch_size, int(np.prod(x.shape[1:]))))
    weights, carried, bias = (blob.detach().cpu().numpy() for blob in layer.blobs)
    bias = np.concatenate([_as_onnx(bias), np.zeros_like(bias)])
    top = b.node("LSTM", x, *(b.constant(value[None]) for value in (_as_onnx(weights), _as_onnx(carried), bias)),
                 hidden_size=layer.num_output)
    return b.reshape(top, b.tops[0])


def _as_onnx(blob):
    i, f, o, g = np.split(blob, 4)
    return np.concatenate([i, o, f, g])
