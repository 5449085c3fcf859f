"""Mutated definitions and weights for `fuzz`: words, settings and bytes of small nets replaced, repeated, left out."""
import math
import os
import random
import re
import tempfile

from google.protobuf import text_format

from deeplandmark.caffe.checking.fuzz_seeds import NETS, SOLVERS
from deeplandmark.caffe.layers import layer_type_list
from deeplandmark.caffe.net import Net
from deeplandmark.caffe.proto import caffe_pb2

_NUMBERS = [0, 1, -1, 33, 255, 65536, 2**31 - 1, 2**31, -2**31, 2**32 - 1, 2**63 - 1, -2**63, 10**12, 0.5, -0.5, 1e-30,
            1e30, math.inf, -math.inf, math.nan, 2**64, 10**30, "1e999", "true", "MAX", "", '"x"']
_TYPES = [name for name in layer_type_list() if name not in ("HDF5Output", "Python")]    # write files, run code
_WORD = re.compile(r'"[^"\n]*"|[\w.+-]+|[{}:<>\[\],]')


def make_input(seed, number):
    """(kind, text of the net it is for, bytes) of an input; kind is net, weights, h5, solver, blob or state."""
    rng = random.Random(f"{seed} {number}")
    kind = rng.choices(["net", "weights", "h5", "solver", "blob", "state"], [55, 30, 4, 5, 3, 3])[0]
    text = rng.choice(SOLVERS if kind == "solver" else NETS)
    if kind in ("net", "solver"):
        mutate = _mutated_words if rng.random() < 0.4 else _mutated_settings
        return kind, text, mutate(rng, text).encode("utf-8", "replace")
    if kind == "h5":
        return kind, text, _mutated_bytes(rng, _hdf5_weights(text))
    message = _message(rng, kind, text)
    for _ in range(rng.choice([0, 0, 1, 2])):
        _mutate_message(rng, message)
    data = message.SerializePartialToString()
    return kind, text, _mutated_bytes(rng, data) if rng.random() < 0.8 else data


def _hdf5_weights(text):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "net.caffemodel.h5")
        Net(text, caffe_pb2.TEST, seed=0).save_hdf5(path)
        with open(path, "rb") as stream:
            return stream.read()


def _message(rng, kind, text):
    if kind == "weights":
        return Net(text, caffe_pb2.TEST, seed=0).to_proto()
    blob = caffe_pb2.BlobProto(data=[rng.random() for _ in range(12)])
    blob.shape.dim.extend([1, 3, 4])
    if kind == "blob":
        return blob
    return caffe_pb2.SolverState(iter=30, learned_net="x.caffemodel", current_step=1, history=[blob, blob])


def _mutated_settings(rng, text):
    """A definition that can be parsed, with other settings."""
    message = text_format.Parse(text, caffe_pb2.SolverParameter() if text in SOLVERS else caffe_pb2.NetParameter())
    for _ in range(rng.choice([1, 1, 2, 3, 6])):
        _mutate_message(rng, message)
    message.ClearField("debug_info")                             # it only prints
    return text_format.MessageToString(message)


def _mutated_words(rng, text):
    words = _WORD.findall(text)
    for _ in range(rng.choice([1, 1, 1, 2, 3, 8])):
        if not words:
            break
        place, action = rng.randrange(len(words)), rng.random()
        if action < 0.45:
            numbers = [i for i, word in enumerate(words) if word[:1].isdigit() or word[:1] == "-"]
            words[rng.choice(numbers or [place])] = str(rng.choice(_NUMBERS))
        elif action < 0.6:
            words[place] = rng.choice(words)
        elif action < 0.7:
            del words[place:place + rng.randint(1, 6)]
        elif action < 0.8:
            words[place:place] = words[place:place + rng.randint(1, 20)] * rng.choice([1, 1, 2, 50])
        elif action < 0.9:
            words[place:place] = _WORD.findall(rng.choice(NETS))
        else:
            words.insert(place, str(rng.choice(_NUMBERS)))
    text = " ".join(words)
    if rng.random() < 0.15:
        return _mutated_bytes(rng, text.encode()).decode("latin-1")
    return text


def _mutated_bytes(rng, data):
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 4, 16])):
        place, action = rng.randrange(len(data) + 1), rng.random()
        if action < 0.5 and place < len(data):
            data[place] = rng.choice([0, 1, 127, 128, 255, data[place] ^ 1 << rng.randrange(8), rng.randrange(256)])
        elif action < 0.65:
            del data[place:place + rng.choice([1, 2, 8, 64])]
        elif action < 0.8:
            data[place:place] = rng.choice([b"\xff" * 9, b"\0", b"\x80" * 12, b"\x0a\x05", b"\xfb\x07",
                                            bytes(data[:40])])
        elif action < 0.9:
            data[place:place] = data[place:place + rng.choice([2, 16, 128])] * rng.choice([1, 3, 200])
        else:
            del data[place:]
    return bytes(data)


def _mutate_message(rng, message):
    """Gives a field somewhere inside a message another value, more often a small one than an absurd one."""
    while True:
        inner = [value for field, values in message.ListFields() if field.message_type
                 for value in (values if field.is_repeated else [values])]
        if not inner or rng.random() < 0.2:
            break
        message = rng.choice(inner)
    present = [field for field, _ in message.ListFields()]
    field = rng.choice(present if present and rng.random() < 0.7 else message.DESCRIPTOR.fields)
    values = getattr(message, field.name)
    if field.message_type:
        (values.add if field.is_repeated else values.SetInParent)()
        return
    try:
        if not field.is_repeated:
            setattr(message, field.name, _value(rng, field))
        elif len(values) and rng.random() < 0.7:
            values[rng.randrange(len(values))] = _value(rng, field)
        elif len(values) and rng.random() < 0.5:
            del values[rng.randrange(len(values))]
        else:
            values.extend([_value(rng, field)] * rng.choice([1, 1, 1, 40]))
    except (OverflowError, TypeError, ValueError):               # a value that the field cannot have
        pass


def _value(rng, field):
    if field.enum_type:
        return rng.choice(field.enum_type.values).number
    if field.cpp_type == field.CPPTYPE_STRING:
        return rng.choice(["", "x", "x0", "x1", "y0", "op", "w", "xavier", *_TYPES])
    return rng.choice([rng.randrange(-2, 9), rng.uniform(-2, 2)] * 2 + _NUMBERS[:21])
