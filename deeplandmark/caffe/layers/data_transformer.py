"""transform_param: mean, crop, mirror and scale of data layers (data_transformer.cpp)."""
import os

import numpy as np
import torch

from deeplandmark.caffe.files.blob_proto import blob_shape, blob_to_array
from deeplandmark.caffe.layers.stored_blob import read_blob_file


class DataTransformer:
    """Turns pictures into the items of a batch as the transform_param of a layer says: (x - mean) * scale.

    A crop_size x crop_size piece is cut out: anywhere in TRAIN, in the middle in TEST (offsets rounded down). With
    `mirror`, every other picture on average is mirrored left to right, in both phases. A mean file has the size of the
    whole picture; its values are taken where the crop was (data_transformer.cpp).

    Parameters
    ----------
    layer : Layer
        Its phase, generator and root folder count, and a NetError names it.
    """

    def __init__(self, layer):
        self.layer, self.param = layer, layer.param.transform_param
        if self.param.pad_ratio and layer.param.type != "ImageFloatData":
            layer.fail("transform_param pad_ratio is for ImageFloatData")
        pairs = [name for name in ("crop_height", "crop_width") if self.param.HasField(name)]
        pairs += ["scale_factors"] if self.param.scale_factors else []
        if pairs and layer.param.type != "ImageSegData":
            layer.fail(f"transform_param {pairs[0]} is for ImageSegData")
        self.mean = self._read_mean()

    def output_shape(self, shape):
        """Shape (C, h, w) of an item for a picture (C, H, W); refused where the settings do not fit the picture."""
        channels, height, width = shape
        p = self.param
        if p.crop_size > min(height, width):
            self.layer.fail(f"crop_size {p.crop_size} is larger than a picture of {height} x {width}")
        if p.mean_file and self.mean.shape != tuple(shape):
            self.layer.fail(f"the mean of {p.mean_file!r} has shape {self.mean.shape}, a picture {tuple(shape)}")
        if len(p.mean_value) not in (0, 1, channels):
            self.layer.fail(f"{len(p.mean_value)} mean_value for {channels} channels; give one, or one each")
        return (channels, p.crop_size or height, p.crop_size or width)

    def __call__(self, picture):
        """The float32 item (C, h, w) of a picture (C, H, W) of uint8 or float32."""
        _, height, width = self.output_shape(picture.shape)
        mirrored = self.param.mirror and self.draw(2)
        top, left = self._corner(picture.shape, height, width)
        piece = (slice(None), slice(top, top + height), slice(left, left + width))
        item = picture[piece].astype(np.float32)
        if self.mean is not None:
            item -= self.mean[piece] if self.param.mean_file else self.mean
        if self.param.scale != 1:
            item *= np.float32(self.param.scale)
        return item[:, :, ::-1] if mirrored else item

    def pass_over(self):
        """Draws as many numbers as for one picture, which another rank transforms."""
        for _ in range(bool(self.param.mirror) + 2 * bool(self.param.crop_size and self.layer.phase == 0)):
            self.draw(2)

    def draw(self, n, generator=None):
        """A random int 0..n-1 from the net's generator, or from another."""
        return int(torch.randint(n, (), generator=generator or self.layer.context.generator))

    def _corner(self, shape, height, width):
        if not self.param.crop_size:
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
                       "a new_height and new_width, or a batch_size of 1")
        batch[index] = item
    return torch.from_numpy(batch)
