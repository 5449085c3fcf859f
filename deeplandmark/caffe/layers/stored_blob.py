"""Blobs that a layer's settings name as .binaryproto files: mean pictures and the matrix of InfogainLoss."""
from google.protobuf.message import DecodeError

from deeplandmark.caffe.proto import caffe_pb2


def read_blob_file(caller, path):
    """The BlobProto of a file; what cannot be read is refused in the name of the layer `caller`."""
    blob = caffe_pb2.BlobProto()
    try:
        with open(path, "rb") as stream:
            blob.ParseFromString(stream.read())
    except OSError as error:
        caller.fail(f"cannot read {path!r}: {error.strerror}")
    except DecodeError:
        caller.fail(f"{path!r} is not a binaryproto blob")
    return blob
