"""PointSIFT: SIFT descriptors of a picture at points that the net itself has found. deeplandmark's own layer."""
import math

import torch
import torch.nn.functional as F

from deeplandmark.caffe.layers.base import Layer
from deeplandmark.caffe.layers.registry import layer

CELLS, DIRECTIONS, HIGHEST = 4, 8, 0.2      # of a descriptor: cells a side, directions a cell, the most of a number
FLAT, LEAST = 1e-3, 0.1                     # below these lengths numbers are taken for rounding: they stay small


@layer("PointSIFT")
class PointSIFT(Layer):
    """A SIFT descriptor, 4 x 4 cells of 8 directions, at each point, upright and of one size.

    Bottoms: pictures (N, 1, H, W) and points (N, 2k), or (1, 2k) for the same in each picture, x1 y1 x2 y2 ... in units
    in which a picture lies at left .. bottom. Top: (N, 128 k), a point after the other, numbers in OpenCV's order: row,
    column, direction. point_sift_param: cell, the side of a cell in pixels; sigma, of the Gaussian that smooths the
    picture first (0: none); left, top, right, bottom.

    D. Lowe, *Distinctive Image Features from Scale-Invariant Keypoints*, IJCV 2004, section 6: gradients of the pixels
    around, weighted by a Gaussian of two cells, each shared out among the two nearest rows, columns and directions;
    the descriptor's length made 1, its numbers cut at 0.2, its length made 1 again. As cv2.SIFT's `compute` of
    keypoints of size cell / 1.5 and angle 0, without its rounding of places to pixels and of numbers to 1/512. No
    gradient.
    """
    exact_bottoms = 2
    exact_tops = 1

    def create(self, bottom_shapes):
        self.settings = p = self.param.point_sift_param
        if not (p.cell > 0 and p.sigma >= 0 and p.left < p.right and p.top < p.bottom):
            self.fail("point_sift_param needs a cell above 0, a sigma that is not negative, left < right and top < "
                      f"bottom, found {p.cell} {p.sigma} {p.left} {p.right} {p.top} {p.bottom}")

    def reshape(self, bottom_shapes):
        pictures, points = map(tuple, bottom_shapes)
        least = max(3, self.reach + 1)
        if len(pictures) != 4 or pictures[1] != 1 or min(pictures[2:]) < least:
            self.fail(f"takes pictures (N, 1, H, W) of at least {least} x {least}, found shape {pictures}")
        if len(points) != 2 or points[0] not in (1, pictures[0]) or points[1] % 2 or not points[1]:
            self.fail(f"takes points (N, 2k) or (1, 2k) of {pictures[0]} pictures, found shape {points}")
        return [(pictures[0], points[1] // 2 * CELLS * CELLS * DIRECTIONS)]

    @torch.no_grad()
    def forward(self, pictures, points):
        directions = self._directions(self._smooth(pictures))                    # (N, 8, H - 2, W - 2)
        n, _, rows, columns = directions.shape
        down, across = self._shares(points, pictures.shape[2:])                  # (N or 1, k, 4, H - 2 or W - 2)
        k = down.shape[1]
        found = down.flatten(1, 2) @ directions.transpose(1, 2).flatten(2)       # (N, 4 k, 8 (W - 2))
        found = found.view(n, k, CELLS * DIRECTIONS, columns) @ across.transpose(2, 3)
        found = found.view(n, k, CELLS, DIRECTIONS, CELLS).transpose(3, 4).flatten(2)
        found = found / (found.square().sum(2, keepdim=True) + FLAT ** 2).sqrt()
        found = found.clamp(max=HIGHEST)
        return (found / found.square().sum(2, keepdim=True).sqrt().clamp(min=LEAST)).flatten(1),

    @property
    def reach(self):
        """Pixels that the Gaussian sees to each side, as many as OpenCV's."""
        return round(8 * self.settings.sigma + 1) // 2

    def gaussian(self):
        """Its weights, float32 (2 reach + 1,)."""
        steps = torch.arange(-self.reach, self.reach + 1, dtype=torch.float64)
        weights = torch.exp(-(steps / self.settings.sigma).square() / 2) if self.settings.sigma else torch.ones(1)
        return (weights / weights.sum()).float()

    def to_pixels(self, size):
        """((scale, shift) of x, (scale, shift) of y): from the points' units to pixels of pictures of `size` (rows,
        columns), 0 the middle of the first."""
        p = self.settings
        scales = size[1] / (p.right - p.left), size[0] / (p.bottom - p.top)
        return tuple((scale, -start * scale - 0.5) for scale, start in zip(scales, (p.left, p.top)))

    def _smooth(self, pictures):
        if not self.reach:
            return pictures
        weights = self.gaussian().to(pictures).view(1, 1, 1, -1)
        padded = F.pad(pictures, (self.reach,) * 4, mode="reflect")
        return F.conv2d(F.conv2d(padded, weights), weights.transpose(2, 3))

    def _directions(self, pictures):
        """The length of each pixel's gradient, shared out among the two directions that it is nearest to."""
        dx = pictures[:, :, 1:-1, 2:] - pictures[:, :, 1:-1, :-2]
        dy = pictures[:, :, :-2, 1:-1] - pictures[:, :, 2:, 1:-1]                # upwards
        angle = torch.atan2(dy, dx) * (DIRECTIONS / (2 * math.pi))
        off = (angle - torch.arange(DIRECTIONS).to(angle).view(-1, 1, 1)).abs()
        return torch.hypot(dx, dy) * (1 - torch.minimum(off, (DIRECTIONS - off).abs())).clamp(min=0)

    def _shares(self, points, size):
        """How much each row and each column of the inner pixels counts in each cell of each point."""
        places = points.reshape(len(points), -1, 2)
        shares = []
        for axis, (scale, shift) in enumerate(self.to_pixels(size)):
            pixels = torch.arange(1, size[1 - axis] - 1).to(places)
            off = (pixels - (places[..., axis, None] * scale + shift)) / self.settings.cell      # in cells
            cells = off.unsqueeze(2) - (torch.arange(CELLS).to(off) - (CELLS - 1) / 2).unsqueeze(1)
            shares.append((1 - cells.abs()).clamp(min=0) * torch.exp(off.square() / -(CELLS * CELLS / 2)).unsqueeze(2))
        return shares[1], shares[0]
