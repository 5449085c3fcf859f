"""Pooling: maximum or average of windows (pooling_layer.cpp)."""
import torch
import torch.nn.functional as F

from deeplandmark.caffe.layers.base import Layer
from deeplandmark.caffe.layers.memory_format import channels_innermost
from deeplandmark.caffe.layers.registry import layer
from deeplandmark.caffe.limits import check_shape

_LOWEST = torch.finfo(torch.float32).min
_TINY = torch.finfo(torch.float32).tiny


def pooled_size(size, kernel, stride, pad, floor=False):
    """Number of windows (int) along one axis: rounded up, unlike torch's default, or with `floor` down.

    pooling_layer.cpp. With padding, a last window that would start beyond size + pad is dropped; without padding it
    stays, even when it is empty.
    """
    steps = size + 2 * pad - kernel
    pooled = (steps // stride if floor else -(-steps // stride)) + 1
    return pooled - 1 if pad and (pooled - 1) * stride >= size + pad else pooled


@layer("Pooling")
class Pooling(Layer):
    """MAX, AVE or STOCHASTIC over windows of (N, C, H, W) (pooling_layer.cpp).

    Tops (N, C, rows, columns), see `pooled_size`. MAX: of equal cells the first one in row-major order wins and gets
    the gradient; a second top is the winner's position h * W + w, as a float32. AVE: padding counts as zeros, what
    overhangs it does not count. STOCHASTIC, for values that are not negative, follows Caffe's GPU code
    (pooling_layer.cu; its CPU has none): in TRAIN one cell of each window, drawn in proportion to its value, in TEST
    the mean of the cells weighted by themselves, sum(x^2) / sum(x).

    pooling_param: pool, kernel_size, stride, pad (or each as _h and _w), global_pooling, round_mode, and the forks'
    word for it, ceil_mode (false: FLOOR, as in BVLC's pull request 3057 and the forks behind DenseNet and SENet).
    """
    exact_bottoms = 1
    min_tops, max_tops = 1, 2

    def create(self, bottom_shapes):
        p = self.param.pooling_param
        self.is_max, self.floor = p.pool == p.MAX, p.round_mode == p.FLOOR
        if p.HasField("ceil_mode"):
            if p.HasField("round_mode") and p.ceil_mode == self.floor:
                self.fail("round_mode and ceil_mode contradict each other: give one of them")
            self.floor = not p.ceil_mode
        self.is_stochastic = p.pool == p.STOCHASTIC
        self.max_tops = 2 if self.is_max else 1
        self._check_counts(len(bottom_shapes))
        self.global_pooling = p.global_pooling
        if p.global_pooling and (p.HasField("kernel_size") or p.HasField("kernel_h") or p.HasField("kernel_w")):
            self.fail("global_pooling takes its kernel from the bottom: take out kernel_size")
        self.kernel = None if p.global_pooling else self._pair("kernel_size", "kernel")
        self.stride, self.pad = self._pair("stride", "stride"), self._pair("pad", "pad")
        if self.global_pooling and (self.stride, self.pad) != ((1, 1), (0, 0)):
            self.fail("global_pooling goes with stride 1 and pad 0")
        if min(self.stride) < 1 or self.kernel and min(self.kernel) < 1:
            self.fail(f"kernel and stride must be at least 1, found {self.kernel} and {self.stride}")
        if self.kernel and any(pad >= kernel for pad, kernel in zip(self.pad, self.kernel)):
            self.fail(f"pad {self.pad} must be smaller than the kernel {self.kernel}")
        if self.is_stochastic and any(self.pad):
            self.fail(f"STOCHASTIC pooling takes no pad, found {self.pad}")

    def _pair(self, both, prefix):
        """(vertical, horizontal) setting, given as one number or as _h and _w."""
        p = self.param.pooling_param
        names = [f"{prefix}_h", f"{prefix}_w"]
        given = [p.HasField(name) for name in names]
        if any(given) and (p.HasField(both) or not all(given)):
            self.fail(f"give {both}, or both of {names[0]} and {names[1]}")
        return tuple(getattr(p, name) for name in names) if all(given) else (getattr(p, both),) * 2

    def reshape(self, bottom_shapes):
        shape = tuple(bottom_shapes[0])
        if len(shape) != 4:
            self.fail(f"takes a bottom of 4 axes, found shape {shape}")
        pooled = self._pooled(shape[2:])
        if min(pooled) < 1:
            self.fail(f"kernel {self.kernel} is larger than the bottom, shape {shape}, with pad {self.pad}")
        check_shape((*shape[:2], *(size + 2 * pad for size, pad in zip(shape[2:], self.pad))))
        return [(*shape[:2], *pooled)] * self.num_tops

    def _pooled(self, sizes):
        kernel = self.kernel or sizes
        return tuple(pooled_size(*settings, self.floor) for settings in zip(sizes, kernel, self.stride, self.pad))

    def forward(self, x):
        sizes = tuple(x.shape[2:])
        kernel, pooled = self.kernel or sizes, self._pooled(sizes)
        if not x.numel():
            return (x.new_zeros(*x.shape[:2], *pooled),) * self.num_tops
        # Windows that see a cell; those behind them, which stay when there is no pad, are added to the result.
        seen = [min(n, -(-(size + pad) // s)) for n, size, pad, s in zip(pooled, sizes, self.pad, self.stride)]
        behind = (0, pooled[1] - seen[1], 0, pooled[0] - seen[0])
        stride = tuple(s if n > 1 else 1 for s, n in zip(self.stride, seen))         # torch takes none above 2^31
        covers = [(n - 1) * s + k - pad for n, s, k, pad in zip(seen, stride, kernel, self.pad)]
        if self.is_max:
            x = channels_innermost(x)                            # several times faster on a CPU
        if covers != list(sizes) or self.pad != (0, 0):
            # Exactly the cells that the windows cover: filled where they overhang, cut where they end earlier.
            x = F.pad(x, (self.pad[1], covers[1] - sizes[1], self.pad[0], covers[0] - sizes[0]),
                      value=_LOWEST if self.is_max else 0.0)
        if self.is_stochastic:
            return _extended(self._stochastic(x, kernel, stride), behind, 0.0),
        if not self.is_max:
            total = F.avg_pool2d(x, kernel, stride, divisor_override=1)
            return self._average(_extended(total, behind, 0.0), kernel, pooled, sizes),
        if self.num_tops == 1:
            return _extended(F.max_pool2d(x, kernel, stride), behind, _LOWEST),
        top, index = F.max_pool2d(x, kernel, stride, return_indices=True)
        return _extended(top, behind, _LOWEST), _extended(self._mask(index, x.shape[3], sizes[1]), behind, -1.0)

    def _average(self, total, kernel, pooled, sizes):
        """Sums divided by the window cut to [-pad, size + pad): padding counts, overhang does not."""
        counts = []
        for n, k, stride, pad, size in zip(pooled, kernel, self.stride, self.pad, sizes):
            start = torch.arange(n, device=total.device) * stride - pad
            counts.append((start + k).clamp(max=size + pad) - start)
        return total / (counts[0][:, None] * counts[1][None, :]).to(total.dtype)

    def _stochastic(self, x, kernel, stride):
        """One cell of each window, or their weighted mean; cells beyond the bottom are 0 and never chosen."""
        cells = x.unfold(2, kernel[0], stride[0]).unfold(3, kernel[1], stride[1]).flatten(-2)
        if self.phase != 0:                                      # TEST
            return cells.square().sum(-1) / (cells.sum(-1) + _TINY)
        with torch.no_grad():
            sums = cells.cumsum(-1)
            # Drawn on the CPU so that one seed gives the same cells on every device; in (0, 1], as on Caffe's GPU.
            level = 1 - torch.rand(sums.shape[:-1], generator=self.context.own_generator)
            reached = sums >= level.to(x.device)[..., None] * sums[..., -1:]
            chosen = reached.to(torch.uint8).argmax(-1, keepdim=True)
        return cells.gather(-1, chosen).squeeze(-1)

    def _mask(self, index, padded_width, width):
        """Positions in the padded map as positions in the bottom."""
        row = index.div(padded_width, rounding_mode="floor") - self.pad[0]
        return (row * width + index % padded_width - self.pad[1]).to(torch.float32)


def _extended(top, behind, value):
    """A map with rows and columns added at its end; a position of -1 means that the window has no cell."""
    return F.pad(top, behind, value=value) if any(behind) else top
