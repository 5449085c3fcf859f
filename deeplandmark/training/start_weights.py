"""Weights that a training may begin with, files that its solver names: the mean shape, and those of an earlier turn."""
from pathlib import Path

import numpy as np

from deeplandmark.work.whole_file import write_bytes

MEAN_SHAPE = "mean_shape"                           # the layer that holds it, of type Parameter
MEAN_SHAPE_FILE = "mean_shape.caffemodel"           # beside a network's samples
TURN_FILE = "trained.caffemodel"                    # in the folder of a turn that is done


def write_mean_shape(folder, names):
    """Writes the mean of the targets in some of a folder's HDF5 files as the blob (1, num_output) of a layer; 0 for
    what no face shows. Nothing where there is no face."""
    import h5py  # only training needs it and torch

    from deeplandmark.caffe.files.blob_proto import array_to_blob
    from deeplandmark.caffe.proto import caffe_pb2
    sums = counts = 0
    for name in names:                                           # one after the other: there may be many
        with h5py.File(Path(folder, name), "r") as file:
            targets = file["landmark"][:] if "landmark" in file else np.zeros((0, 1))
        sums, counts = sums + np.nansum(targets, 0, np.float64), counts + np.isfinite(targets).sum(0)
    if not np.any(counts):
        return
    layer = caffe_pb2.LayerParameter(name=MEAN_SHAPE, type="Parameter")
    mean = (sums / np.maximum(counts, 1))[None]
    layer.blobs.append(array_to_blob(mean.astype(np.float32)))
    write_bytes(Path(folder, MEAN_SHAPE_FILE), caffe_pb2.NetParameter(layer=[layer]).SerializeToString())
