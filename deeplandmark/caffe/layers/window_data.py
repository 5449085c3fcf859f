"""WindowData: windows cut out of pictures, for R-CNN (window_data_layer.cpp)."""
import math
import os
from typing import NamedTuple

import numpy as np
import torch

from deeplandmark.caffe.files.pictures import channels_first, read_picture
from deeplandmark.caffe.files.window_file import WindowFileError, read_window_file
from deeplandmark.caffe.layers.data import DataLayer
from deeplandmark.caffe.layers.data_transformer import DataTransformer
from deeplandmark.caffe.layers.registry import layer


class Cut(NamedTuple):
    """Where a window is taken from and put: pixels left..right, top..bottom (all inside), their size and place."""
    left: int
    top: int
    right: int
    bottom: int
    width: int
    height: int
    pad_left: int = 0
    pad_top: int = 0
    pad_right: int = 0


def plain_cut(box, crop_size):
    """The Cut of the window itself, warped to crop_size x crop_size.

    Parameters
    ----------
    box : left, top, right, bottom in pixels, the last ones included
    crop_size : int
        Pixels.
    """
    return Cut(*box, crop_size, crop_size)


def context_cut(box, picture_size, crop_size, context_pad, square):
    """The window with context_pad pixels of its surroundings on every side, after warping.

    Parameters
    ----------
    box : left, top, right, bottom in pixels, the last ones included
    picture_size : (height, width)
    square : bool
        Cut the smallest square around the window instead of changing its proportions.

    Returns
    -------
    Cut
        What lies outside the picture is left out and makes room at the edges. Caffe's float arithmetic, step by step.
    """
    single = np.float32
    left, top, right, bottom = box
    scale = single(crop_size) / single(crop_size - 2 * context_pad)
    half_height, half_width = single(bottom - top + 1) / single(2), single(right - left + 1) / single(2)
    center_x, center_y = single(left) + half_width, single(top) + half_height
    if square:
        half_height = half_width = max(half_height, half_width)
    left, right = _round(center_x - half_width * scale), _round(center_x + half_width * scale)
    top, bottom = _round(center_y - half_height * scale), _round(center_y + half_height * scale)
    scale_x, scale_y = (single(crop_size) / single(last - first + 1) for first, last in ((left, right), (top, bottom)))
    out_left, out_top = max(0, -left), max(0, -top)
    out_right, out_bottom = max(0, right - picture_size[1] + 1), max(0, bottom - picture_size[0] + 1)
    left, top, right, bottom = left + out_left, top + out_top, right - out_right, bottom - out_bottom
    width, height = _round(single(right - left + 1) * scale_x), _round(single(bottom - top + 1) * scale_y)
    pad_left, pad_right = _round(single(out_left) * scale_x), _round(single(out_right) * scale_x)
    return Cut(left, top, right, bottom, width, height, pad_left, _round(single(out_top) * scale_y), pad_right)


def _round(x):
    """C's round: halves away from zero."""
    return int(math.copysign(math.floor(abs(float(x)) + 0.5), x))


@layer("WindowData")
class WindowData(DataLayer):
    """Random windows of a window file: tops data (N, C, crop_size, crop_size) and label (N,).

    int(N * fg_fraction) windows overlap an object by at least fg_threshold, and come last; the others overlap by less
    than bg_threshold and have the label 0. Windows are drawn with replacement, in both phases. crop_mode `warp` or
    `square`, context_pad, mirror, mean and scale as in Caffe (window_data_layer.cpp; scale and mean from
    transform_param, where old definitions are upgraded to; a mean file larger than crop_size is cut in its middle);
    cache_images keeps the pictures in memory. Places outside of a picture are 0.
    """
    exact_tops = 2

    def create(self, bottom_shapes):
        self.settings = p = self.param.window_data_param
        self.crop_size = self.param.transform_param.crop_size
        if not p.batch_size or not self.crop_size:
            self.fail("needs window_data_param batch_size and transform_param crop_size, found "
                      f"{p.batch_size} and {self.crop_size}")
        if p.crop_mode not in ("warp", "square"):
            self.fail(f"crop_mode must be warp or square, found {p.crop_mode!r}")
        if 2 * p.context_pad >= self.crop_size:
            self.fail(f"context_pad {p.context_pad} leaves nothing of a crop_size of {self.crop_size}")
        self.set_batch(p.batch_size)
        self.use_context = bool(p.context_pad) or p.crop_mode == "square"
        path = os.path.join(self.context.root_folder, p.source)
        try:
            self.pictures, self.windows = read_window_file(path, p.fg_threshold, p.bg_threshold)
        except WindowFileError as error:
            self.fail(str(error))
        self.channels = self.pictures[-1].channels               # Caffe takes those of the last picture
        foreground = int(np.float32(self.batch_of_all) * np.float32(p.fg_fraction))
        self.counts = (self.batch_of_all - foreground, foreground)
        for kind, windows, count in zip(("background", "foreground"), self.windows, self.counts):
            if count and not windows:
                self.fail(f"{path!r} has no {kind} windows, a batch needs {count}")
        self.transform = DataTransformer(self)
        self.mean = self._mean()
        self.cache = {}

    def reshape(self, bottom_shapes):
        return [(self.batch_size, self.channels, self.crop_size, self.crop_size), (self.batch_size,)]

    def forward(self):
        data = np.zeros((self.batch_size, self.channels, self.crop_size, self.crop_size), np.float32)
        labels, drawn = [], []
        for windows, count in zip(self.windows, self.counts):
            for _ in range(count):
                window = windows[self.transform.draw(len(windows))]
                drawn.append((window, self.param.transform_param.mirror and self.transform.draw(2)))
        for item, (window, mirrored) in zip(data, drawn[self.context.share.rows]):
            self._place(item, window, mirrored)
            labels.append(window.label)
        return self.to_place(torch.from_numpy(data)), self.to_place(torch.tensor(labels))

    def _place(self, item, window, mirrored):
        """Writes one warped window into its place (C, crop_size, crop_size) of the batch."""
        import cv2
        picture = self._read(self.pictures[window.picture])
        cut = plain_cut(window.box, self.crop_size)
        if self.use_context:
            p = self.settings
            cut = context_cut(window.box, picture.shape[1:], self.crop_size, p.context_pad, p.crop_mode == "square")
        left = cut.pad_right if mirrored else cut.pad_left
        width, height = min(cut.width, self.crop_size - left), min(cut.height, self.crop_size - cut.pad_top)
        inside = 0 <= cut.left <= cut.right < picture.shape[2] and 0 <= cut.top <= cut.bottom < picture.shape[1]
        if not inside or width < 1 or height < 1:
            self.fail(f"window {window.box} does not lie in {self.pictures[window.picture].path!r}, a picture of "
                      f"{picture.shape[2]} x {picture.shape[1]}")
        piece = picture[:, cut.top:cut.bottom + 1, cut.left:cut.right + 1].transpose(1, 2, 0)
        piece = channels_first(cv2.resize(np.ascontiguousarray(piece), (width, height)))
        piece = piece[:, :, ::-1] if mirrored else piece
        place = (slice(None), slice(cut.pad_top, cut.pad_top + height), slice(left, left + width))
        values = piece.astype(np.float32)
        if self.mean is not None:
            values -= np.broadcast_to(self.mean, item.shape)[place]
        item[place] = values * np.float32(self.param.transform_param.scale)

    def _read(self, picture):
        path = os.path.join(self.context.root_folder, self.settings.root_folder + picture.path)
        if path not in self.cache:
            found = read_picture(self, path, True)
            if found.shape[0] != self.channels:
                self.fail(f"pictures are read in {found.shape[0]} channels, the window file says {self.channels}")
            if not self.settings.cache_images:
                return found
            self.cache[path] = found
        return self.cache[path]

    def _mean(self):
        """None, or the mean (C or 1, 1, 1) or (C, crop_size, crop_size)."""
        mean = self.transform.mean
        if mean is None:
            return None
        if not self.param.transform_param.mean_file:
            if len(mean) not in (1, self.channels):
                self.fail(f"{len(mean)} mean_value for {self.channels} channels; give one, or one each")
            return mean
        size = self.crop_size
        if mean.shape[0] != self.channels or mean.shape[1] != mean.shape[2] or mean.shape[2] < size:
            self.fail(f"the mean has shape {mean.shape}, expected {self.channels} channels of a square of {size} "
                      "or more")
        start = (mean.shape[2] - size) // 2
        return mean[:, start:start + size, start:start + size]
