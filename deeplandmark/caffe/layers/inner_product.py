"""InnerProduct: fully connected (inner_product_layer.cpp)."""
import math

import torch
import torch.nn.functional as F

from deeplandmark.caffe.layers.base import Layer
from deeplandmark.caffe.layers.registry import layer


@layer("InnerProduct")
class InnerProduct(Layer):
    """(leading axes..., rest...) -> (leading axes..., num_output); the axes from `axis` on are flattened to K.

    x W^T + b (inner_product_layer.cpp). Weights (num_output, K), with `transpose` (K, num_output); bias (num_output,).
    inner_product_param: num_output, axis, bias_term, transpose, weight_filler, bias_filler. Another K than at setup is
    refused. With `normalize`, of happynear/caffe-windows, every forward scales the rows of the weights to length 1;
    their gradient is that of x W^T.
    """
    exact_bottoms = exact_tops = 1

    def create(self, bottom_shapes):
        p = self.param.inner_product_param
        if p.num_output < 1:
            self.fail("inner_product_param needs num_output")
        self.start = self.axis(p.axis, bottom_shapes[0])
        self.num_output, self.transpose, self.normalize = p.num_output, p.transpose, p.normalize
        self.forward_changes_blobs = self.normalize
        if self.normalize and self.transpose:
            self.fail("normalize is for weights that are not transposed")
        self.num_input = math.prod(bottom_shapes[0][self.start:])
        shape = (self.num_output, self.num_input)
        self.add_blob(shape[::-1] if self.transpose else shape, p.weight_filler)
        if p.bias_term:
            self.add_blob((self.num_output,), p.bias_filler)

    def reshape(self, bottom_shapes):
        shape = bottom_shapes[0]
        found = math.prod(shape[self.start:])
        if found != self.num_input:
            self.fail(f"its weights are for {self.num_input} inputs, found {found} in a bottom of shape {tuple(shape)}")
        return [(*shape[:self.start], self.num_output)]

    def weights(self):
        """(weights, bias or None), as the product takes them."""
        return (*self.blobs, None)[:2]

    def forward(self, x):
        weight, bias = self.weights()
        if self.normalize:
            with torch.no_grad():
                weight.copy_(unit_rows(weight))
        if x.dim() != self.start + 1:
            x = x.flatten(self.start)
        return F.linear(x, weight.t() if self.transpose else weight, bias),


def unit_rows(weight):
    """Rows (N, K) divided by their length, the root of the sum of squares plus 1e-12."""
    return weight / (weight.square().sum(1, keepdim=True) + 1e-12).sqrt()
