"""SpatialTransformer: maps sampled on a grid that another part of the net turns, stretches and moves."""
import torch
import torch.nn.functional as F

from deeplandmark.caffe.layers.base import Layer
from deeplandmark.caffe.layers.bilinear import bilinear
from deeplandmark.caffe.layers.registry import layer

_NAMES = ("theta_1_1", "theta_1_2", "theta_1_3", "theta_2_1", "theta_2_2", "theta_2_3")


@layer("SpatialTransformer")
class SpatialTransformer(Layer):
    """Maps at the places of a grid under an affine transform, bilinear (st_layer.cu of daerduoCarey).

    daerduoCarey/SpatialTransformerLayer. Bottoms U (N, C, H, W) and theta, of each picture the numbers of the 2 x 3
    matrix row by row without those that st_param sets; top (N, C, output_H, output_W), H and W where not given. Row s
    and column t of the top stand for a = 2 s / output_H - 1 and b = 2 t / output_W - 1; the matrix makes (p, q) of
    (a, b, 1), which is row (p + 1) / 2 * H and column (q + 1) / 2 * W of U. Rows come first, and cells outside are 0.

    st_param: output_H, output_W, theta_1_1 to theta_2_3, to_compute_dU: without it U gets zeros as its gradient;
    transform_type and sampler_type: affine and bilinear alone.
    """
    exact_bottoms, exact_tops = 2, 1

    def create(self, bottom_shapes):
        p = self.param.st_param
        if p.transform_type != "affine" or p.sampler_type != "bilinear":
            self.fail("transform_type affine and sampler_type bilinear are covered, found "
                      f"{p.transform_type!r} and {p.sampler_type!r}")
        self.preset = [getattr(p, name) if p.HasField(name) else None for name in _NAMES]

    def reshape(self, bottom_shapes):
        (shape, theta), p = map(tuple, bottom_shapes), self.param.st_param
        if len(shape) != 4 or not theta or theta[0] != shape[0]:
            self.fail(f"takes (N, C, H, W) and the numbers of N transforms, found shapes {shape} and {theta}")
        wanted, count = self.preset.count(None), 1
        for size in theta[1:]:
            count *= size
        if count != wanted:
            self.fail(f"needs {wanted} numbers of each transform, found a bottom of shape {theta}")
        size = (p.output_H if p.HasField("output_H") else shape[2], p.output_W if p.HasField("output_W") else shape[3])
        if min(size) < 1:
            self.fail(f"output_H and output_W must be at least 1, found {size}")
        return [(*shape[:2], *size)]

    def forward(self, x, theta):
        top = self.reshape([x.shape, theta.shape])[0]
        if not self.param.st_param.to_compute_dU:
            x = x.detach() + 0 * x                               # a gradient of zeros, not none
        places = self.matrices(theta) @ self.grid(*top[2:]).to(x)
        rows, columns = ((places[:, i] + 1) / 2 * size for i, size in enumerate(x.shape[2:]))
        return bilinear(F.pad(x, (1, 1, 1, 1)), rows + 1, columns + 1).reshape(top),

    def matrices(self, theta):
        """(N, 2, 3), with the numbers that st_param sets."""
        given = iter(theta.reshape(len(theta), -1).unbind(1))
        return torch.stack([next(given) if value is None else theta.new_full((len(theta),), value)
                            for value in self.preset], 1).reshape(-1, 2, 3)

    def grid(self, rows, columns):
        """(a, b, 1) of each place of the top, row after row: float32 (3, rows * columns)."""
        a, b = (torch.arange(n, dtype=torch.float64) / n * 2 - 1 for n in (rows, columns))
        return torch.stack([a.repeat_interleave(columns), b.repeat(rows), torch.ones(rows * columns)]).float()
