"""Lstm of caffe-lstm (junhyukoh) and of CTPN's fork, which are no LSTM of BVLC's: other bottoms, blobs and states."""
import math

import torch
import torch.nn.functional as F

from deeplandmark.caffe.layers.base import Layer
from deeplandmark.caffe.layers.registry import layer


@layer("Lstm")
class Lstm(Layer):
    """T steps of N streams, (T, N, values) or (T * N, values ...), to D values each (lstm_layer.cpp of caffe-lstm).

    A bottom of three axes is read as CTPN's fork does (tianzhi0549), any other as caffe-lstm (junhyukoh), where
    batch_size is N. Without a second bottom every forward begins from zeros. With one, (T * N values), a stream goes on
    where it is not 0 and begins anew where it is, and the state after the last step is kept for the next forward.

    Blobs: W (4D, values), W_h (4D, D), b (4D,); gates i f o g. lstm_param: num_output (D), clipping_threshold (the
    gradient of the gates' inputs, unless it is 0), weight_filler, bias_filler, batch_size. Streams behind the first add
    their own W_h h: the forks' CPU code adds that of the first, their GPU code does not.
    """
    min_bottoms, max_bottoms = 1, 2
    exact_tops = 1
    no_gradient_bottoms = (1,)

    def create(self, bottom_shapes):
        p = self.param.lstm_param
        self.num_output = p.num_output
        if not self.num_output:
            self.fail("lstm_param needs num_output")
        self.batch_size, self.threshold = p.batch_size, p.clipping_threshold
        rows, (_, streams, values) = 4 * self.num_output, self._extents(bottom_shapes[0])
        self.add_blob((rows, values), p.weight_filler)
        self.add_blob((rows, self.num_output), p.weight_filler)
        self.add_blob((rows,), p.bias_filler)
        for name in ("h", "c"):
            self.register_buffer(f"state_{name}", torch.zeros(streams, self.num_output), persistent=False)

    def reshape(self, bottom_shapes):
        x = tuple(bottom_shapes[0])
        steps, streams, values = self._extents(x)
        columns = self.blobs[0].shape[1]
        if values != columns:
            self.fail(f"x has {values} values a step, the layer was made for {columns}")
        if len(bottom_shapes) > 1 and math.prod(bottom_shapes[1]) != steps * streams:
            self.fail(f"the second bottom, of shape {tuple(bottom_shapes[1])}, has no value for each of {steps} steps "
                      f"of {streams} streams")
        return [(*(x[:2] if len(x) == 3 else x[:1]), self.num_output)]

    def forward(self, x, cont=None):
        steps, streams, values = self._extents(x.shape)
        rows = F.linear(x.reshape(steps, streams, values), self.blobs[0], self.blobs[2])
        if cont is None:
            h = c = x.new_zeros(streams, self.num_output)
            goes_on = x.new_ones(steps, streams, 1)
        else:
            h, c = self._kept("h", streams), self._kept("c", streams)
            goes_on = (cont.detach().reshape(steps, streams, 1) != 0).to(x.dtype)
        tops = []
        for row, go_on in zip(rows, goes_on):
            h, c = self._step(row, h * go_on, c * go_on)
            tops.append(h)
        if cont is not None:
            self.state_h, self.state_c = h.detach(), c.detach()
        return torch.stack(tops).reshape(self.reshape([x.shape])[0]),

    def _step(self, row, h, c):
        gates = row + F.linear(h, self.blobs[1])
        if self.threshold > 0:
            gates = _Clipped.apply(gates, self.threshold)
        i, f, o, g = gates.chunk(4, -1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c

    def _extents(self, shape):
        """Steps, streams, values of a step."""
        shape = tuple(shape)
        if len(shape) == 3:
            return shape
        if len(shape) < 2 or not self.batch_size or shape[0] % self.batch_size:
            self.fail("takes x (steps, streams, values) or (steps * batch_size, values ...), found shape "
                      f"{shape} with batch_size {self.batch_size}")
        return shape[0] // self.batch_size, self.batch_size, math.prod(shape[1:])

    def _kept(self, name, streams):
        state = getattr(self, f"state_{name}")
        return state if len(state) == streams else state.new_zeros(streams, self.num_output)


class _Clipped(torch.autograd.Function):
    """x, whose gradient is kept within +-threshold."""

    @staticmethod
    def forward(ctx, x, threshold):
        ctx.threshold = threshold
        return x.view_as(x)

    @staticmethod
    def backward(ctx, diff):
        return diff.clamp(-ctx.threshold, ctx.threshold), None
