"""Reads prototxt text: nets and solvers as messages, with the line every layer stands on."""
import os
import re
from collections import defaultdict, deque
from dataclasses import dataclass, field

from google.protobuf import text_format
from google.protobuf.message import Message

from deeplandmark.caffe.errors import PrototxtError
from deeplandmark.caffe.files.fork_fields import without_fork_fields
from deeplandmark.caffe.files.plain import mistaken, open_plain
from deeplandmark.caffe.files.upgrade import upgrade_net, upgrade_solver
from deeplandmark.caffe.limits import MAX_MESSAGES
from deeplandmark.caffe.proto import caffe_pb2

_TOKEN = re.compile(r'#[^\n]*|"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'|[{}<>:]|[\w.+-]+|\n')
_LARGEST = 2 << 20               # characters of a text; the deepest published nets have half a million
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")             # of no text
_CHINESE = re.compile(rb"(?:[\x00-\x7f]|[\xa1-\xf7][\xa1-\xfe])*")
_POSITION = re.compile(r"^\s*\d+:\d+\s*:\s*")

Definition = str | os.PathLike[str] | Message                   # a path, prototxt text, or the message itself


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
    message: Message
    file: str | None = None
    lines: list[int | None] = field(default_factory=list)

    def line(self, index):
        """Line (int) of message.layer[index], or None."""
        return self.lines[index] if index < len(self.lines) else None


def read_source(net, strict=False):
    """The NetSource of a path, of prototxt text or of a NetParameter (which is copied, never changed).

    Text is told from a path by a brace or a line break. Fields of forks of Caffe that change no float32 result are left
    out with a ForkFieldWarning; with `strict` (bool) they are refused, as everything that the schema lacks.

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
    message = parse_text(text, caffe_pb2.NetParameter(), file, strict)
    try:
        upgrade_net(message)
    except PrototxtError as error:
        raise PrototxtError(f"{file or '<text>'}: {error}") from None
    return NetSource(message, file, _match_lines(message, layer_lines(text)))


def read_net(net):
    """The upgraded NetParameter of a path, a text or a message; a PrototxtError as of `read_source`."""
    return read_source(net).message


def read_solver(solver, strict=False):
    """The SolverParameter of a path, a text or a message, with the old `solver_type` turned into `type`.

    `strict` (bool) is that of `read_source`.

    Raises
    ------
    PrototxtError
        `FILE:LINE: reason` for text that does not follow the schema.
    """
    if isinstance(solver, caffe_pb2.SolverParameter):
        message = caffe_pb2.SolverParameter()
        message.CopyFrom(solver)
    else:
        text, file = _text_of(solver)
        message = parse_text(text, caffe_pb2.SolverParameter(), file, strict)
    return upgrade_solver(message)


def parse_text(text, message, file=None, strict=False):
    """Parses text into `message` and returns it; a PrototxtError names file and line, or says that it is too large.

    Without `strict`, fields of forks that change no result are left out, see `fork_fields`.
    """
    place = file or "<text>"
    if len(text) > _LARGEST or text.count("{") + text.count("<") > MAX_MESSAGES:
        raise PrototxtError(f"{place}: is larger than any net: more than {_LARGEST} characters "
                            f"or {MAX_MESSAGES} braces")
    try:
        text_format.Parse(text, message)
        _refuse_bits_elsewhere(message)
        return message
    except text_format.ParseError as error:
        if not strict:
            message.Clear()
            return parse_text(without_fork_fields(text, message.DESCRIPTOR, place), message, file, strict=True)
        line = error.GetLine()
        reason = _POSITION.sub("", str(error))
        raise PrototxtError(f"{place}:{line or 1}: {_layer_at(text, line)}{_shortened(reason)}") from None


def _refuse_bits_elsewhere(message):
    """A ParseError for a quantization_param that is not Ristretto's, of which alone the schema has it."""
    for layer in getattr(message, "layer", ()):
        if layer.HasField("quantization_param") and not layer.type.endswith("Ristretto"):
            raise text_format.ParseError(f'Layer {layer.name!r} of type {layer.type} has no field named '
                                         '"quantization_param": Ristretto\'s layers have one')


def _layer_at(text, line):
    """"layer 'conv1': " for the layer that a line (int or None) lies in, '' outside of layers."""
    before = [(name, first) for name, first in layer_lines(text) if line and first <= line]
    if not before:
        return ""
    name, first = before[-1]
    inside = "\n".join(text.split("\n")[first - 1:line - 1])
    return f"layer {name!r}: " if first == line or inside.count("{") > inside.count("}") else ""


def _shortened(text, length=300):
    """Without the middle of a long text, such as a file that is one line."""
    return text if len(text) <= length else f"{text[:length // 2]} ... {text[-length // 2:]}"


def _text_of(source):
    """(text, file name or None) of a path or of text itself."""
    if isinstance(source, str) and ("{" in source or "\n" in source):
        return source, None
    file = os.fspath(source)
    try:
        with open_plain(file) as stream:
            data = stream.read(_LARGEST + 1)                     # parse_text refuses what is longer
    except OSError as error:
        raise PrototxtError(f"{file}: {error.strerror}") from None
    if mistaken(data):
        raise PrototxtError(f"{file}: {mistaken(data)}")
    text = _decoded(data, file).replace("\r\n", "\n")
    if not text.strip():
        raise PrototxtError(f"{file}: is empty")
    return text, file


def _decoded(data, file):
    """The text of a file, of whatever encoding editors write: UTF-8, UTF-16 with its mark, GBK, Latin-1.

    The last two only where the bytes are no UTF-8: Caffe's parser takes any byte in comments and names.
    """
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace")
    if _CONTROL.search(data):
        raise PrototxtError(f"{file}: is not text; a definition comes first, binary weights second")
    try:
        return data.decode("utf-8-sig", errors="strict" if len(data) <= _LARGEST else "replace")
    except UnicodeDecodeError:
        return data.decode("gb18030" if _CHINESE.fullmatch(data) else "latin-1")


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
    places = defaultdict(deque)
    for index, (name, _) in enumerate(blocks):
        places[name].append(index)
    lines, position = [], 0
    for layer in message.layer:
        found = places[layer.name]
        while found and found[0] < position:
            found.popleft()
        lines.append(blocks[found[0]][1] if found else None)
        position = found.popleft() + 1 if found else position
    return lines
