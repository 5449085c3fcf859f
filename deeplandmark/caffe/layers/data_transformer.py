"""transform_param: mean, crop, mirror and scale of data layers (data_transformer.cpp)."""
import os

import numpy as np
import torch

from deeplandmark.caffe.files.blob_proto import blob_shape, blob_to_array
from deeplandmark.caffe.layers.picture_changes import check_noise, check_resize, noisy, resize, resized_shape
from deeplandmark.caffe.layers.stored_blob import read_blob_file

SEEDS = 1 << 31              # of numpy generators, each a draw of torch's
_OF_ONE_LAYER = {"pad_ratio": "ImageFloatData", "distort_param": "AnnotatedData", "expand_param": "AnnotatedData",
                 "emit_constraint": "AnnotatedData", "scale_factors": "ImageSegData", "crop_width": "ImageSegData",
                 "crop_height": "ImageSegData"}


class DataTransformer:
    """Turns pictures into the items of a batch as the transform_param of a layer says: (x - mean) * scale.

    A piece of crop_size x crop_size, or crop_h x crop_w, is cut out: anywhere in TRAIN, in the middle in TEST (offsets
    rounded down). With `mirror`, every other picture on average is mirrored left to right, in both phases. A mean file
    has the size of the whole picture; its values are taken where the crop was (data_transformer.cpp). Before all that
    come resize_param and noise_param, of SSD.

    Parameters
    ----------
    layer : Layer
        Its phase, generator and root folder count, and a NetError names it.
    """

    def __init__(self, layer):
        self.layer, self.param = layer, layer.param.transform_param
        for field, value in self.param.ListFields():
            if value and layer.param.type != _OF_ONE_LAYER.get(field.name, layer.param.type):
                layer.fail(f"transform_param {field.name} is for {_OF_ONE_LAYER[field.name]}")
        self.crop = self._crop_size()
        self.resizes, self.is_noisy = (self.param.HasField(name) for name in ("resize_param", "noise_param"))
        if self.resizes:
            check_resize(layer, self.param.resize_param)
        if self.is_noisy:
            check_noise(layer, self.param.noise_param)
        self.mean = self._read_mean()

    def output_shape(self, shape):
        """Shape (C, h, w) of an item for a picture (C, H, W); refused where the settings do not fit the picture."""
        size = resized_shape(self.param.resize_param, shape[1:]) if self.resizes else shape[1:]
        return self._cropped_shape((shape[0], *size))

    def _cropped_shape(self, shape):
        channels, height, width = shape
        p = self.param
        if self.crop and (self.crop[0] > height or self.crop[1] > width):
            name = "crop_size" if p.crop_size else "a crop"
            size = p.crop_size or f"of {self.crop[0]} x {self.crop[1]}"
            self.layer.fail(f"{name} {size} is larger than a picture of {height} x {width}")
        if p.mean_file and self.mean.shape != tuple(shape):
            self.layer.fail(f"the mean of {p.mean_file!r} has shape {self.mean.shape}, a picture {tuple(shape)}")
        if len(p.mean_value) not in (0, 1, channels):
            self.layer.fail(f"{len(p.mean_value)} mean_value for {channels} channels; give one, or one each")
        return (channels, *(self.crop or (height, width)))

    def __call__(self, picture):
        """The float32 item (C, h, w) of a picture (C, H, W) of uint8 or float32."""
        return self.with_place(picture)[0]

    def with_place(self, picture):
        """(item as of __call__, the box (4,) that it shows in parts of the resized picture, whether it is mirrored)."""
        if self.resizes or self.is_noisy:
            picture = self._changed(picture, np.random.default_rng(self.draw(SEEDS)))
        _, height, width = self._cropped_shape(picture.shape)
        mirrored = bool(self.param.mirror and self.draw(2))
        top, left = self._corner(picture.shape, height, width)
        piece = (slice(None), slice(top, top + height), slice(left, left + width))
        item = picture[piece].astype(np.float32)
        if self.mean is not None:
            item -= self.mean[piece] if self.param.mean_file else self.mean
        if self.param.scale != 1:
            item *= np.float32(self.param.scale)
        place = np.array([left, top, left + width, top + height], np.float32) / np.float32(picture.shape[:0:-1] * 2)
        return item[:, :, ::-1] if mirrored else item, place, mirrored

    def pass_over(self):
        """Draws as many numbers as for one picture, which another rank transforms."""
        if self.resizes or self.is_noisy:
            self.draw(SEEDS)                                     # torch takes more for a wide range than for 2
        for _ in range(bool(self.param.mirror) + 2 * bool(self.crop and self.layer.phase == 0)):
            self.draw(2)

    def _changed(self, picture, rng):
        if picture.dtype != np.uint8:
            self.layer.fail("resize_param and noise_param take pictures of bytes, found floats")
        p = self.param
        for name, values in (("pad_value", p.resize_param.pad_value), ("value", p.noise_param.saltpepper_param.value)):
            if len(values) not in (0, 1, len(picture)):
                self.layer.fail(f"{len(values)} {name} for {len(picture)} channels; give one, or one each")
        picture = np.ascontiguousarray(picture.transpose(1, 2, 0))
        if self.resizes:
            picture = resize(picture, p.resize_param, rng)
        if self.is_noisy:
            picture = noisy(picture, p.noise_param, rng)
        return picture.transpose(2, 0, 1)

    def _crop_size(self):
        """(height, width), or None."""
        p = self.param
        if bool(p.crop_h) != bool(p.crop_w):
            self.layer.fail(f"give both or neither of crop_h and crop_w, found {p.crop_h} and {p.crop_w}")
        return (p.crop_size,) * 2 if p.crop_size else (p.crop_h, p.crop_w) if p.crop_h else None

    def draw(self, n, generator=None):
        """A random int 0..n-1 from the net's generator, or from another."""
        return int(torch.randint(n, (), generator=generator or self.layer.context.generator))

    def _corner(self, shape, height, width):
        if not self.crop:
            return 0, 0
        free = shape[1] - height, shape[2] - width
        if self.layer.phase == 0:                                # TRAIN
            return self.draw(free[0] + 1), self.draw(free[1] + 1)
        return free[0] // 2, free[1] // 2

    def _read_mean(self):
        """None, values (C or 1, 1, 1), or the picture (C, H, W) of the mean file."""
        p = self.param
        if p.mean_file and p.mean_value:
            self.layer.fail("transform_param has mean_file and mean_value; give only one")
        if p.mean_value:
            return np.array(p.mean_value, np.float32)[:, None, None]
        if not p.mean_file:
            return None
        path = os.path.join(self.layer.context.root_folder, p.mean_file)
        blob = read_blob_file(self.layer, path)
        shape = (1,) * (4 - len(blob_shape(blob))) + blob_shape(blob)
        if len(shape) != 4 or shape[0] != 1:
            self.layer.fail(f"the mean of {path!r} has shape {shape}, expected one picture (1, C, H, W)")
        return blob_to_array(blob, path).reshape(shape[1:])


def stack_items(layer, items, batch_size):
    """A float32 tensor (N, C, h, w) of the items of a batch; the first one decides on the shape, as in Caffe.

    Raises
    ------
    NetError
        In the name of `layer`, for items of different sizes.
    """
    batch = None
    for index, item in enumerate(items):
        if batch is None:
            batch = np.empty((batch_size, *item.shape), np.float32)
        if item.shape != batch.shape[1:]:
            layer.fail(f"pictures of one batch differ in size: {item.shape} after {batch.shape[1:]}; set a crop_size, "
                       "a resize_param, a new_height and new_width, or a batch_size of 1")
        batch[index] = item
    return torch.from_numpy(batch)
