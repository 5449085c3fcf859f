"""Blobs of many batches, as Caffe's databases of Datums or in one file (tools/extract_features.cpp)."""
import contextlib

import numpy as np

from deeplandmark.caffe.errors import CaffeError
from deeplandmark.caffe.files import hdf5
from deeplandmark.caffe.files.database import BACKENDS, written_database
from deeplandmark.caffe.proto import caffe_pb2
from deeplandmark.work.whole_file import open_whole


def extract_features(parser):
    """Run a net over its data and write blobs into databases, or one .h5 or .npz.

    The net runs in phase TEST; the rows of its batches stand one after another. With Caffe's arguments, each blob gets
    a database of Datums with float_data.
    """
    parser.add_argument("weights", metavar="WEIGHTS", help=".caffemodel or .caffemodel.h5")
    parser.add_argument("model", metavar="MODEL", help="prototxt with a data layer")
    parser.add_argument("blobs", metavar="BLOBS", help="names between commas")
    parser.add_argument("output", metavar="OUT", help=".h5 or .npz; one array (rows, ...) per blob, under its name; "
                                                      "with DB_TYPE a folder for each blob, between commas")
    parser.add_argument("batches", metavar="BATCHES", type=int, help="number of batches to run")
    parser.add_argument("db_type", metavar="DB_TYPE", nargs="?", choices=BACKENDS, help="lmdb or leveldb")
    parser.add_argument("mode", metavar="CPU|GPU", nargs="?", choices=["CPU", "GPU"], default="CPU", help="or GPU")
    parser.add_argument("device", metavar="DEVICE_ID", nargs="?", type=int, default=0, help="number of the GPU")

    def run(options):
        names = [name for name in options.blobs.split(",") if name]
        if options.batches < 1 or not names:
            raise CaffeError("give at least one blob and one batch")
        if options.db_type:
            _into_databases(options, names)
        else:
            _into_file(options, names)
    return run


def _into_file(options, names):
    if not options.output.endswith((".h5", ".npz")):
        raise CaffeError(f"{options.output}: features are written as .h5 or .npz, or with lmdb as a last argument")
    rows = {name: [] for name in names}
    for arrays in _batches(options, names):
        for name, array in arrays.items():
            rows[name].append(array)
    _write_arrays(options.output, {name: np.concatenate(parts) for name, parts in rows.items()})
    print(f"Successfully extracted the features of {options.batches} batches to {options.output}")


def _into_databases(options, names):
    """One Datum a row: channels, height and width of the blob, and its values as float_data."""
    folders = [folder for folder in options.output.split(",") if folder]
    if len(folders) != len(names):
        raise CaffeError(f"{len(names)} blobs and {len(folders)} databases: give one for each")
    with contextlib.ExitStack() as stack:
        puts = {name: stack.enter_context(written_database(folder, options.db_type))
                for name, folder in zip(names, folders)}
        counts = dict.fromkeys(names, 0)
        for arrays in _batches(options, names):
            for name, array in arrays.items():
                if array.ndim > 4:
                    raise CaffeError(f"blob {name!r} has {array.ndim} axes; a Datum has channels, height and width")
                channels, height, width = (array.shape[1:] + (1, 1, 1))[:3]
                for row in array:
                    datum = caffe_pb2.Datum(channels=channels, height=height, width=width, float_data=row.ravel())
                    puts[name](b"%010d" % counts[name], datum.SerializeToString())
                    counts[name] += 1
                    if counts[name] % 1000 == 0:
                        print(f"Extracted features of {counts[name]} query images for feature blob {name}")
    for name, count in counts.items():
        print(f"Extracted features of {count} query images for feature blob {name}")
    print("Successfully extracted the features!")


def _batches(options, names):
    """The blobs of each batch, dict of name to array (rows, ...), a copy."""
    from deeplandmark.caffe.net import Net
    device = f"cuda:{options.device}" if options.mode == "GPU" else "cpu"
    net = Net(options.model, caffe_pb2.TEST, weights=options.weights, device=device)
    for name in names:
        if name not in net.blobs:
            raise CaffeError(f"{options.model}: no blob {name!r} (blobs: {', '.join(net.blobs)})")
    if net.inputs:
        raise CaffeError(f"{options.model}: its inputs {', '.join(net.inputs)} have no data; use a data layer")
    for _ in range(options.batches):
        net.forward()
        yield {name: np.atleast_1d(net.blobs[name].data).copy() for name in names}


def _write_arrays(path, arrays):
    if path.endswith(".npz"):
        with open_whole(path, "wb") as file:                     # a name would get .npz added
            np.savez(file, **arrays)
        return
    with hdf5.written(path) as file:
        for name, array in arrays.items():
            file[name] = array
