"""Layers that choose rows by number: BatchReindex, Filter, Embed."""
import torch
import torch.nn.functional as F

from deeplandmark.caffe.layers.base import Layer
from deeplandmark.caffe.layers.registry import layer


class IndexLayer(Layer):
    """A layer with a bottom of whole numbers, held as float32, which gets no gradient."""

    def indices(self, bottom, count):
        """A bottom as an int64 tensor, fractions cut off; a NetError outside 0..count - 1."""
        found = bottom.detach().long()
        # An exported graph cannot look at its values.
        if found.numel() and not torch.compiler.is_compiling():
            least, most = found.min().item(), found.max().item()
            if least < 0 or most >= count:
                self.fail(f"indices from {least} to {most}; expected 0 to {count - 1}")
        return found


@layer("BatchReindex")
class BatchReindex(IndexLayer):
    """Rows of bottom 0 in the order that bottom 1 (M,) gives: (N, ...) -> (M, ...); diffs of a row add up.

    batch_reindex_layer.cpp; a row may come several times or not at all.
    """
    exact_bottoms, exact_tops = 2, 1
    no_gradient_bottoms = (1,)

    def reshape(self, bottom_shapes):
        rows, index = map(tuple, bottom_shapes)
        if not rows or len(index) != 1:
            self.fail(f"takes rows and a list of indices with 1 axis, found shapes {rows} and {index}")
        return [(*index, *rows[1:])]

    def forward(self, x, index):
        return x.index_select(0, self.indices(index, len(x))),


@layer("Filter")
class Filter(Layer):
    """Rows of every bottom but the last where the last, the selector (N,) or (N, 1, ...), is not 0.

    filter_layer.cpp. Tops are as long as the selector only until the first forward: then as long as there are rows
    chosen, possibly 0. Rows that are not chosen get the gradient 0.
    """
    min_bottoms, min_tops = 2, 1

    def create(self, bottom_shapes):
        if self.num_tops != len(bottom_shapes) - 1:
            self.fail(f"takes a top for each bottom but the selector: {len(bottom_shapes) - 1}, "
                      f"found {self.num_tops}")
        self.no_gradient_bottoms = (len(bottom_shapes) - 1,)

    def reshape(self, bottom_shapes):
        *rows, selector = map(tuple, bottom_shapes)
        if not selector or any(size != 1 for size in selector[1:]):
            self.fail(f"all axes of the selector but the first must have size 1, found shape {selector}")
        if any(shape[:1] != selector[:1] for shape in rows):
            self.fail(f"bottoms and selector differ in their first dimension: shapes {rows} and {selector}")
        return rows

    def forward(self, *bottoms):
        *rows, selector = bottoms
        chosen = selector.detach().reshape(-1).nonzero().reshape(-1)
        return tuple(x.index_select(0, chosen) for x in rows)


@layer("Embed")
class Embed(IndexLayer):
    """Row `index` of a table for each index: (...) -> (..., num_output) (embed_layer.cpp).

    Weights (input_dim, num_output), bias (num_output,). embed_param: num_output, input_dim, bias_term, weight_filler,
    bias_filler. Backward reaches the blobs alone.
    """
    exact_bottoms = exact_tops = 1
    no_gradient_bottoms = (0,)

    def create(self, bottom_shapes):
        p = self.param.embed_param
        if p.num_output < 1 or p.input_dim < 1:
            self.fail("embed_param needs num_output and input_dim of at least 1, "
                      f"found {p.num_output} and {p.input_dim}")
        self.num_output, self.input_dim = p.num_output, p.input_dim
        self.add_blob((p.input_dim, p.num_output), p.weight_filler)
        if p.bias_term:
            self.add_blob((p.num_output,), p.bias_filler)

    def reshape(self, bottom_shapes):
        return [(*bottom_shapes[0], self.num_output)]

    def forward(self, index):
        weight, bias = (*self.blobs, None)[:2]
        y = F.embedding(self.indices(index, self.input_dim), weight)
        return (y if bias is None else y + bias),
