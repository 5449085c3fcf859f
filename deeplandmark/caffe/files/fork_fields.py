"""Fields of Caffe's forks that change no float32 result: taken out of a text, with one warning that names them.

They choose an engine, a precision, memory, a cache, the share of a node, or when shapes are looked at, which here is
whenever they change. The names are those of NVIDIA/caffe 0.15 to 0.17, intel/caffe, yjxiong/caffe (PSPNet's) and
FlowNet's; everything else that the schema lacks stays an error. Of quantization_param the schema has Ristretto's, which
does change what its layers compute: it stays in layers whose type, which must stand before it, ends with Ristretto.
"""
import re
import warnings

from deeplandmark.caffe.errors import ForkFieldWarning

_TOKEN = re.compile(r'#[^\n]*|"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'|[{}<>\[\]:;,]|[^\s{}<>\[\]:;,#"\']+')
_OPENING, _CLOSING = "{<[", "}>]"
_PRECISION = {"default_forward_type", "default_backward_type", "default_forward_math", "default_backward_math",
              "default_cudnn_math_override", "forward_type", "backward_type", "forward_math", "backward_math",
              "cudnn_math_override", "solver_data_type", "global_grad_scale", "global_grad_scale_adaptive"}
_ANY = {"engine"}                                                # wherever a message lacks it, or its value
_HARMLESS = {
    "NetParameter": _PRECISION | {"eltwise_mem_sharing", "reduce_buckets", "bn_stats_batch_size", "compile_net_state",
                                  "multinode", "mem_param", "optimize_mem"},
    "LayerParameter": _PRECISION | {"multinode", "mn_activation_param", "mn_grad_compress_param",
                                    "debug", "parallel_share", "reshape_every_iter"},
    "SolverParameter": _PRECISION | {"per_parameter_reduce", "reduce_buckets", "store_blobs_in_old_format",
                                     "multinode"},
    "ConvolutionParameter": {"cudnn_convolution_algo_seeker", "conv_algorithm", "cudnn_math_override"},
    "BatchNormParameter": {"stats_batch_size"},
    "DataParameter": {"cache", "shuffle", "threads", "parser_threads", "disk_reader_threads"},
    "ImageDataParameter": {"cache", "threads"}}


def without_fork_fields(text, descriptor, place):
    """The text with blanks where fields without effect stood; a ForkFieldWarning names them and their layers.

    Parameters
    ----------
    text : str
        Text format of a message, correct or not: what cannot be understood stays as it is.
    descriptor : message descriptor
    place : str
        Of the text, for the warning.
    """
    spans = _find(text, descriptor)
    if spans:
        warnings.warn(f"{place}: {_described(text, spans)}", ForkFieldWarning, stacklevel=2)
    parts, end = [], 0
    for start, stop, _, _ in spans:
        parts += [text[end:start], re.sub(r"[^\n]", " ", text[start:stop])]
        end = stop
    return "".join([*parts, text[end:]])


class _Frame:
    """A message that is open: its descriptor (None where the schema lacks it), the word it began with, its name and
    type."""

    def __init__(self, descriptor, word, outer):
        self.descriptor, self.word, self.outer = descriptor, word, outer
        self.name = self.type = None

    def layer(self):
        """Name (str) of the layer that this message is or lies in; None outside of layers."""
        frame = self
        while frame is not None and frame.word not in ("layer", "layers"):
            frame = frame.outer
        return frame and (frame.name or "")


def _find(text, descriptor):
    """(start, end, name with its message's, frame) of every field to take out, in order."""
    tokens = [(match.group(), match.start(), match.end()) for match in _TOKEN.finditer(text)
              if match.group()[0] != "#"]
    frame, spans, i, closings = _Frame(descriptor, None, None), [], 0, _closings(tokens)
    while i < len(tokens):
        word, start, _ = tokens[i]
        i += 1
        if word in _CLOSING:
            frame = frame.outer or frame
        elif word[0].isalpha() or word[0] == "_":
            first = i + (i < len(tokens) and tokens[i][0] == ":")
            if first >= len(tokens):
                break
            last = _end_of_value(tokens, first, closings)
            if word in ("name", "type") and getattr(frame, word) is None:
                setattr(frame, word, tokens[first][0].strip("\"'"))
            if _is_harmless(frame, word, tokens[first][0]):
                path = word if frame.word in (None, "layer", "layers") else f"{frame.word} {word}"
                spans.append((start, tokens[last][2], path, frame))
                i = last + 1
            elif tokens[first][0] in "{<":
                field = frame.descriptor and frame.descriptor.fields_by_name.get(word)
                frame, i = _Frame(field and field.message_type, word, frame), first + 1
            else:
                i = last + 1
    return spans


def _closings(tokens):
    """{position of an opening bracket: that of the one which closes it}, found in one pass: files may be hostile."""
    found, opened = {}, []
    for i, (word, _, _) in enumerate(tokens):
        if word in _OPENING:
            opened.append(i)
        elif word in _CLOSING and opened:
            found[opened.pop()] = i
    return found


def _end_of_value(tokens, first, closings):
    """Position of the last token of the value that begins at `first`; strings side by side are one value."""
    word, last = tokens[first][0], first
    if word in _OPENING:
        return closings.get(first, len(tokens) - 1)
    if word[0] in "\"'":
        while last + 1 < len(tokens) and tokens[last + 1][0][0] in "\"'":
            last += 1
    return last


def _is_harmless(frame, name, value):
    message = frame.descriptor
    if message is None:
        return False
    if name == "quantization_param":
        return message.name == "LayerParameter" and not (frame.type or "").endswith("Ristretto")
    field = message.fields_by_name.get(name)
    if field is not None:                                        # an engine that Caffe lacks: MKL2017, MKLDNN
        return name in _ANY and field.enum_type is not None and value[0] not in _OPENING + _CLOSING \
            and value not in field.enum_type.values_by_name and not value.lstrip("-").isdigit()
    return name in _ANY or name in _HARMLESS.get(message.name, ())


def _described(text, spans):
    """layer 'conv1' (line 7): quantization_param; 52 more like it: engine, ..."""
    start, _, path, frame = spans[0]
    layer, line = frame.layer(), text.count("\n", 0, start) + 1
    names = sorted({path for _, _, path, _ in spans})
    first = f"layer {layer!r} (line {line}): {path}" if layer is not None else f"line {line}: {path}"
    more = f"; {len(spans)} fields in all: {', '.join(names)}" if len(spans) > 1 else ""
    return f"{first} is of a fork of Caffe and changes no result: left out{more} (strict=True refuses it, as BVLC does)"
