"""The paper's own layers: weights, and gain and bias, shared only inside a region of the map.

Y. Sun, X. Wang, X. Tang, Deep Convolutional Network Cascade for Facial Point Detection, CVPR 2013, section 4:
the map is divided evenly into p rows x q columns of regions, numbered in row-major order.
"""
import torch
import torch.nn.functional as F

from deeplandmark.caffe.fillers import constant
from deeplandmark.caffe.layers.base import Layer
from deeplandmark.caffe.layers.memory_format import channels_innermost
from deeplandmark.caffe.layers.registry import layer


class LocallyShared(Layer):
    """Reads p and q of local_share_param, a NetError below 1: (N, C, H, W) in p rows x q columns of equal regions."""
    exact_bottoms = exact_tops = 1

    def read_regions(self):
        """Reads p and q; a NetError below 1."""
        self.p, self.q = self.param.local_share_param.p, self.param.local_share_param.q
        if self.p < 1 or self.q < 1:
            self.fail(f"local_share_param p and q must be at least 1, found {self.p} and {self.q}")

    def region_size(self, height, width):
        """(rows, columns) of one region of a map; a NetError where the map does not divide evenly."""
        if height < 1 or width < 1 or height % self.p or width % self.q:
            self.fail(f"a map of {height} x {width} does not divide evenly into {self.p} x {self.q} regions")
        return height // self.p, width // self.q


@layer("LocallySharedConvolution")
class LocallySharedConvolution(LocallyShared):
    """C(s,n,p,q): (N, m, H, W) -> (N, n, H-s+1, W-s+1), stride 1, no padding.

    y[t,i,j] = sum_r,k,l x[r,i+k,j+l] * W[r,k,l; u,v,t] + b[u,v,t] where (u,v) is the region of (i,j): the paper's
    section 4 without its tanh. Weights (p*q*n, m, s, s) and bias (p*q*n,), regions in row-major order; p = q = 1 is a
    Convolution.

    convolution_param: num_output (n), kernel_size (s), bias_term, fillers; whatever else would change the result is
    refused. local_share_param: p, q, both 1 by default. On a CPU training takes matrix products, in another order of
    summation.
    """

    def create(self, bottom_shapes):
        shape, p = bottom_shapes[0], self.param.convolution_param
        self.read_regions()
        kernel = list(p.kernel_size)
        if len(shape) != 4 or len(kernel) != 1 or kernel[0] < 1 or p.num_output < 1:
            self.fail("takes a bottom of 4 axes, one square kernel_size and num_output, "
                      f"found shape {shape}, kernel_size {kernel}, num_output {p.num_output}")
        known = {"num_output", "bias_term", "kernel_size", "weight_filler", "bias_filler", "engine"}
        plain = {"stride": [1], "pad": [0], "dilation": [1], "group": 1, "axis": 1}
        for field, value in p.ListFields():
            if field.name in known or (list(value) if field.is_repeated else value) == plain.get(field.name):
                continue
            self.fail(f"convolution_param {field.name} is not covered: stride 1, no padding, square kernel only")
        self.num_output, self.channels, self.kernel = p.num_output, shape[1], kernel[0]
        regions = self.p * self.q
        self.add_blob((regions * p.num_output, self.channels, self.kernel, self.kernel), p.weight_filler)
        if p.bias_term:
            self.add_blob((regions * p.num_output,), p.bias_filler)

    def reshape(self, bottom_shapes):
        shape = bottom_shapes[0]
        if len(shape) != 4 or shape[1] != self.channels:
            self.fail(f"its weights are for {self.channels} channels, found a bottom of shape {shape}")
        height, width = (size - self.kernel + 1 for size in shape[2:])
        if height < 1 or width < 1:
            self.fail(f"its kernel of {self.kernel} x {self.kernel} is larger than the map of {shape[2]} x {shape[3]}")
        self.region_size(height, width)
        return [(shape[0], self.num_output, height, width)]

    def forward(self, x):
        weight, bias = (*self.blobs, None)[:2]
        if self.p == self.q == 1:
            return F.conv2d(channels_innermost(x), weight, bias),
        # torch.compile would unroll the scattered sums of its backward into one enormous kernel.
        if torch.is_grad_enabled() and x.device.type == "cpu" and not torch.compiler.is_compiling():
            halo = self.kernel - 1
            size = self.region_size(x.shape[2] - halo, x.shape[3] - halo)
            return _RegionProducts.apply(x, weight, bias, (self.p, self.q), size),
        return self._join(F.conv2d(self._cut(x), weight, bias, groups=self.p * self.q)),

    def _cut(self, x):
        """(N, m, H, W) -> (N, p*q*m, rows + s - 1, columns + s - 1): regions with their halo, side by side."""
        halo = self.kernel - 1
        rows, columns = self.region_size(x.shape[2] - halo, x.shape[3] - halo)
        x = x.unfold(2, rows + halo, rows).unfold(3, columns + halo, columns)     # (N, m, p, q, ., .)
        regions = self.p * self.q * self.channels                   # said, not -1: there may be no samples at all
        return x.permute(0, 2, 3, 1, 4, 5).reshape(x.shape[0], regions, rows + halo, columns + halo)

    def _join(self, y):
        """(N, p*q*n, rows, columns) -> (N, n, p*rows, q*columns): regions back in their places."""
        n, _, rows, columns = y.shape
        y = y.reshape(n, self.p, self.q, self.num_output, rows, columns).permute(0, 3, 1, 4, 2, 5)
        return y.reshape(n, self.num_output, self.p * rows, self.q * columns)


class _RegionProducts(torch.autograd.Function):
    """The same convolution as one matrix product per region, for training on a CPU.

    torch's grouped convolution has a slow gradient there; with the windows laid out once, forward and backward are
    batched products of (regions, N * rows * columns, s * s * m) matrices.
    """

    @staticmethod
    def forward(ctx, x, weight, bias, regions, size):
        (p, q), (rows, columns) = regions, size
        n, m, s = x.shape[0], x.shape[1], weight.shape[2]
        windows = x.permute(0, 2, 3, 1).unfold(1, s, 1).unfold(2, s, 1)          # (N, H', W', m, s, s)
        windows = windows.reshape(n, p, rows, q, columns, m, s, s).permute(1, 3, 0, 2, 4, 6, 7, 5)
        windows = windows.reshape(p * q, n * rows * columns, s * s * m)
        kernels = weight.view(p * q, -1, m, s * s).transpose(2, 3).reshape(p * q, -1, s * s * m)
        y = torch.bmm(windows, kernels.transpose(1, 2))
        if bias is not None:
            y += bias.view(p * q, 1, -1)
        ctx.save_for_backward(windows, kernels)
        ctx.sizes = (x.shape, weight.shape, regions, size)
        y = y.view(p, q, n, rows, columns, -1).permute(2, 0, 3, 1, 4, 5)
        return y.reshape(n, p * rows, q * columns, -1).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx, top_diff):
        windows, kernels = ctx.saved_tensors
        x_shape, weight_shape, (p, q), (rows, columns) = ctx.sizes
        n, m, s = x_shape[0], x_shape[1], weight_shape[2]
        diff = top_diff.permute(0, 2, 3, 1).reshape(n, p, rows, q, columns, -1).permute(1, 3, 0, 2, 4, 5)
        diff = diff.reshape(p * q, n * rows * columns, -1)
        weight_diff = torch.bmm(diff.transpose(1, 2), windows)
        weight_diff = weight_diff.view(p * q, -1, s * s, m).transpose(2, 3).reshape(weight_shape)
        bias_diff = diff.sum(1).view(-1) if ctx.needs_input_grad[2] else None
        if not ctx.needs_input_grad[0]:
            return None, weight_diff, bias_diff, None, None
        window_diff = torch.bmm(diff, kernels).view(p, q, n, rows, columns, s, s, m).permute(5, 6, 2, 0, 3, 1, 4, 7)
        height, width = p * rows, q * columns
        x_diff = diff.new_zeros(n, x_shape[2], x_shape[3], m)
        for i in range(s):                                       # each place of the kernel saw a shifted bottom
            for j in range(s):
                shifted = window_diff[i, j].reshape(n, height, width, m)
                x_diff[:, i:i + height, j:j + width] += shifted
        return x_diff.permute(0, 3, 1, 2), weight_diff, bias_diff, None, None


@layer("LocallySharedScale")
class LocallySharedScale(LocallyShared):
    """y = gain * x + bias with one gain and bias for each map and region: (N, n, H, W) -> the same shape.

    The paper's pooling P ends with it, before tanh (section 4). Gain (p*q*n,), 1 unless scale_param has a filler, and
    bias (p*q*n,), 0 unless scale_param has a bias_filler; regions in row-major order, and inside a region the maps.
    scale_param axis and num_axes are refused.
    """

    def create(self, bottom_shapes):
        shape, p = bottom_shapes[0], self.param.scale_param
        self.read_regions()
        if len(shape) != 4:
            self.fail(f"takes a bottom of 4 axes, found shape {shape}")
        for name in ("axis", "num_axes"):
            if p.HasField(name):
                self.fail(f"scale_param {name} is not covered: gain and bias belong to maps and regions")
        self.channels = shape[1]
        count = self.p * self.q * self.channels
        self.add_blob((count,), p.filler if p.HasField("filler") else constant(1.0))
        self.add_blob((count,), p.bias_filler)

    def reshape(self, bottom_shapes):
        shape = bottom_shapes[0]
        if len(shape) != 4 or shape[1] != self.channels:
            self.fail(f"its gains are for {self.channels} maps, found a bottom of shape {shape}")
        self.region_size(*shape[2:])
        return [tuple(shape)]

    def forward(self, x):
        gain, bias = self.blobs
        if self.p == self.q == 1:
            return torch.addcmul(bias.view(-1, 1, 1), x, gain.view(-1, 1, 1)),
        n, channels, height, width = x.shape
        rows, columns = self.region_size(height, width)
        shape = (self.p, 1, self.q, 1, channels)
        gain, bias = (blob.view(shape).permute(4, 0, 1, 2, 3) for blob in (gain, bias))
        y = torch.addcmul(bias, x.reshape(n, channels, self.p, rows, self.q, columns), gain)
        return y.reshape(x.shape),
