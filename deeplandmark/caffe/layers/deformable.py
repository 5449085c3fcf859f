"""DeformableConvolution: a convolution whose kernels look at places that another layer moves."""
import torch

from deeplandmark.caffe.layers.bilinear import bilinear
from deeplandmark.caffe.layers.convolution import Convolution, ConvolutionBase
from deeplandmark.caffe.layers.registry import layer
from deeplandmark.caffe.limits import check_shape
from deeplandmark.caffe.proto import caffe_pb2


@layer("DeformableConvolution")
class DeformableConvolution(ConvolutionBase):
    """A Convolution whose kernel's cells are moved for each window, as bottom 1 says (unsky/Deformable-ConvNets-caffe).

    deformable_conv_layer.cu. Bottoms (N, channels, H, W) and the moves (N, deformable_group * kernel cells * 2, rows,
    columns); top (N, num_output, rows, columns). Of each deformable group, an equal share of the channels, cell k moves
    down by map 2k and to the right by map 2k + 1, in cells; values between cells are bilinear, 0 outside. Blobs as of a
    Convolution.

    deformable_convolution_param: as convolution_param, and deformable_group; without it the number follows from
    bottom 1. group is 4 where it is not given, as the fork's published definitions have it; a later port
    (zhanglonghao1992) has 1, and its definitions need a `group: 1`. With several groups the fork adds the bias more
    than once to some outputs; here it is added once.
    """
    equal_bottoms_and_tops = False
    exact_bottoms, exact_tops = 2, 1
    weight_shape = Convolution.weight_shape

    @property
    def settings(self):
        """deformable_convolution_param as a ConvolutionParameter, which numbers its fields alike."""
        own = self.param.deformable_convolution_param
        found = caffe_pb2.ConvolutionParameter.FromString(own.SerializeToString())
        found.group = own.group                                  # the default is another one
        return found

    def create(self, bottom_shapes):
        super().create(bottom_shapes)
        if self.num_spatial != 2 or self.channel_axis != 1:
            self.fail(f"takes a bottom (N, channels, H, W), found shape {tuple(bottom_shapes[0])}")
        self.moves = 2 * self.kernel[0] * self.kernel[1]

    def reshape(self, bottom_shapes):
        (n, *_), sizes = self.check_bottoms(bottom_shapes[:1])
        counts = self.window_counts(sizes)
        self.refuse_empty(counts, bottom_shapes[0])
        offsets, p = tuple(bottom_shapes[1]), self.param.deformable_convolution_param
        groups = p.deformable_group if p.HasField("deformable_group") else \
            offsets[1] // self.moves if len(offsets) == 4 else 0
        if groups < 1 or self.channels % groups or offsets != (n, groups * self.moves, *counts):
            self.fail(f"needs {self.moves} moves of each deformable group, a divisor of {self.channels} channels, and "
                      f"{counts[0]} x {counts[1]} windows; found {groups} groups and a bottom of shape {offsets}")
        check_shape((n, self.channels, self.moves // 2, *counts))
        return [(n, self.num_output, *counts)]

    def forward(self, x, offsets):
        top = self.reshape([x.shape, offsets.shape])[0]
        weight, bias = (*self.blobs, None)[:2]
        n, groups = len(x), offsets.shape[1] // self.moves
        moves = offsets.reshape(n * groups, self.moves // 2, 2, *top[2:])
        rows, columns = ((moves[:, :, i] + self._places(i, top[2 + i]).to(x)).flatten(1) for i in (0, 1))
        cells = bilinear(x.reshape(n * groups, self.channels // groups, *x.shape[2:]), rows, columns)
        cells = cells.reshape(n, self.group, -1, top[2] * top[3])
        y = torch.matmul(weight.reshape(self.group, -1, cells.shape[2]), cells).reshape(top)
        return self.add_bias(y, bias),

    def _places(self, axis, count):
        """Where the kernel's cells stand unmoved: rows (cells, windows, 1); axis 1: columns (cells, 1, windows)."""
        cells = torch.arange(self.kernel[axis]) * self.dilation[axis]
        windows = torch.arange(count) * self.stride[axis] - self.pad[axis]
        if axis == 0:
            return (cells[:, None] + windows).repeat_interleave(self.kernel[1], 0)[:, :, None]
        return (cells[:, None] + windows).repeat(self.kernel[0], 1)[:, None]
