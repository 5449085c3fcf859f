"""Differentiable operations on stacked maps, shape (G, H, C, W, N): G networks of one shape, batch innermost.

With the batch innermost every window of a map is a run of N contiguous numbers, and pooling needs no gather. Since C
lies behind H, s neighbouring rows of all maps are one matrix: windows are copied out for the s columns of a kernel
only, not for all s x s (im2col), and the gradients of rows that windows share are summed inside the products. The G
networks times p x q regions of a convolution are the batch of these products. That is what makes locally shared
convolutions cost no more than shared ones, and ten small networks little more than a few.
"""
import torch

aten = torch.ops.aten


class Convolution(torch.autograd.Function):
    """Locally shared convolution, stride 1, no padding (paper, section 4); p = q = 1 is the ordinary one.

    x (G, H, C, W, N), weight (G, p*q*n, C, s, s), bias (G, p*q*n) or None -> (G, H-s+1, n, W-s+1, N).

    Inside, B = G*p*q regions of dh x dw outputs: windows (B, dh, s*s*C, dw*N), y (B, dh, n, dw*N).
    """

    @staticmethod
    def forward(ctx, x, weight, bias, p, q):
        G, H, C, W, N = x.shape
        size = weight.shape[-1]
        B, n, dh, dw = G * p * q, weight.shape[1] // (p * q), (H - size + 1) // p, (W - size + 1) // q
        rows = _rows(x, size, p, q, dh, dw)
        windows = _windows(rows, size, dh)
        matrix = weight.reshape(B, n, C, size, size).permute(0, 1, 3, 4, 2).reshape(B, n, -1)
        matrices = matrix.unsqueeze(1).expand(-1, dh, -1, -1)
        biases = (x.new_zeros(B, n) if bias is None else bias).reshape(B, 1, n, 1).expand(-1, dh, -1, -1)
        y = x.new_empty(B, dh, n, dw * N)
        for at in _in_turn(B, dh):
            torch.baddbmm(biases[at], matrices[at], windows[at], out=y[at])
        ctx.save_for_backward(rows, matrix)
        ctx.sizes = x.shape, weight.shape, bias is not None, p, q, dh, dw
        return _join_regions(y.view(G, p, q, dh, n, dw, N))

    @staticmethod
    def backward(ctx, dy):
        rows, matrix = ctx.saved_tensors
        x_shape, weight_shape, has_bias, p, q, dh, dw = ctx.sizes
        size = weight_shape[-1]
        dy = _split_regions(dy, p, q, dh, dw)
        windows, dmatrix = _windows(rows, size, dh), torch.zeros_like(matrix)
        for h in range(dh):
            dmatrix.baddbmm_(dy[:, h], windows[:, h].transpose(1, 2))
        dweight = dmatrix.unflatten(2, (size, size, -1)).permute(0, 1, 4, 2, 3).reshape(weight_shape)
        dbias = dy.sum((1, 3)).view(x_shape[0], -1) if has_bias else None
        dx = None
        if ctx.needs_input_grad[0]:
            drows = torch.zeros_like(rows)
            dwindows = _windows(drows, size, dh)
            for h in range(dh):                                  # one after the other: windows share rows
                dwindows[:, h].baddbmm_(matrix.transpose(1, 2), dy[:, h])
            dx = _sum_rows(drows, x_shape, size, p, q, dh, dw)
        return dx, dweight, dbias, None, None


def _in_turn(regions, rows):
    """Indices that take (B, dh, ...) apart into batches of products: at the shorter of the two axes."""
    return range(regions) if regions < rows else [(slice(None), h) for h in range(rows)]


def _rows(x, size, p, q, dh, dw):
    """(G, H, C, W, N) -> (B, dh+s-1, s*C, dw*N): the rows of each region, s times, each time one column further."""
    G, H, C, W, N = x.shape
    g, h, c, w, b = x.stride()
    rows = dh + size - 1
    shifted = x.as_strided((G, p, q, rows, size, C, dw, N), (g, dh * h, dw * w, h, w, c, w, b))
    return shifted.clone(memory_format=torch.contiguous_format).view(G * p * q, rows, size * C, dw * N)


def _windows(rows, size, dh):
    """View (B, dh, s*s*C, dw*N) of (B, dh+s-1, s*C, dw*N): s rows from each on."""
    B, _, depth, length = rows.shape
    return rows.as_strided((B, dh, size * depth, length), rows.stride())


def _sum_rows(rows, x_shape, size, p, q, dh, dw):
    """The adjoint of `_rows`: each number added to where it was copied from."""
    G, N = x_shape[0], x_shape[-1]
    rows = rows.view(G, p, q, dh + size - 1, size, -1, dw, N)
    x = rows.new_zeros(x_shape)
    for u in range(p):
        for j in range(size):
            shifted = x[:, u * dh:(u + 1) * dh + size - 1, :, j:j + q * dw].unflatten(3, (q, dw))
            shifted += rows[:, u, :, :, j].permute(0, 2, 3, 1, 4, 5)
    return x


def _join_regions(y):
    """(G, p, q, dh, n, dw, N) -> (G, p*dh, n, q*dw, N)."""
    G, p, q, dh, n, dw, N = y.shape
    return y.permute(0, 1, 3, 4, 2, 5, 6).reshape(G, p * dh, n, q * dw, N)


def _split_regions(y, p, q, dh, dw):
    """The inverse of `_join_regions`, as (B, dh, n, dw*N)."""
    G, H, n, W, N = y.shape
    regions = y.reshape(G, p, dh, n, q, dw, N).permute(0, 1, 4, 2, 3, 5, 6)
    return regions.reshape(G * p * q, dh, n, dw * N)


class MaxPooling(torch.autograd.Function):
    """Max pooling of (G, H, C, W, N) over windows side by side, kernel = (height, width); of |x| with `absolute`.

    Of equal numbers the first in row-major order wins, as in Caffe. To torch this is a channels-last volume (H, C, W)
    whose "channels" are the N samples: the one layout in which its max pooling on the CPU is vectorised (ten times
    faster than on (N, C, H, W)).
    """

    @staticmethod
    def forward(ctx, x, kernel, ceil_mode, absolute):
        x = x.contiguous()
        window = (kernel[0], 1, kernel[1])
        ctx.settings, ctx.absolute = (window, window, (0, 0, 0), (1, 1, 1), ceil_mode), absolute
        y, places = aten.max_pool3d_with_indices(_as_volume(x.abs() if absolute else x), *ctx.settings)
        y = y.permute(0, 2, 3, 4, 1)
        ctx.save_for_backward(x, y, places)
        return y

    @staticmethod
    def backward(ctx, dy):
        x, y, places = ctx.saved_tensors
        if ctx.absolute:
            dy = aten.threshold_backward(dy, y, 0)               # where all are 0, |x| has no slope
        dx = aten.max_pool3d_with_indices_backward(_as_volume(dy.contiguous()), _as_volume(x), *ctx.settings, places)
        dx = dx.permute(0, 2, 3, 4, 1)
        if ctx.absolute:                                         # times the sign of x, in one pass: slope -1 below 0
            aten.leaky_relu_backward.grad_input(dx, x, -1, False, grad_input=dx)
        return dx, None, None, None


def _as_volume(x):
    """(G, H, C, W, N) -> torch's (G, N, H, C, W), a view."""
    return x.permute(0, 4, 1, 2, 3)


class Tanh(torch.autograd.Function):
    """tanh x = 2 sigmoid(2x) - 1 of any shape, float32 or bfloat16: on the CPU it takes half the time of torch.tanh."""

    @staticmethod
    def forward(ctx, x):
        # In bfloat16 the difference of numbers near 1/2 would leave little of a small x.
        y = (2 * x).sigmoid_().mul_(2).sub_(1) if x.dtype == torch.float32 else torch.tanh(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, dy):
        y, = ctx.saved_tensors
        return aten.tanh_backward(dy, y)


class SwapRows(torch.autograd.Function):
    """(G, H, C, W, N) -> (G, C, H, W, N) and back, its gradient, too, contiguous."""

    @staticmethod
    def forward(ctx, x):
        return x.transpose(1, 2).contiguous()

    @staticmethod
    def backward(ctx, dy):
        return dy.transpose(1, 2).contiguous()
