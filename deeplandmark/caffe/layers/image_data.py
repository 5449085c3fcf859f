"""ImageData and ImageFloatData: pictures named in a list, with a label or with numbers (image_data_layer.cpp)."""
import os
from functools import partial

import numpy as np
import torch

from deeplandmark.caffe.files.pictures import channels_first, read_picture
from deeplandmark.caffe.files.plain import open_list
from deeplandmark.caffe.layers.data import DataLayer
from deeplandmark.caffe.layers.data_transformer import DataTransformer, stack_items
from deeplandmark.caffe.layers.registry import layer


class PictureList(DataLayer):
    """Lines of a text file, picture after picture; after the last line a new round begins, shuffled where asked for.

    image_data_param: source, batch_size, shuffle, rand_skip, new_height, new_width, is_color, root_folder, which is put
    in front of every name as it stands, without a slash, as in Caffe. transform_param: see DataTransformer.
    """
    exact_tops = 2
    transformer = DataTransformer

    def create(self, bottom_shapes):
        p = self.param.image_data_param
        if not p.batch_size:
            self.fail("image_data_param batch_size must be at least 1")
        if bool(p.new_height) != bool(p.new_width):
            self.fail(f"give both or neither of new_height and new_width, found {p.new_height} and {p.new_width}")
        self.size = (p.new_height, p.new_width) if p.new_height else None
        self.set_batch(p.batch_size)
        self.lines = self._read_list(p.source)
        self.transform = self.transformer(self)
        self.order = self._new_order()
        self.position = self.transform.draw(p.rand_skip) if p.rand_skip else 0
        if self.position >= len(self.lines):
            self.fail(f"rand_skip left out {self.position} lines, but its source has only {len(self.lines)}")

    def reshape(self, bottom_shapes):
        name, _ = self._line()
        return [(self.batch_size, *self.transform.output_shape(self.read(name).shape)), *self.label_shapes()]

    def label_shapes(self):
        """Shapes of the tops behind data."""
        return [(self.batch_size,)]

    def read(self, name):
        """The picture `name`, a uint8 array (C, H, W), BGR or grey."""
        p = self.param.image_data_param
        return read_picture(self, os.path.join(self.context.root_folder, p.root_folder + name), p.is_color, self.size)

    def item(self, name, numbers):
        """The transformed picture (C, h, w) of a line, float32, and the numbers that belong to it."""
        return self.transform(self.read(name)), numbers

    def forward(self):
        numbers = []
        data = stack_items(self, self._items(numbers), self.batch_size)
        return self.to_place(data), *map(self.to_place, self.split_numbers(torch.tensor(np.array(numbers, np.float32))))

    def split_numbers(self, numbers):
        """The numbers of a batch, a tensor (N, K), as the tops behind data."""
        return [numbers[:, 0]]

    def _items(self, numbers):
        own = range(self.batch_of_all)[self.context.share.rows]
        for row in range(self.batch_of_all):
            if row in own:
                item, found = self.item(*self._line())
                numbers.append(found)
                yield item
            else:
                self.transform.pass_over()
            self._next()

    def _next(self):
        self.position += 1
        if self.position == len(self.lines):
            self.position, self.order = 0, self._new_order()

    def _line(self):
        return self.lines[self.order[self.position]]

    def _new_order(self):
        n = len(self.lines)
        if not self.param.image_data_param.shuffle:
            return range(n)
        return torch.randperm(n, generator=self.context.generator).tolist()

    def _read_list(self, source):
        path = os.path.join(self.context.root_folder, source)
        try:
            with open_list(path) as stream:
                lines = [self._read_line(line, f"{path}:{number}") for number, line in enumerate(stream, 1)
                         if line.strip()]
        except OSError as error:
            self.fail(f"cannot read its source {path!r}: {error.strerror}")
        if not lines:
            self.fail(f"its source {path!r} names no picture")
        return lines

    def _read_line(self, line, place):
        """(name, numbers) of a line."""
        words = self.split_line(line.strip())
        try:
            return words[0], [float(word) for word in words[1:]]
        except ValueError:
            self.fail(f"{place}: expected a name and numbers, found {line.strip()!r}")


@layer("ImageData")
class ImageData(PictureList):
    """Lines `name label`: tops data (N, C, H, W) and label (N,). The last blank ends the name, which may have others.

    Labels are integers, as in Caffe (image_data_layer.cpp); for other numbers there is ImageFloatData.
    """

    def split_line(self, line):
        """[name, label] of a line, both str."""
        return line.rsplit(maxsplit=1)

    def _read_line(self, line, place):
        name, numbers = super()._read_line(line, place)
        if len(numbers) != 1 or numbers[0] % 1 != 0:
            self.fail(f"{place}: expected a name and an integer label, found {line.strip()!r}")
        return name, numbers


@layer("ImageFloatData")
class ImageFloatData(PictureList):
    """Lines `name v1 v2 ...`: tops data (N, C, H, W) and label (N, label_dim), for points and other regressions.

    The layer of the Caffe fork that face-alignment projects with MobileNets and 68 points were trained with. Names
    have no blanks. Crop and mirror of transform_param change the picture alone, never the numbers. In TRAIN,
    transform_param pad_ratio puts a black border of up to that fraction of the height around a picture and shrinks it
    to its size again; numbers are then x1 .. xK y1 .. yK in 0..1 of the picture, and follow it. With `hard_sample` a
    line ends with a weight for the third top (N,); with `with_heatmap` the grey picture of the same name below
    heatmap_dir is one more channel. Where the fork goes on to the next line, a picture that cannot be read is an error.
    """
    exact_tops = None
    min_tops, max_tops = 2, 3

    def create(self, bottom_shapes):
        self.settings = self.param.image_float_data_param
        if self.settings.label_dim < 1:
            self.fail(f"image_float_data_param label_dim must be at least 1, found {self.settings.label_dim}")
        if self.settings.hard_sample != (self.num_tops == 3):
            self.fail("a third top and hard_sample belong together")
        self.pad_ratio = self.param.transform_param.pad_ratio if self.phase == 0 else 0
        if self.pad_ratio > 0 and (self.settings.label_dim % 2 or self.param.transform_param.crop_size):
            self.fail("pad_ratio moves points: label_dim must be even, and there is no crop_size beside it")
        super().create(bottom_shapes)

    def label_shapes(self):
        """(batch_size, label_dim), and with hard_sample (batch_size,)."""
        return [(self.batch_size, self.settings.label_dim), (self.batch_size,)][:self.num_tops - 1]

    def split_line(self, line):
        """[name, number ...] of a line, all str."""
        return line.split()

    def _read_line(self, line, place):
        name, numbers = super()._read_line(line, place)
        wanted = self.settings.label_dim + self.settings.hard_sample
        if len(numbers) != wanted:
            self.fail(f"{place}: expected a name and {wanted} numbers, found {len(numbers)}")
        return name, numbers

    def split_numbers(self, numbers):
        """The numbers of a batch, a tensor (N, K), as label (N, label_dim) and with hard_sample the weight (N,)."""
        k = self.settings.label_dim
        return [numbers[:, :k], numbers[:, k]] if self.settings.hard_sample else [numbers]

    def read(self, name):
        """The picture `name`, a uint8 array (C, H, W); with with_heatmap the heatmap is its last channel."""
        picture = super().read(name)
        if not self.settings.with_heatmap:
            return picture
        path = os.path.join(self.context.root_folder, self.settings.heatmap_dir + name)
        heatmap = read_picture(self, path, False, self.size)
        if heatmap.shape[1:] != picture.shape[1:]:
            self.fail(f"the heatmap {path!r} is {heatmap.shape[1]} x {heatmap.shape[2]}, its picture "
                      f"{picture.shape[1]} x {picture.shape[2]}")
        return np.concatenate([picture, heatmap])

    def item(self, name, numbers):
        """The transformed picture (C, h, w) and its numbers, both moved where pad_ratio says so."""
        picture = self.read(name)
        if self.pad_ratio > 0:
            picture, numbers = self._pad(picture, numbers)
        return self.transform(picture), numbers

    def _pad(self, picture, numbers):
        """A border of 2 * pad in all on both axes, pad from -interval to interval; below 1 nothing happens."""
        import cv2
        # How many numbers are drawn depends on the picture, which other ranks do not read.
        draw = partial(self.transform.draw, generator=self.context.own_generator)
        (_, height, width), k = picture.shape, self.settings.label_dim // 2
        interval = max(int(height * self.pad_ratio), 1)
        pad = draw(2 * interval + 1) - interval
        if pad <= 0:
            return picture, numbers
        left, top = draw(2 * pad + 1), draw(2 * pad + 1)
        padded = np.pad(picture, ((0, 0), (top, 2 * pad - top), (left, 2 * pad - left)))
        resized = channels_first(cv2.resize(np.ascontiguousarray(padded.transpose(1, 2, 0)), (width, height)))
        x = [(value * width + left) / (width + 2 * pad) for value in numbers[:k]]
        y = [(value * height + top) / (height + 2 * pad) for value in numbers[k:2 * k]]
        return resized, [*x, *y, *numbers[2 * k:]]
