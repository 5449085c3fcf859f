"""The mean picture of a database (tools/compute_image_mean.cpp)."""
import numpy as np

from deeplandmark.caffe.errors import CaffeError
from deeplandmark.caffe.files.database import BACKENDS
from deeplandmark.caffe.proto import caffe_pb2


def compute_image_mean(parser):
    """Write the mean picture of a database of Datums as .binaryproto.

    The mean of each channel is printed.
    """
    parser.add_argument("-backend", "--backend", choices=BACKENDS, default="lmdb", help="kind of database")
    parser.add_argument("database", metavar="INPUT_DB", help="folder of the database")
    parser.add_argument("output", metavar="OUTPUT_FILE", nargs="?", help=".binaryproto; without it, only print")

    def run(options):
        from deeplandmark.caffe.files.write_weights import write_message
        mean = _mean_of_database(options.database, options.backend)
        if options.output:
            blob = caffe_pb2.BlobProto(num=1, data=mean.ravel().tolist())
            blob.channels, blob.height, blob.width = mean.shape  # the legacy shape, as Caffe writes it
            write_message(options.output, blob)
            print(f"Write to {options.output}")
        print(f"Number of channels: {len(mean)}")
        for channel, value in enumerate(mean.reshape(len(mean), -1).mean(1)):
            print(f"mean_value channel [{channel}]: {value:g}")
    return run


def _mean_of_database(path, backend):
    """Mean (channels, height, width) over all Datums of a database, float64."""
    from deeplandmark.caffe.net import Net
    from deeplandmark.caffe.net_spec import layers as L
    from deeplandmark.caffe.net_spec import params as P
    data = L.Data(source=path, backend=getattr(P.Data, backend.upper()), batch_size=1)
    net = Net(data.to_proto(), caffe_pb2.TEST)
    count = net.layers[0].cursor.entries
    total = 0.0
    for row in range(count):
        picture = next(iter(net.forward().values()))[0].astype(np.float64)
        if row and picture.shape != total.shape:
            raise CaffeError(f"{path}: picture {row} has shape {picture.shape}, those before it {total.shape}")
        total = total + picture
    return total / count
