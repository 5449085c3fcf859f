"""HDF5PatchData: patches cut anew, at every batch, out of wider windows stored in HDF5. deeplandmark's own layer."""
import cv2
import numpy as np
import torch

from deeplandmark.caffe.layers.hdf5_data import HDF5Data
from deeplandmark.caffe.layers.registry import layer
from deeplandmark.work.patch_variance import FLAT

_CUBIC = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP       # linear interpolation would blur what the window has been through


@layer("HDF5PatchData")
class HDF5PatchData(HDF5Data):
    """Augmented patches and the landmarks in them; tops (N, channels, rows, columns) and (N, 2k).

    A row of the HDF5 files has the datasets
        window (channels, H, W) uint8, 1 or 3 channels: part of a picture on a grid finer than the patch's, each value
            already the mean over an area as large as a pixel of the patch - so that sampling it gives a patch without
            aliasing;
        extent (4,): left, top, right, bottom of the window in the units of the landmark;
        landmark (2k,): points x1 y1 x2 y2 ..., the middle of the undisturbed patch being near (0, 0);
        start (2,), only where start_share is set: another middle, in the same units.
    A patch is the rectangle left .. bottom of `hdf5_patch_data_param`, moved to a middle c, turned by an angle and
    enlarged by a factor; the landmark becomes what it is in the moved rectangle's own axes. c is `start` for
    start_share of the patches and uniform in +-shift for the others; angle and logarithm of the factor are uniform in
    +-rotation degrees and +-scale; with `zoom` the factor also grows with the angle, to 1 / zoom at the largest. Shift,
    angle and factor of hard_share of the patches reach `hard` times as far. Then light and blur change the patch,
    `noise` is added, normal with a deviation uniform in 0 .. noise, and of the share `occlusion` a rectangle of one
    colour covers up to half of each side. (x - mean) / sqrt(variance + FLAT) ends it, all channels together; or
    (x - mean) / deviation with the two numbers of `hdf5_patch_data_param`. What a patch sees beyond its window is the
    window's border, repeated.

    Units may differ between x and y only where pictures of one shape are meant: a turn is one of the units.
    """
    exact_tops = 2

    def create(self, bottom_shapes):
        self.settings = p = self.param.hdf5_patch_data_param
        if not (p.rows and p.columns and p.left < p.right and p.top < p.bottom):
            self.fail(f"hdf5_patch_data_param needs rows, columns, left < right and top < bottom, found {p.rows} "
                      f"{p.columns} {p.left} {p.right} {p.top} {p.bottom}")
        if min(p.rotation, p.scale, p.shift, p.light, p.noise, p.hard) < 0 or not 0 < p.zoom <= 1 or not all(
                0 <= share <= 1 for share in (p.start_share, p.blur, p.occlusion, p.hard_share)):
            self.fail("rotation, scale, shift, light, noise and hard must not be negative; start_share, blur, "
                      "occlusion and hard_share lie in 0 .. 1, zoom above 0 and up to 1")
        if p.HasField("mean") != p.HasField("deviation") or p.HasField("deviation") and not p.deviation > 0:
            self.fail("mean and deviation, above 0, belong together")
        self.names = ["window", "extent", "landmark"] + ["start"] * (p.start_share > 0)
        self.open_source("hdf5_patch_data_param", self.names)
        self._check(*self.rows.row_shapes)
        self.grid = _grid(p)

    def reshape(self, bottom_shapes):
        p = self.settings
        channels = self.rows.row_shapes[0][0]
        return [(self.batch_size, channels, p.rows, p.columns), (self.batch_size, *self.rows.row_shapes[2])]

    def forward(self):
        parts = zip(*self._next_rows())
        rows = dict(zip(self.names, (torch.cat(part).numpy() for part in parts)))
        draw = self._uniform(9, self.batch_of_all)[:, self.context.share.rows].numpy() * 2 - 1
        middle, turn = self._poses(draw, rows.get("start"))
        patches = self._finish(self._cut(rows["window"], rows["extent"], middle, turn), draw)
        points = rows["landmark"].reshape(self.batch_size, -1, 2) - middle[:, None]
        landmark = np.einsum("nij,nkj->nki", np.linalg.inv(turn), points).reshape(self.batch_size, -1)
        return self.to_place(patches), self.to_place(torch.from_numpy(landmark.astype(np.float32)))

    def _check(self, window, extent, landmark, start=(2,)):
        fits = len(window) == 3 and window[0] in (1, 3) and len(landmark) == 1 and landmark[0] % 2 == 0
        if not (fits and extent == (4,) and start == (2,)):
            self.fail("its files need rows window (1 or 3, H, W), extent (4), landmark (2k) and, with start_share, "
                      f"start (2); found {window} {extent} {landmark} {start}")

    def _poses(self, draw, start):
        """Middles (N, 2) and matrices (N, 2, 2) that take the patch's axes to the window's, in units."""
        p = self.settings
        reach = self._reach()
        middle = draw[:2].T * p.shift * reach[:, None]
        if start is not None:
            middle = np.where((draw[2] < 2 * p.start_share - 1)[:, None], start, middle)
        angle, factor = np.deg2rad(draw[3] * p.rotation) * reach, np.exp(draw[4] * p.scale * reach)
        if p.zoom < 1:
            factor = factor / (1 - (1 - p.zoom) * np.abs(draw[3]))
        cos, sin = np.cos(angle) * factor, np.sin(angle) * factor
        return middle, np.stack([cos, -sin, sin, cos], -1).reshape(-1, 2, 2)

    def _reach(self):
        """How many times as far as usual each pose is drawn, (N,)."""
        p = self.settings
        if not p.hard_share:
            return np.ones(self.batch_size)
        chosen = self._uniform(self.batch_of_all)[self.context.share.rows].numpy()
        return np.where(chosen < p.hard_share, p.hard, 1.0)

    def _cut(self, windows, extents, middle, turn):
        """Tensor (N, channels, rows, columns) float32, in the pictures' 0..255."""
        size = windows.shape[:1:-1] / (extents[:, 2:] - extents[:, :2])              # window pixels a unit: x, y
        linear = (turn @ self.grid[:, :2]) * size[:, :, None]
        offset = (np.einsum("nij,j->ni", turn, self.grid[:, 2]) + middle - extents[:, :2]) * size - 0.5
        matrices = np.concatenate([linear, offset[:, :, None]], 2).astype(np.float64)
        shape = (self.settings.columns, self.settings.rows)
        patches = np.empty((*windows.shape[:2], *shape[::-1]), np.uint8)
        for window, matrix, patch in zip(windows, matrices, patches):
            for channel, cut in zip(window, patch):
                cv2.warpAffine(channel, matrix, shape, cut, _CUBIC, cv2.BORDER_REPLICATE)
        return torch.from_numpy(patches).float()

    def _finish(self, patches, draw):
        """Light, blur and normalisation, each patch by itself."""
        p, n = self.settings, len(patches)
        if p.blur:
            share = torch.from_numpy((draw[5] + 1) / 2 * p.blur).view(n, 1, 1, 1)
            padded = torch.nn.functional.pad(patches, (1, 1, 1, 1), mode="replicate")
            patches = torch.lerp(patches, torch.nn.functional.avg_pool2d(padded, 3, 1), share)
        if p.light:
            slope = torch.from_numpy(draw[6:8] * p.light).view(2, n, 1, 1, 1)
            x, y = torch.linspace(-1, 1, p.columns), torch.linspace(-1, 1, p.rows).unsqueeze(1)
            patches = patches * (1 + slope[0] * x + slope[1] * y)
        if p.noise:
            share, shape = self.context.share.rows, (self.batch_of_all, *patches.shape[1:])
            deviation = p.noise * self._uniform(self.batch_of_all)[share].view(n, 1, 1, 1)
            patches = patches + deviation * torch.empty(shape).normal_(generator=self.context.generator)[share]
        if p.occlusion:
            self._cover(patches)
        if p.HasField("mean"):
            return (patches - p.mean) / p.deviation
        flat = patches.flatten(1)
        flat = flat - flat.mean(1, keepdim=True)
        variance = flat.square().mean(1, keepdim=True)              # torch.var takes four times as long
        return (flat / (variance + FLAT).sqrt()).view_as(patches)


    def _cover(self, patches):
        """A rectangle of one colour, its middle anywhere, up to half of each side, into a share of the patches."""
        _, channels, rows, columns = patches.shape
        own = dict(zip(range(self.batch_of_all)[self.context.share.rows], patches))
        for row, (chosen, height, width, y, x) in enumerate(self._uniform(self.batch_of_all, 5).tolist()):
            colour = 255 * self._uniform(channels, 1, 1)
            if chosen < self.settings.occlusion and row in own:
                patch = own[row]
                height, width = round(height * rows / 2), round(width * columns / 2)
                top, left = round(y * rows - height / 2), round(x * columns - width / 2)
                patch[:, max(0, top):max(0, top + height), max(0, left):max(0, left + width)] = colour

    def _uniform(self, *shape):
        """Numbers for a batch of all ranks: each draws them all and uses those of its rows."""
        return torch.rand(shape, generator=self.context.generator)


def _grid(p):
    """The matrix (2, 3) float64 from the pixels of a patch (x, y, 1) to units."""
    step_x, step_y = (p.right - p.left) / p.columns, (p.bottom - p.top) / p.rows
    return np.array([[step_x, 0, p.left + step_x / 2], [0, step_y, p.top + step_y / 2]])
