"""DataAugmentation of FlowNet2 (lmb-freiburg/flownet2) as its deploy nets use it: a mean taken off, a crop."""
import numpy as np
import torch

from deeplandmark.caffe.files.blob_proto import array_to_blob
from deeplandmark.caffe.files.stored_blobs import ProtoBlob
from deeplandmark.caffe.fillers import constant
from deeplandmark.caffe.layers.fork_shape import MapLayer
from deeplandmark.caffe.layers.no_backward import without_backward
from deeplandmark.caffe.layers.registry import layer
from deeplandmark.caffe.proto import caffe_pb2

_COEFFICIENTS = len(caffe_pb2.AugmentationCoeff.DESCRIPTOR.fields)
_TRAIN = 0


@layer("DataAugmentation")
class DataAugmentation(MapLayer):
    """Pictures less a mean, and their middle where a crop is given (data_augmentation_layer.cu of flownet2).

    lmb-freiburg/flownet2. (N, C, H, W) -> (N, C, crop_height, crop_width), or the bottom's size. With a crop each pixel
    is a bilinear sample (H - crop_height) / 2 rows and (W - crop_width) / 2 columns further, none of them beyond 1.05
    cells before the last; so a crop of the whole size smooths the last row and column. A second top holds the
    coefficients of the augmentation, (N, 42, 1, 1): all 0, for nothing is augmented, or without a crop bottom 1.

    augmentation_param: crop_width and crop_height, only both together. recompute_mean: blobs are the number of forwards
    (1, 1, 1, 1), the mean of every pixel (1, C, rows, columns) of the top and that of every channel (1, C, 1, 1); the
    first recompute_mean forwards, in TEST as well, mix their batch into both means. mean_per_pixel says which is taken
    off. Without recompute_mean there is the first blob alone, and three numbers `mean` are taken off if mean_per_pixel
    is false. In TRAIN, or with augment_during_test, a crop with random augmentation is a NetError. No backward, as in
    the fork.
    """
    forward_changes_blobs = True
    exact_bottoms = exact_tops = None
    min_bottoms = min_tops = 1
    max_bottoms = max_tops = 2
    no_gradient_bottoms = (1,)

    def create(self, bottom_shapes):
        p, (_, channels, *size) = self.settings, self.map_shape(bottom_shapes[0])
        self.crop = (p.crop_height, p.crop_width) if p.HasField("crop_width") and p.HasField("crop_height") else None
        self._refuse_augmentation(len(bottom_shapes))
        if not p.recompute_mean and len(p.mean) == 3 and not p.mean_per_pixel and channels != 3:
            self.fail(f"a mean of 3 numbers for a bottom of {channels} channels")
        shapes = [(1, 1, 1, 1), (1, channels, *(self.crop or size)), (1, channels, 1, 1)]
        for index, shape in enumerate(shapes if p.recompute_mean else shapes[:1]):
            self.add_blob(shape, constant(0.0))
            while len(self.param.param) <= index:
                self.param.param.add(lr_mult=0.0, decay_mult=0.0)
            self._parameters[str(index)].requires_grad_(False)

    @property
    def settings(self):
        """The AugmentationParameter."""
        return self.param.augmentation_param

    def _refuse_augmentation(self, bottoms):
        if not self.crop:
            return                                               # the fork augments nothing then
        if bottoms > 1:
            self.fail("augmentation by the coefficients of another layer, bottom 1, is not covered "
                      "(data_augmentation_layer.cu of lmb-freiburg/flownet2)")
        if self.phase == _TRAIN or self.settings.augment_during_test:
            random = [field.name for field, _ in self.settings.ListFields()
                      if field.message_type is caffe_pb2.RandomGeneratorParameter.DESCRIPTOR]
            if random:
                self.fail(f"augmentation_param {', '.join(random)}: random augmentation of lmb-freiburg/flownet2 is "
                          "not covered; the layer runs in TEST without augment_during_test, and without these fields")

    def reshape(self, bottom_shapes):
        n, channels, *size = self.map_shape(bottom_shapes[0])
        if self.crop and not (1 <= self.crop[0] <= size[0] and 1 <= self.crop[1] <= size[1]):
            self.fail(f"a crop of {self.crop[0]} x {self.crop[1]} does not fit into a bottom of {size[0]} x {size[1]}")
        top = (n, channels, *(self.crop or size))
        if self.settings.recompute_mean:
            mean = tuple(self.blobs[1].shape)
            if mean[1] != channels or self.settings.mean_per_pixel and mean != (1, *top[1:]):
                self.fail(f"its mean of shape {mean} does not fit a top of shape {top}")
        second = tuple(bottom_shapes[1]) if len(bottom_shapes) > 1 else (n, _COEFFICIENTS, 1, 1)
        return [top, second][:self.num_tops]

    def forward(self, x, coefficients=None):
        with torch.no_grad():
            y = self.cropped(x) if self.crop else x
            mean = self._mean(y)
            y = y.clone() if mean is None else y - mean
        if coefficients is None:
            coefficients = x.new_zeros(len(x), _COEFFICIENTS, 1, 1)
        return (without_backward(self, y, x), coefficients.detach().clone())[:self.num_tops]

    def cropped(self, x):
        """(N, C, H, W) -> (N, C, *crop)"""
        for axis, size in zip((2, 3), self.crop):
            first, second, share = (torch.from_numpy(v).to(x.device) for v in places(x.shape[axis], size))
            share = share[:, None] if axis == 2 else share
            x = x.index_select(axis, first) * (1 - share) + x.index_select(axis, second) * share
        return x

    def _mean(self, y):
        """What is taken off, (1, C, H, W) or (1, C, 1, 1), or None; y (N, C, H, W) is mixed into it first."""
        if self.settings.recompute_mean:
            self._mix_in(y)
        return self.mean()

    def mean(self):
        """The mean as it stands, (1, C, H, W) or (1, C, 1, 1), or None."""
        p = self.settings
        if p.recompute_mean:
            return self.blobs[1 if p.mean_per_pixel else 2].detach()
        if len(p.mean) == 3 and not p.mean_per_pixel:
            return self.blobs[0].new_tensor(list(p.mean)).reshape(1, 3, 1, 1).detach()
        return None

    def _mix_in(self, y):
        count, pixels, channels = self.blobs
        count.copy_(count.trunc() + 1)
        if pixels.shape[1:] == y.shape[1:]:
            new = (pixels * (count - 1) + y.mean(0)) / count
            pixels.copy_(torch.where(count > self.settings.recompute_mean, pixels, new))
            known = new.mean((2, 3), keepdim=True)
            channels.copy_(torch.where(count > self.settings.recompute_mean, channels, known))
        elif count.item() <= self.settings.recompute_mean:
            self.fail(f"its mean of shape {tuple(pixels.shape)} is not done after {count.item():g} of "
                      f"{self.settings.recompute_mean} forwards, and a top of shape {tuple(y.shape)} does not fit it")

    def fit_stored(self, stored, place):
        """The mean of a file for the size of this net (adjust_blobs of data_augmentation_layer.cpp).

        With mean_per_pixel a mean of another size becomes that of its channels, everywhere; else the mean of the
        channels alone is taken. A layer that computes no mean, and a file that has none, change nothing.
        """
        own = [ProtoBlob(array_to_blob(blob.detach().cpu().numpy())) for blob in self.blobs]
        if not self.settings.recompute_mean or len(stored) < 2:
            return own
        shape = stored[1].shape if len(stored) == 3 and stored[1] is not None else ()
        if len(shape) != 4 or shape[:2] != own[1].shape[:2]:
            return stored                                        # which do not fit
        if not self.settings.mean_per_pixel:
            return [stored[0], own[1], stored[2]]
        pixels = np.concatenate([*stored[1].chunks(f"{place}: blob 1"), np.zeros(0, np.float32)]).reshape(shape)
        mean = pixels.mean((2, 3), keepdims=True) if pixels.size else np.zeros((*shape[:2], 1, 1), np.float32)
        same = stored[1] if stored[1].fits(own[1].shape) else ProtoBlob(
            array_to_blob(np.broadcast_to(mean, own[1].shape)))
        return [stored[0], same, ProtoBlob(array_to_blob(mean))]


def places(size, crop):
    """The two cells of an axis that each cell of a crop lies between, int64 (crop,), and the share of the second.

    In float32, as the fork computes them.
    """
    at = np.arange(crop, dtype=np.float32) + np.float32((size - crop) / 2)
    at = np.maximum(np.minimum(at, np.float32(size) - np.float32(1.05)), np.float32(0))
    first = np.floor(at)
    return first.astype(np.int64), np.minimum(first + 1, size - 1).astype(np.int64), at - first
