"""pycaffe's `caffe.io`: arrays to and from messages, pictures, and the Transformer that prepares them.

No scikit-image or scipy is needed. What differs from pycaffe: interpolation orders other than 0 and 1 are refused, and
pictures are decoded by OpenCV.
"""
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError, Message

from deeplandmark.caffe.errors import CaffeError, FileFormatError
from deeplandmark.caffe.files.blob_proto import blob_shape
from deeplandmark.caffe.files.pictures import decode_checked
from deeplandmark.caffe.proto import caffe_pb2
from deeplandmark.caffe.transformer import Transformer, resize_image

__all__ = ["Transformer", "array_to_blobproto", "array_to_datum", "arraylist_to_blobprotovector_str",
           "arraylist_to_blobprotovecor_str", "blobproto_to_array", "blobprotovector_str_to_arraylist",
           "datum_to_array", "load_image", "oversample", "resize_image"]

_GREY = np.array([0.2125, 0.7154, 0.0721])                        # luminance of R, G, B, as scikit-image weighs them


def blobproto_to_array(blob: Message, return_diff: bool = False) -> np.ndarray:
    """Data (or diff) of a BlobProto as a float64 array of its shape, 4 axes for a legacy one.

    Raises
    ------
    FileFormatError
        Where the number of values is not that of the shape.
    """
    values = np.array(blob.diff if return_diff else blob.data, dtype=np.float64)
    return _shaped(values, blob_shape(blob), "BlobProto")


def array_to_blobproto(arr: np.ndarray, diff: np.ndarray | None = None) -> Message:
    """A BlobProto with the shape and the values of an array, and the diff of another of the same shape.

    A CaffeError where the shapes differ.
    """
    blob = caffe_pb2.BlobProto()
    blob.shape.dim.extend(arr.shape)
    blob.data.extend(np.asarray(arr, float).ravel().tolist())
    if diff is not None:
        if np.shape(diff) != np.shape(arr):
            raise CaffeError(f"the array has shape {np.shape(arr)}, the diff {np.shape(diff)}")
        blob.diff.extend(np.asarray(diff, float).ravel().tolist())
    return blob


def arraylist_to_blobprotovector_str(arraylist: Iterable[np.ndarray]) -> bytes:
    """A list of arrays as the bytes of a BlobProtoVector."""
    return caffe_pb2.BlobProtoVector(blobs=map(array_to_blobproto, arraylist)).SerializeToString()


arraylist_to_blobprotovecor_str = arraylist_to_blobprotovector_str   # pycaffe spells it so


def blobprotovector_str_to_arraylist(data: bytes) -> list[np.ndarray]:
    """The float64 arrays of a BlobProtoVector given as bytes; a FileFormatError where they are none."""
    try:
        vector = caffe_pb2.BlobProtoVector.FromString(data)
    except DecodeError:
        raise FileFormatError("not the bytes of a BlobProtoVector, or cut off") from None
    return [blobproto_to_array(blob) for blob in vector.blobs]


def array_to_datum(arr: np.ndarray, label: int | None = None) -> Message:
    """A Datum of an array (channels, height, width): uint8 is stored as bytes, everything else as floats.

    Raises
    ------
    CaffeError
        For an array that has not 3 axes.
    """
    if arr.ndim != 3:
        raise CaffeError(f"a Datum holds (channels, height, width); the array has shape {arr.shape}")
    datum = caffe_pb2.Datum()
    datum.channels, datum.height, datum.width = arr.shape
    if arr.dtype == np.uint8:
        datum.data = arr.tobytes()
    else:
        datum.float_data.extend(np.asarray(arr, float).ravel().tolist())
    if label is not None:
        datum.label = int(label)
    return datum


def datum_to_array(datum: Message) -> np.ndarray:
    """The array (channels, height, width) of a Datum: uint8 where it holds bytes, float64 where it holds floats.

    Raises
    ------
    CaffeError
        For an encoded picture, or a number of values that is not that of the shape.
    """
    if datum.encoded:
        raise CaffeError("the Datum holds an encoded picture (JPEG, PNG); decode datum.data first")
    values = np.frombuffer(datum.data, np.uint8).copy() if datum.data else np.array(datum.float_data, float)
    return _shaped(values, (datum.channels, datum.height, datum.width), "Datum")


def _shaped(values, shape, what):
    if values.size != int(np.prod(shape, dtype=np.int64)):
        raise FileFormatError(f"{what}: {values.size} values for shape {tuple(shape)}")
    return values.reshape(shape)


def load_image(filename: str | os.PathLike[str], color: bool = True) -> np.ndarray:
    """A picture as float32 in 0..1: (h, w, 3) RGB, or (h, w, 1) of luminance with `color=False`; alpha is dropped.

    Raises
    ------
    FileFormatError
        When the file is missing or is no picture.
    """
    import cv2  # only those who read pictures pay for it
    if not os.path.isfile(filename):
        raise FileFormatError(f"{os.fspath(filename)}: not found")
    try:
        picture: Any = decode_checked(Path(filename).read_bytes(), cv2.IMREAD_UNCHANGED)
    except (ValueError, OSError) as error:
        raise FileFormatError(f"{os.fspath(filename)}: is no picture that can be read ({error})") from None
    largest = np.iinfo(picture.dtype).max if picture.dtype.kind == "u" else 1.0
    picture = picture / largest                                  # float64, so that one rounding is all
    if picture.ndim == 3:
        picture = picture[:, :, 2::-1]                           # BGR or BGRA to RGB
        picture = picture if color else (picture @ _GREY)[:, :, None]
    else:
        picture = np.repeat(picture[:, :, None], 3 if color else 1, 2)
    return picture.astype(np.float32)


def oversample(images: Sequence[np.ndarray] | np.ndarray, crop_dims: Sequence[int] | np.ndarray) -> np.ndarray:
    """The four corners and the centre of each picture, then the same mirrored.

    Parameters
    ----------
    images : sequence of arrays (h, w, k) of one size
    crop_dims : (height, width)
        Pixels.

    Returns
    -------
    float32 array (10 * n, height, width, k)

    Raises
    ------
    CaffeError
        For crops larger than the pictures.
    """
    rows, columns, channels = images[0].shape
    height, width = (int(n) for n in crop_dims)
    if height > rows or width > columns:
        raise CaffeError(f"crops of {height} x {width} do not fit into pictures of {rows} x {columns}")
    corners = [(top, left) for top in (0, rows - height) for left in (0, columns - width)]
    corners.append((int(rows / 2 - height / 2), int(columns / 2 - width / 2)))
    crops = np.empty((10 * len(images), height, width, channels), np.float32)
    for i, image in enumerate(images):
        five = crops[10 * i:10 * i + 5]
        for crop, (top, left) in zip(five, corners):
            crop[...] = image[top:top + height, left:left + width]
        crops[10 * i + 5:10 * i + 10] = five[:, :, ::-1]
    return crops
