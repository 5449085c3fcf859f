"""LSTM, RNN and LSTMUnit (recurrent_layer.cpp, lstm_layer.cpp, rnn_layer.cpp, lstm_unit_layer.cpp)."""
import math

import torch
import torch.nn.functional as F

from deeplandmark.caffe.layers.base import Layer
from deeplandmark.caffe.layers.registry import layer


class RecurrentLayer(Layer):
    """T steps of N independent streams: x (T, N, ...), cont (T, N), optional static input (N, ...) to h (T, N, D).

    The state of a stream is multiplied by cont before each step: 0 begins a sequence, 1 goes on. The state after the
    last step is kept for the next forward; with expose_hidden it comes from further bottoms (1, N, D) and goes to
    further tops instead. As in Caffe no gradient passes from one forward to the next, nor through exposed states. A
    batch of another N starts from a state of zeros (recurrent_layer.cpp).

    recurrent_param: num_output (D), weight_filler, bias_filler, expose_hidden. T cannot change after setup.
    """
    no_gradient_bottoms = (1,)
    state_names = ("h",)
    gates = 1                    # blocks of D rows in the weights from the input and from h

    def create(self, bottom_shapes):
        p = self.param.recurrent_param
        self.num_output, self.expose_hidden = p.num_output, p.expose_hidden
        if not self.num_output:
            self.fail("recurrent_param needs num_output")
        exposed = len(self.state_names) if self.expose_hidden else 0
        if len(bottom_shapes) - exposed not in (2, 3):
            self.fail(f"{self.param.type} takes x, cont, an optional static input and {exposed} states, "
                      f"found {len(bottom_shapes)} bottoms")
        if self.num_tops != 1 + exposed:
            self.fail(f"{self.param.type} has {1 + exposed} tops with this expose_hidden, found {self.num_tops}")
        self.has_static = len(bottom_shapes) - exposed == 3
        x = bottom_shapes[0]
        if len(x) < 3:
            self.fail(f"x needs at least 3 axes, (steps, streams, values ...), found shape {tuple(x)}")
        if self.has_static and len(bottom_shapes[2]) < 2:
            self.fail("the static input needs at least 2 axes, (streams, values ...), found shape "
                      f"{tuple(bottom_shapes[2])}")
        self.steps = x[0]
        self.add_weights(math.prod(x[2:]), math.prod(bottom_shapes[2][1:]) if self.has_static else 0)
        for name in self.state_names:
            self.register_buffer(f"state_{name}", torch.zeros(1, x[1], self.num_output), persistent=False)

    def add_weights(self, inputs, static_inputs):
        """Adds W_x (gates * D, inputs), its bias, W_static where there is a static input, W_h (gates * D, D)."""
        p, rows = self.param.recurrent_param, self.gates * self.num_output
        self.add_blob((rows, inputs), p.weight_filler)
        self.add_blob((rows,), p.bias_filler)
        if self.has_static:
            self.add_blob((rows, static_inputs), p.weight_filler)
        self.add_blob((rows, self.num_output), p.weight_filler)

    def reshape(self, bottom_shapes):
        x, cont = map(tuple, bottom_shapes[:2])
        if x[:1] != (self.steps,):
            self.fail(f"the number of steps cannot change: {self.steps} when the layer was made, now x {x}")
        if cont != x[:2]:
            self.fail(f"cont has shape {cont}, expected (steps, streams) = {x[:2]}")
        if self.has_static and tuple(bottom_shapes[2])[:1] != x[1:2]:
            self.fail(f"the static input has shape {tuple(bottom_shapes[2])} for {x[1]} streams")
        self._check_blob(0, math.prod(x[2:]), "x")
        if self.has_static:
            self._check_blob(2, math.prod(bottom_shapes[2][1:]), "the static input")
        state = (1, x[1], self.num_output)
        for shape in bottom_shapes[2 + self.has_static:]:
            if tuple(shape) != state:
                self.fail(f"an exposed state has shape {tuple(shape)}, expected {state}")
        return [(*x[:2], self.num_output)] + [state] * (self.num_tops - 1)

    def _check_blob(self, index, inputs, what):
        columns = self._parameters[str(index)].shape[1]
        if columns != inputs:
            self.fail(f"{what} has {inputs} values a step, the layer was made for {columns}")

    def forward(self, x, cont, *others):
        blobs = self.blobs
        rows = F.linear(x.flatten(2), blobs[0], blobs[1])
        if self.has_static:
            rows = rows + F.linear(others[0].flatten(1), blobs[2])
        if self.expose_hidden:
            states = [state[0].detach() for state in others[self.has_static:]]
        else:
            states = [self._stored(name, x.shape[1])[0] for name in self.state_names]
        tops, states = self.unroll(rows, cont.detach()[..., None], states, blobs[2 + self.has_static:])
        states = [state.detach()[None] for state in states]
        if self.expose_hidden:
            return torch.stack(tops), *states
        for name, state in zip(self.state_names, states):
            setattr(self, f"state_{name}", state)
        return torch.stack(tops),

    def reset(self):
        """Sets the state to zeros, as at the start of a net (RecurrentLayer::Reset)."""
        for name in self.state_names:
            getattr(self, f"state_{name}").zero_()

    def _stored(self, name, streams):
        state = getattr(self, f"state_{name}")
        return state if state.shape[1] == streams else state.new_zeros(1, streams, self.num_output)


@layer("LSTM")
class LSTM(RecurrentLayer):
    """Long short-term memory. Blobs: W_xc (4D, inputs), b_c (4D,), W_xc_static if any, W_hc (4D, D); gates i f o g.

    Bottoms and tops as of RecurrentLayer, the exposed states being h and c (lstm_layer.cpp). cont masks both h and c.
    """
    state_names = ("h", "c")
    gates = 4

    def unroll(self, rows, cont, states, weights):
        """Runs the steps one by one.

        Parameters
        ----------
        rows : tensor (T, N, 4D)
            What the input gives to the gates.
        cont : tensor (T, N, 1)
        states : h and c, tensors (N, D)
        weights : [W_hc]

        Returns
        -------
        list of T tensors h (N, D), and the last (h, c)
        """
        h, c = states
        tops = []
        for row, go_on in zip(rows, cont):
            c, h = _LSTMUnit.apply(c, row + F.linear(h * go_on, weights[0]), go_on)
            tops.append(h)
        return tops, (h, c)


@layer("RNN")
class RNN(RecurrentLayer):
    """h = tanh(W_hh h + W_xh x + b_h), top = tanh(W_ho h + b_o).

    Blobs: W_xh (D, inputs), b_h (D,), W_xh_static if any, W_hh (D, D), W_ho (D, D), b_o (D,). Bottoms and tops as of
    RecurrentLayer (rnn_layer.cpp); the exposed state is h.
    """

    def add_weights(self, inputs, static_inputs):
        """Adds those of RecurrentLayer, then W_ho (D, D) and b_o (D,)."""
        super().add_weights(inputs, static_inputs)
        self.add_blob((self.num_output, self.num_output), self.param.recurrent_param.weight_filler)
        self.add_blob((self.num_output,), self.param.recurrent_param.bias_filler)

    def unroll(self, rows, cont, states, weights):
        """As LSTM.unroll, for rows (T, N, D), states [h] and weights [W_hh, W_ho, b_o]."""
        h, tops = states[0], []
        for row, go_on in zip(rows, cont):
            h = torch.tanh(row + F.linear(h * go_on, weights[0]))
            tops.append(torch.tanh(F.linear(h, weights[1], weights[2])))
        return tops, (h,)


@layer("LSTMUnit")
class LSTMUnit(Layer):
    """One step of an LSTM: c (1, N, D), gates (1, N, 4D) in the order i f o g, cont (1, N) to c and h (1, N, D).

    lstm_unit_layer.cpp. cont gets no gradient; for a cont that is neither 0 nor 1, Caffe's gradient of the forget gate
    is taken, which is not that of autograd.
    """
    exact_bottoms = 3
    exact_tops = 2
    no_gradient_bottoms = (2,)

    def reshape(self, bottom_shapes):
        c, gates, cont = map(tuple, bottom_shapes)
        if len(c) != 3 or c[0] != 1 or gates != (1, c[1], 4 * c[2]) or cont != (1, c[1]):
            self.fail(f"takes c (1, N, D), gates (1, N, 4D) and cont (1, N), found shapes {c}, {gates} and {cont}")
        return [c, c]

    def forward(self, c, gates, cont):
        return _LSTMUnit.apply(c, gates, cont[..., None])


class _LSTMUnit(torch.autograd.Function):
    """c (..., D), gates (..., 4D) and cont (..., 1) to the next c and h.

    The forget gate is cont * sigmoid(f). Caffe differentiates it as if it were a sigmoid itself, which is the same
    for a cont of 0 or 1, and not what autograd gives for others.
    """

    @staticmethod
    def forward(ctx, c, gates, cont):
        i, f, o, g = gates.chunk(4, -1)
        i, o, g = torch.sigmoid(i), torch.sigmoid(o), torch.tanh(g)
        f = torch.sigmoid(f) * cont
        new = f * c + i * g
        tanh = torch.tanh(new)
        ctx.save_for_backward(c, i, f, o, g, tanh)
        return new, o * tanh

    @staticmethod
    def backward(ctx, c_diff, h_diff):
        c, i, f, o, g, tanh = ctx.saved_tensors
        c_diff = c_diff + h_diff * o * (1 - tanh * tanh)
        gates = torch.cat([c_diff * g * i * (1 - i), c_diff * c * f * (1 - f), h_diff * tanh * o * (1 - o),
                           c_diff * i * (1 - g * g)], -1)
        return c_diff * f, gates, None
