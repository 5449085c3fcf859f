"""Blobs of many batches in one file (tools/extract_features.cpp)."""
import numpy as np

from deeplandmark.caffe.errors import CaffeError
from deeplandmark.caffe.files import hdf5
from deeplandmark.caffe.proto import caffe_pb2
from deeplandmark.work.whole_file import open_whole


def extract_features(parser):
    """Run a net over its own data and write blobs into one .h5 or .npz file.

    The net runs in phase TEST; the rows of its batches stand one after another.
    """
    parser.add_argument("weights", metavar="WEIGHTS", help=".caffemodel or .caffemodel.h5")
    parser.add_argument("model", metavar="MODEL", help="prototxt with a data layer")
    parser.add_argument("blobs", metavar="BLOBS", help="names between commas")
    parser.add_argument("output", metavar="OUT", help=".h5 or .npz; one array (rows, ...) per blob, under its name")
    parser.add_argument("batches", metavar="BATCHES", type=int, help="number of batches to run")

    def run(options):
        from deeplandmark.caffe.net import Net
        names = [name for name in options.blobs.split(",") if name]
        if options.batches < 1 or not names:
            raise CaffeError("give at least one blob and one batch")
        if not options.output.endswith((".h5", ".npz")):
            raise CaffeError(f"{options.output}: features are written as .h5 or .npz")
        net = Net(options.model, caffe_pb2.TEST, weights=options.weights)
        for name in names:
            if name not in net.blobs:
                raise CaffeError(f"{options.model}: no blob {name!r} (blobs: {', '.join(net.blobs)})")
        if net.inputs:
            raise CaffeError(f"{options.model}: its inputs {', '.join(net.inputs)} have no data; use a data layer")
        rows = {name: [] for name in names}
        for _ in range(options.batches):
            net.forward()
            for name in names:
                rows[name].append(np.atleast_1d(net.blobs[name].data).copy())
        _write_arrays(options.output, {name: np.concatenate(parts) for name, parts in rows.items()})
        print(f"Successfully extracted the features of {len(rows[names[0]])} batches to {options.output}")
    return run


def _write_arrays(path, arrays):
    if path.endswith(".npz"):
        with open_whole(path, "wb") as file:                     # a name would get .npz added
            np.savez(file, **arrays)
        return
    with hdf5.written(path) as file:
        for name, array in arrays.items():
            file[name] = array
