"""Reads prototxt text: nets and solvers as messages, with the line every layer stands on."""
import os
import re
from dataclasses import dataclass, field

from google.protobuf import text_format

from deeplandmark.caffe.errors import PrototxtError
from deeplandmark.caffe.proto import caffe_pb2
from deeplandmark.caffe.upgrade import upgrade_net, upgrade_solver

_TOKEN = re.compile(r'#[^\n]*|"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'|[{}<>:]|[\w.+-]+|\n')
_POSITION = re.compile(r"^\s*\d+:\d+\s*:\s*")


@dataclass
class NetSource:
    """A net definition and where it came from.

    Attributes
    ----------
    message : NetParameter
        Upgraded: only `layer` fields, inputs turned into Input layers.
    file : str or None
        Path as given by the caller; None for a message or a bare text.
    lines : list of int or None, one per message.layer
    """
    message: object
    file: str = None
    lines: list = field(default_factory=list)

    def line(self, index):
        return self.lines[index] if index < len(self.lines) else None


def read_source(net):
    """The NetSource of a path, of prototxt text or of a NetParameter (which is copied, never changed).

    Text is told from a path by a brace or a line break.

    Raises
    ------
    PrototxtError
        `FILE:LINE: reason` for text that does not follow the schema, or for a layer that cannot be upgraded.
    """
    if isinstance(net, NetSource):
        return net
    if isinstance(net, caffe_pb2.NetParameter):
        message = caffe_pb2.NetParameter()
        message.CopyFrom(net)
        return NetSource(upgrade_net(message))
    text, file = _text_of(net)
    message = parse_text(text, caffe_pb2.NetParameter(), file)
    try:
        upgrade_net(message)
    except PrototxtError as error:
        raise PrototxtError(f"{file or '<text>'}: {error}") from None
    return NetSource(message, file, _match_lines(message, layer_lines(text)))


def read_net(net):
    """The upgraded NetParameter of a path, a text or a message; errors as in `read_source`."""
    return read_source(net).message


def read_solver(solver):
    """The SolverParameter of a path, a text or a message, with the old `solver_type` turned into `type`."""
    if isinstance(solver, caffe_pb2.SolverParameter):
        message = caffe_pb2.SolverParameter()
        message.CopyFrom(solver)
    else:
        text, file = _text_of(solver)
        message = parse_text(text, caffe_pb2.SolverParameter(), file)
    return upgrade_solver(message)


def parse_text(text, message, file=None):
    """Parses text into `message` and returns it; a PrototxtError names file and line."""
    try:
        return text_format.Parse(text, message)
    except text_format.ParseError as error:
        line = error.GetLine()
        reason = _POSITION.sub("", str(error))
        raise PrototxtError(f"{file or '<text>'}:{line or 1}: {reason}") from None


def _text_of(source):
    """(text, file name or None) of a path or of text itself."""
    if isinstance(source, str) and ("{" in source or "\n" in source):
        return source, None
    file = os.fspath(source)
    try:
        with open(file, encoding="utf-8") as stream:
            return stream.read(), file
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not text"
        raise PrototxtError(f"{file}: {reason}") from None


def layer_lines(text):
    """(name, line) of every `layer {` or `layers {` block at the outermost level, in order."""
    found, depth, line, words = [], 0, 1, []
    for token in _TOKEN.findall(text):
        if token == "\n":
            line += 1
        elif token[0] == "#":
            continue
        elif token in "{<":
            if depth == 0 and words and words[-1][0] in ("layer", "layers"):
                found.append(["", words[-1][1]])
            depth += 1
        elif token in "}>":
            depth -= 1
        elif token != ":":
            # A V0 layer keeps its name one level deeper, in layers { layer { name } }.
            if found and depth in (1, 2) and words and words[-1][0] == "name" and not found[-1][0]:
                found[-1][0] = token[1:-1]
            words.append((token, line))
    return [tuple(block) for block in found]


def _match_lines(message, blocks):
    """Lines of the upgraded layers: upgrading adds Input layers in front and drops padding layers, order stays."""
    lines, position = [], 0
    for layer in message.layer:
        match = next((i for i in range(position, len(blocks)) if blocks[i][0] == layer.name), None)
        lines.append(None if match is None else blocks[match][1])
        position = position if match is None else match + 1
    return lines
