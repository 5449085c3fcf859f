"""ImageSegData of DeepLab: pictures, each with a picture of labels (image_seg_data_layer.cpp of DeepLab v2)."""
import os

import numpy as np

from deeplandmark.caffe.files.pictures import channels_first, read_picture
from deeplandmark.caffe.layers.data_transformer import DataTransformer, stack_items
from deeplandmark.caffe.layers.image_data import PictureList
from deeplandmark.caffe.layers.registry import layer
from deeplandmark.caffe.limits import check_shape


class PairTransformer(DataTransformer):
    """Scales, fills up, crops and mirrors a picture and its labels alike (data_transformer.cpp, TransformImgAndSeg)."""

    def __init__(self, layer):
        p = layer.param.transform_param
        if p.mean_file:
            layer.fail("ImageSegData takes no mean_file: give mean_value")
        super().__init__(layer)
        sides = p.HasField("crop_height"), p.HasField("crop_width")
        if any(sides) and (not all(sides) or p.HasField("crop_size")):
            layer.fail("give crop_size, or both of crop_height and crop_width")
        self.crop = (p.crop_height, p.crop_width) if any(sides) else (p.crop_size, p.crop_size)
        self.crop = self.crop if all(self.crop) else None
        if not all(0 < factor < 2**16 for factor in p.scale_factors):
            layer.fail(f"scale_factors must be above 0, found {list(p.scale_factors)}")

    def output_shape(self, shape):
        """Shape (C, h, w) of an item for a picture (C, H, W); its size without a crop."""
        if len(self.param.mean_value) not in (0, 1, shape[0]):
            self.layer.fail(f"{len(self.param.mean_value)} mean_value for {shape[0]} channels; give one, or one each")
        return (shape[0], *(self.crop or shape[1:]))

    def __call__(self, picture, labels):
        """The float32 item (C + 1, h, w), labels last, of a picture (C, H, W) and its labels (1, H, W), both uint8."""
        self.output_shape(picture.shape)
        mirrored = self.param.mirror and self.draw(2)
        if self.param.scale_factors:
            factor = self.param.scale_factors[self.draw(len(self.param.scale_factors))]
            picture, labels = (self._resized(both, factor, nearest) for both, nearest in
                               ((picture, False), (labels, True)))
        item = picture.astype(np.float32)
        item = (item if self.mean is None else item - self.mean) * np.float32(self.param.scale)
        item = self._cropped(item, labels.astype(np.float32))
        return item[:, :, ::-1] if mirrored else item

    def pass_over(self):
        """Draws as many numbers as for one picture, which another rank transforms."""
        p, cropped = self.param, self.crop and self.layer.phase == 0
        for _ in range(bool(p.mirror) + bool(p.scale_factors) + 2 * bool(cropped)):
            self.draw(2)

    def _resized(self, picture, factor, nearest):
        """(C, H, W) by a factor, both sides rounded down; labels take the nearest cell."""
        import cv2
        if factor == 1:
            return picture
        size = [int(np.float32(side) * np.float32(factor)) for side in picture.shape[1:]]
        if min(size) < 1:
            self.layer.fail(f"scale_factors {factor:g} leaves nothing of a picture of {picture.shape[1:]}")
        check_shape((len(picture), *size))
        return channels_first(cv2.resize(np.ascontiguousarray(picture.transpose(1, 2, 0)), size[::-1],
                                         interpolation=cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR))

    def _cropped(self, item, labels):
        """Picture and labels as one (C + 1, h, w); where they are smaller than the crop, 0 and the unknown label."""
        if not self.crop:
            return np.concatenate([item, labels])
        missing = [max(wanted - side, 0) for wanted, side in zip(self.crop, item.shape[1:])]
        check_shape((len(item) + 1, *(side + more for side, more in zip(item.shape[1:], missing))))
        around = ((0, 0), *((0, more) for more in missing))
        both = np.concatenate([np.pad(item, around), np.pad(labels, around, constant_values=self.layer.unknown)])
        free = [side - wanted for side, wanted in zip(both.shape[1:], self.crop)]
        top, left = (self.draw(n + 1) for n in free) if self.layer.phase == 0 else (n // 2 for n in free)
        return both[:, top:top + self.crop[0], left:left + self.crop[1]]


@layer("ImageSegData")
class ImageSegData(PictureList):
    """Lines `picture labels`: tops data (N, C, H, W), label (N, 1, H, W) and data_dim (N, 1, 1, 2) (DeepLab v2).

    image_seg_data_layer.cpp; data_dim, the size of each picture as it was read, but at most (H, W), need not be named.
    Names have no blanks. image_data_param: label_type, PIXEL (`labels` is a grey picture whose values are the labels),
    IMAGE (a number for all of it; the default) or NONE (every label is ignore_label), and what ImageData has:
    new_height and new_width resize both, labels bilinearly as well, as in the fork. transform_param: scale_factors, of
    which one is drawn for each picture, mirror, scale, mean_value, and crop_size or crop_height and crop_width: a
    smaller picture is filled up at its right and lower end with the mean and ignore_label. There is no mean_file.
    """
    exact_tops, auto_tops = 3, True
    transformer = PairTransformer

    def create(self, bottom_shapes):
        self.settings = p = self.param.image_data_param
        self.has_label = p.label_type != p.NONE
        self.unknown = min(max(p.ignore_label, 0), 255)          # a byte of a picture, as in the fork
        super().create(bottom_shapes)

    def reshape(self, bottom_shapes):
        channels, *size = self.transform.output_shape(self.read(self._line()[0]).shape)
        return [(self.batch_size, channels, *size), (self.batch_size, 1, *size), (self.batch_size, 1, 1, 2)]

    def item(self, name, numbers):
        """The transformed picture with its labels as the last channel, (C + 1, h, w), and the data_dim of it."""
        picture = self.read(name)
        item = self.transform(picture, self._labels(numbers, picture))
        return item, np.minimum(picture.shape[1:], item.shape[1:])

    def forward(self):
        sizes = []
        both = self.to_place(stack_items(self, self._items(sizes), self.batch_size))
        return both[:, :-1], both[:, -1:], both.new_tensor(np.array(sizes)).reshape(-1, 1, 1, 2)

    def _labels(self, words, picture):
        """uint8 (1, H, W) for the words of a line behind its name."""
        p = self.settings
        if p.label_type != p.PIXEL:
            return np.full((1, *picture.shape[1:]), words[0] if self.has_label else self.unknown, np.uint8)
        path = os.path.join(self.context.root_folder, p.root_folder + words[0])
        labels = read_picture(self, path, False, self.size)
        if labels.shape[1:] != picture.shape[1:]:
            self.fail(f"the labels {path!r} are {labels.shape[1]} x {labels.shape[2]}, their picture "
                      f"{picture.shape[1]} x {picture.shape[2]}")
        return labels

    def _read_line(self, line, place):
        """(name, words): the name of the labels, the label, or nothing."""
        (name, *words), p = line.split(), self.settings
        if self.has_label and not words:
            self.fail(f"{place}: expected a name and "
                      f"{'that of its labels' if p.label_type == p.PIXEL else 'a label'}, found {line.strip()!r}")
        if p.label_type == p.IMAGE:
            if not words[0].isdecimal() or int(words[0]) > 255:
                self.fail(f"{place}: a label is a number from 0 to 255 (label_type IMAGE), found {words[0]!r}; with "
                          "label_type PIXEL the second word names a picture")
            words = [int(words[0])]
        return name, words[:1]
