"""Parameter: a blob of learned values that other layers take as a bottom (parameter_layer.hpp)."""
from deeplandmark.caffe.fillers import constant
from deeplandmark.caffe.layers.base import Layer
from deeplandmark.caffe.layers.registry import layer


@layer("Parameter")
class Parameter(Layer):
    """The layer's blob, of the shape in parameter_param, as its top. It starts as zeros: Caffe has no filler here.

    parameter_layer.hpp. Diffs accumulate as those of any parameter do; in Caffe the next backward overwrites them, so
    that with iter_size above 1 only the last pass counts.
    """
    exact_bottoms, exact_tops = 0, 1

    def create(self, bottom_shapes):
        self.add_blob(tuple(self.param.parameter_param.shape.dim), constant(0.0))

    def reshape(self, bottom_shapes):
        return [tuple(self.blobs[0].shape)]

    def forward(self):
        blob = self.blobs[0]
        return blob.view_as(blob),
