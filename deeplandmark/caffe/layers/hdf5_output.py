"""HDF5Output: two blobs written into an HDF5 file (hdf5_output_layer.cpp)."""
import os

import numpy as np

from deeplandmark.caffe.files import hdf5
from deeplandmark.caffe.layers.base import Layer
from deeplandmark.caffe.layers.registry import layer
from deeplandmark.work.user_code import user_code_allowed


@layer("HDF5Output")
class HDF5Output(Layer):
    """Datasets `data` and `label` (N, C, H, W) with the values of its bottoms; missing axes at the end have size 1.

    float32, at hdf5_output_param file_name (hdf5_output_layer.cpp). The file is written by the first forward; Caffe
    refuses a second one, because the datasets are there already. It has no tops.
    """
    exact_bottoms, exact_tops = 2, 0

    def create(self, bottom_shapes):
        name = self.param.hdf5_output_param.file_name
        if not name:
            self.fail("hdf5_output_param needs file_name")
        if not user_code_allowed():
            self.fail(f"it writes the file {name!r}; --allow-python-layers allows it, for models of people you trust")
        self.path = os.path.join(self.context.root_folder, name)
        folder = os.path.dirname(self.path) or "."
        if os.path.isdir(self.path) or not (os.path.isdir(folder) and os.access(folder, os.W_OK)):
            self.fail(f"cannot write {self.path!r}: no such folder, or no right to write there")
        self.written = False

    def reshape(self, bottom_shapes):
        for shape in bottom_shapes:
            if len(shape) > 4:
                self.fail(f"takes bottoms of up to 4 axes, found shape {tuple(shape)}")
        first, second = (tuple(shape)[:1] or (1,) for shape in bottom_shapes)
        if first != second:
            self.fail(f"data and label differ in their first dimension: {first[0]} and {second[0]}")
        return []

    def forward(self, data, label):
        if self.written:
            self.fail(f"{self.path!r} holds a batch already: Caffe writes one forward; make the batch as large as "
                      "the data")
        try:
            with hdf5.written(self.path) as file:
                for name, blob in (("data", data), ("label", label)):
                    array = blob.detach().cpu().numpy().astype(np.float32, copy=False)
                    file[name] = array.reshape(*array.shape, *(1,) * (4 - array.ndim))
        except OSError as error:
            self.fail(f"cannot write {self.path!r}: {error}")
        self.written = True
        return ()
