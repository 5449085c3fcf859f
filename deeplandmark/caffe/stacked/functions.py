"""Differentiable operations on stacked blobs, shape (G, C, H, W, N): G networks of one shape, batch innermost.

With the batch innermost every window of a map is a run of N contiguous numbers, so cutting windows (im2col) is a plain
copy, pooling needs no gather, and the G networks times p x q regions of a convolution become the batch of one matrix
product. That is what makes locally shared convolutions cost no more than shared ones, and ten small networks little
more than a few.
"""
import torch


class Convolution(torch.autograd.Function):
    """Locally shared convolution, stride 1, no padding (paper, section 4); p = q = 1 is the ordinary one.

    x (G, C, H, W, N), weight (G, p*q*n, C, s, s), bias (G, p*q*n) or None -> (G, n, H-s+1, W-s+1, N).
    """

    @staticmethod
    def forward(ctx, x, weight, bias, p, q):
        G, C, H, W, N = x.shape
        size = weight.shape[-1]
        n, dh, dw = weight.shape[1] // (p * q), (H - size + 1) // p, (W - size + 1) // q
        columns = _columns(x, size, p, q, dh, dw)
        matrix = weight.reshape(G * p * q, n, C * size * size)
        if bias is None:
            y = torch.bmm(matrix, columns)
        else:
            y = torch.baddbmm(bias.reshape(G * p * q, n, 1), matrix, columns)
        ctx.save_for_backward(columns, matrix)
        ctx.sizes = x.shape, weight.shape, bias is not None, p, q, dh, dw
        return _join_regions(y.view(G, p, q, n, dh, dw, N))

    @staticmethod
    def backward(ctx, dy):
        columns, matrix = ctx.saved_tensors
        x_shape, weight_shape, has_bias, p, q, dh, dw = ctx.sizes
        G, n = x_shape[0], matrix.shape[1]
        dy = _split_regions(dy, p, q).reshape(G * p * q, n, -1)
        dweight = torch.bmm(dy, columns.transpose(1, 2)).view(weight_shape)
        dbias = dy.sum(2).view(G, -1) if has_bias else None
        dx = None
        if ctx.needs_input_grad[0]:
            dx = _sum_columns(torch.bmm(matrix.transpose(1, 2), dy), x_shape, weight_shape[-1], p, q, dh, dw)
        return dx, dweight, dbias, None, None


def _columns(x, size, p, q, dh, dw):
    """im2col: (G, C, H, W, N) -> (G*p*q, C*s*s, dh*dw*N), the windows of each region."""
    G, C, H, W, N = x.shape
    g, c, h, w, b = x.stride()
    windows = x.as_strided((G, p, q, C, size, size, dh, dw, N), (g, dh * h, dw * w, c, h, w, h, w, b))
    return windows.reshape(G * p * q, C * size * size, dh * dw * N)


def _sum_columns(columns, x_shape, size, p, q, dh, dw):
    """The adjoint of `_columns`: each window's numbers added to where they were cut."""
    G, C, H, W, N = x_shape
    columns = columns.view(G, p, q, C, size, size, dh, dw, N)
    x = columns.new_zeros(x_shape)
    for i in range(size):
        for j in range(size):
            shifted = x[:, :, i:i + p * dh, j:j + q * dw].unflatten(3, (q, dw)).unflatten(2, (p, dh))
            shifted += columns[:, :, :, :, i, j].permute(0, 3, 1, 4, 2, 5, 6)
    return x


def _join_regions(y):
    """(G, p, q, n, dh, dw, N) -> (G, n, p*dh, q*dw, N)."""
    G, p, q, n, dh, dw, N = y.shape
    return y.permute(0, 3, 1, 4, 2, 5, 6).reshape(G, n, p * dh, q * dw, N)


def _split_regions(y, p, q):
    """The inverse of `_join_regions`."""
    G, n, H, W, N = y.shape
    return y.reshape(G, n, p, H // p, q, W // q, N).permute(0, 2, 4, 1, 3, 5, 6)


def max_pooling(x, kernel, stride, padding=0, ceil_mode=False):
    """Max pooling of (G, C, H, W, N); of equal numbers the first in row-major order wins, as in Caffe.

    To torch this is a channels-last picture whose "channels" are the N samples: the one layout in which its max pooling
    on the CPU is vectorised (ten times faster than on (N, C, H, W)).
    """
    G, C, H, W, N = x.shape
    maps = x.reshape(G * C, H, W, N).permute(0, 3, 1, 2)
    y = torch.nn.functional.max_pool2d(maps, kernel, stride, padding, ceil_mode=ceil_mode)
    return y.permute(0, 2, 3, 1).contiguous().view(G, C, y.shape[2], y.shape[3], N)
