"""Caffe's message classes (NetParameter, BlobProto ...) and enum values (TRAIN, TEST), as pycaffe names them."""
from importlib.resources import files
from typing import Any

from google.protobuf import descriptor_pool, message_factory

from deeplandmark.caffe.proto.definition import parse


def _build():
    text = files("deeplandmark.caffe.proto").joinpath("caffe.proto").read_text(encoding="utf-8")
    # A pool of its own: another caffe_pb2 in the same process does not collide with this one.
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(parse(text, "deeplandmark/caffe.proto").SerializeToString())
    return pool.FindFileByName("deeplandmark/caffe.proto")


DESCRIPTOR = _build()
TRAIN: int
TEST: int
globals().update({name: message_factory.GetMessageClass(message)
                  for name, message in DESCRIPTOR.message_types_by_name.items()})
globals().update({value.name: value.number
                  for enum in DESCRIPTOR.enum_types_by_name.values() for value in enum.values})


def __getattr__(name: str) -> Any:                               # type checkers cannot know the names made above
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
