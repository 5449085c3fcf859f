"""Blobs that a layer's settings name as .binaryproto files: mean pictures and the matrix of InfogainLoss."""
from deeplandmark.caffe.errors import FileFormatError
from deeplandmark.caffe.files.model_file import read_message
from deeplandmark.caffe.proto import caffe_pb2


def read_blob_file(caller, path):
    """The BlobProto of a .binaryproto file; what cannot be read is a NetError in the name of the layer `caller`."""
    try:
        return read_message(path, caffe_pb2.BlobProto())
    except FileFormatError as error:
        caller.fail(f"cannot read {path!r}: {error}")
