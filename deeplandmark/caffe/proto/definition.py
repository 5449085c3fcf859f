"""Reads the subset of the proto2 language that `caffe.proto` is written in.

Classes are built from the definition when the package is imported, so there is no generated code that only one
version of protobuf accepts, and whoever adds a field edits one readable file.
"""
import re

from google.protobuf import descriptor_pb2

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\w.+-]+|[{}=;\[\],]')
_COMMENT = re.compile(r"//[^\n]*")
_FIELD = descriptor_pb2.FieldDescriptorProto
_LABELS = {"optional": _FIELD.LABEL_OPTIONAL, "repeated": _FIELD.LABEL_REPEATED, "required": _FIELD.LABEL_REQUIRED}
_SCALARS = {name: getattr(_FIELD, f"TYPE_{name.upper()}") for name in (
    "double", "float", "int64", "uint64", "int32", "uint32", "bool", "string", "bytes")}


def parse(text, file_name):
    """The FileDescriptorProto of a proto2 definition with messages, enums, defaults and `packed`.

    Raises
    ------
    ValueError
        At a word the subset does not have.
    """
    words = iter(_TOKEN.findall(_COMMENT.sub("", text)))
    file = descriptor_pb2.FileDescriptorProto(name=file_name)
    for word in words:
        if word == "syntax":
            file.syntax = _statement(words)[1].strip('"')
        elif word == "package":
            file.package = _statement(words)[0]
        elif word == "enum":
            _read_enum(words, file.enum_type.add())
        elif word == "message":
            _read_message(words, file.message_type.add())
        else:
            raise ValueError(f"{file_name}: unexpected {word!r}")
    return file


def _statement(words):
    """The words up to the next semicolon."""
    found = []
    for word in words:
        if word == ";":
            break
        found.append(word)
    return found


def _read_enum(words, enum):
    enum.name = next(words)
    next(words)                                                  # {
    for word in words:
        if word == "}":
            return
        enum.value.add(name=word, number=int(_statement(words)[1]))


def _read_message(words, message):
    message.name = next(words)
    next(words)                                                  # {
    for word in words:
        if word == "}":
            return
        if word == "enum":
            _read_enum(words, message.enum_type.add())
        elif word in _LABELS:
            _read_field(_statement(words), message.field.add(label=_LABELS[word]))
        else:
            raise ValueError(f"message {message.name}: unexpected {word!r}")


def _read_field(words, field):
    type_name, field.name, _, number, *options = words
    field.number = int(number)
    if type_name in _SCALARS:
        field.type = _SCALARS[type_name]
    else:
        field.type_name = type_name                              # protobuf finds out whether message or enum
    for option, _, value in zip(options[1::4], options[2::4], options[3::4]):
        if option == "packed":
            field.options.packed = value == "true"
        elif option == "default":
            field.default_value = value.strip('"')
        else:
            raise ValueError(f"field {field.name}: unknown option {option!r}")
