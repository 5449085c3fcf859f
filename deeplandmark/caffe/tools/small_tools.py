"""The small programs beside `caffe`: `deeplandmark caffe NAME ...`, each with --help and one-line errors."""
import argparse
import os
import sys

import numpy as np

from deeplandmark.caffe.errors import CaffeError
from deeplandmark.caffe.files.plain import replaced, write_bytes
from deeplandmark.caffe.proto import caffe_pb2

_TOOLS = {}


def tool(function):
    """Registers a function that adds its arguments to a parser and returns the function to run with them."""
    _TOOLS[function.__name__] = function
    return function


def tool_names():
    """Names of the tools, sorted."""
    return sorted(_TOOLS)


def main(name, arguments):
    """Runs one tool; returns the exit status. An error is one line on standard error and status 1."""
    parser = _Parser(prog=f"deeplandmark caffe {name}", description=_TOOLS[name].__doc__, allow_abbrev=False)
    run = _TOOLS[name](parser)
    options = parser.parse_args(arguments)
    try:
        run(options)
    except (CaffeError, OSError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        return 130
    return 0


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(2, f"{self.prog}: {message} (--help shows the arguments)\n")


def _input_and_output(parser, what):
    parser.add_argument("input", metavar="IN", help=f"{what} to read")
    parser.add_argument("output", metavar="OUT", help="file to write, whole or not at all")


@tool
def upgrade_net_proto_text(parser):
    """Write a net definition of any age (V0, V1, input fields) in today's form."""
    _input_and_output(parser, "prototxt of a net")

    def run(options):
        from deeplandmark.caffe.files.prototxt import parse_text, read_net
        with open(options.input, encoding="utf-8", errors="strict") as file:
            text = _read_text(file, options.input)
        before = parse_text(text, caffe_pb2.NetParameter(), options.input)
        _write_upgraded(before, read_net(options.input), options, "NetParameter text", _text_bytes)
    return run


@tool
def upgrade_net_proto_binary(parser):
    """Write a binary net with its weights (.caffemodel) of any age in today's form."""
    _input_and_output(parser, "binary NetParameter")

    def run(options):
        from deeplandmark.caffe.files.model_file import read_caffemodel, read_message
        before = read_message(options.input, caffe_pb2.NetParameter())
        _write_upgraded(before, read_caffemodel(options.input), options, "NetParameter binary",
                        lambda message: message.SerializeToString())
    return run


@tool
def upgrade_solver_proto_text(parser):
    """Write a solver definition with the old enum solver_type in today's form."""
    _input_and_output(parser, "prototxt of a solver")

    def run(options):
        from deeplandmark.caffe.files.prototxt import parse_text, read_solver
        with open(options.input, encoding="utf-8", errors="strict") as file:
            text = _read_text(file, options.input)
        before = parse_text(text, caffe_pb2.SolverParameter(), options.input)
        _write_upgraded(before, read_solver(options.input), options, "SolverParameter text", _text_bytes)
    return run


def _read_text(file, name):
    try:
        return file.read()
    except UnicodeDecodeError:
        raise CaffeError(f"{name}: is not text") from None


def _write_upgraded(before, after, options, what, to_bytes):
    if before == after:
        print(f"File already in latest proto format: {options.input}")
    write_bytes(options.output, to_bytes(after))
    print(f"Wrote upgraded {what} proto to {options.output}")


def _text_bytes(message):
    from google.protobuf import text_format
    return text_format.MessageToString(message).encode()


@tool
def draw_net(parser):
    """Draw a net: .svg and .png always, .dot as text, further formats with the program dot."""
    from deeplandmark.caffe.draw import RANK_DIRECTIONS
    parser.add_argument("model", metavar="IN", help="prototxt of a net")
    parser.add_argument("output", metavar="OUT", help="picture to write; its extension says the format")
    parser.add_argument("--rankdir", choices=RANK_DIRECTIONS, default="LR",
                        help="direction: LR left to right (default), RL, TB top to bottom, BT")
    parser.add_argument("--phase", choices=["TRAIN", "TEST", "ALL"], type=str.upper, default="ALL",
                        help="layers of one phase; default all")
    parser.add_argument("--display_lrm", action="store_true", help="write lr_mult into the layers")

    def run(options):
        from deeplandmark.caffe.draw import draw_net_to_file
        from deeplandmark.caffe.files.prototxt import read_net
        phase = None if options.phase == "ALL" else getattr(caffe_pb2, options.phase)
        draw_net_to_file(read_net(options.model), options.output, options.rankdir, phase, options.display_lrm)
        print(f"Drawing net to {options.output}")
    return run


@tool
def parse_log(parser):
    """Write the numbers of a training log, Caffe's or ours, as two CSV files: <log>.train and <log>.test."""
    parser.add_argument("log", metavar="LOG", help="training log")
    parser.add_argument("out_dir", metavar="OUT_DIR", help="folder for the two files")
    parser.add_argument("--delimiter", default=",", help="between columns; default a comma")

    def run(options):
        from deeplandmark.caffe.logs.parse_log import parse_log as parse
        from deeplandmark.caffe.logs.parse_log import write_csv
        if len(options.delimiter) != 1:
            raise CaffeError(f"--delimiter must be one character, found {options.delimiter!r}")
        print("\n".join(write_csv(parse(options.log), options.out_dir, os.path.basename(options.log),
                                  options.delimiter)))
    return run


@tool
def extract_features(parser):
    """Run a net in phase TEST over its own data and write blobs, batch after batch, into one .h5 or .npz file."""
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
    with replaced(path) as temporary:
        if path.endswith(".npz"):
            with open(temporary, "wb") as file:                  # a name would get .npz added
                np.savez(file, **arrays)
            return
        import h5py  # only those who use HDF5 pay for it
        with h5py.File(temporary, "w") as file:
            for name, array in arrays.items():
                file[name] = array


@tool
def compute_image_mean(parser):
    """Write the mean picture of an LMDB of Datums as .binaryproto and print the mean of each channel."""
    parser.add_argument("-backend", "--backend", choices=["lmdb"], default="lmdb", help="kind of database")
    parser.add_argument("database", metavar="INPUT_DB", help="folder of the LMDB")
    parser.add_argument("output", metavar="OUTPUT_FILE", nargs="?", help=".binaryproto; without it, only print")

    def run(options):
        from deeplandmark.caffe.files.model_file import write_message
        mean = _mean_of_database(options.database)
        if options.output:
            blob = caffe_pb2.BlobProto(num=1, data=mean.ravel().tolist())
            blob.channels, blob.height, blob.width = mean.shape  # the legacy shape, as Caffe writes it
            write_message(options.output, blob)
            print(f"Write to {options.output}")
        print(f"Number of channels: {len(mean)}")
        for channel, value in enumerate(mean.reshape(len(mean), -1).mean(1)):
            print(f"mean_value channel [{channel}]: {value:g}")
    return run


def _mean_of_database(path):
    """Mean (channels, height, width) over all Datums of an LMDB, float64."""
    from deeplandmark.caffe.net import Net
    from deeplandmark.caffe.net_spec import layers as L
    from deeplandmark.caffe.net_spec import params as P
    data = L.Data(source=path, backend=P.Data.LMDB, batch_size=1)
    net = Net(data.to_proto(), caffe_pb2.TEST)
    count = net.layers[0].cursor.database.environment.stat()["entries"]
    total = 0.0
    for row in range(count):
        picture = next(iter(net.forward().values()))[0].astype(np.float64)
        if row and picture.shape != total.shape:
            raise CaffeError(f"{path}: picture {row} has shape {picture.shape}, those before it {total.shape}")
        total = total + picture
    return total / count
