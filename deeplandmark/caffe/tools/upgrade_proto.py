"""Definitions and weights of any age in today's form (tools/upgrade_*_proto_*.cpp)."""
from deeplandmark.caffe.errors import CaffeError
from deeplandmark.caffe.proto import caffe_pb2
from deeplandmark.work.whole_file import write_bytes


def _input_and_output(parser, what):
    parser.add_argument("input", metavar="IN", help=f"{what} to read")
    parser.add_argument("output", metavar="OUT", help="file to write, whole or not at all")


def upgrade_net_proto_text(parser):
    """Write a net definition of any age (V0, V1, input fields) in today's form."""
    _input_and_output(parser, "prototxt of a net")

    def run(options):
        from deeplandmark.caffe.files.prototxt import parse_text, read_net
        with open(options.input, encoding="utf-8", errors="strict") as file:
            text = _read_text(file, options.input)
        before = parse_text(text, caffe_pb2.NetParameter(), options.input)
        _write_upgraded(before, read_net(options.input), options, "NetParameter text", _text_bytes)
    return run


def upgrade_net_proto_binary(parser):
    """Write a binary net with its weights (.caffemodel) of any age in today's form."""
    _input_and_output(parser, "binary NetParameter")

    def run(options):
        from deeplandmark.caffe.files.model_file import read_caffemodel, read_message
        before = read_message(options.input, caffe_pb2.NetParameter())
        _write_upgraded(before, read_caffemodel(options.input), options, "NetParameter binary",
                        lambda message: message.SerializeToString())
    return run


def upgrade_solver_proto_text(parser):
    """Write a solver definition with the old enum solver_type in today's form."""
    _input_and_output(parser, "prototxt of a solver")

    def run(options):
        from deeplandmark.caffe.files.prototxt import parse_text, read_solver
        with open(options.input, encoding="utf-8", errors="strict") as file:
            text = _read_text(file, options.input)
        before = parse_text(text, caffe_pb2.SolverParameter(), options.input)
        _write_upgraded(before, read_solver(options.input), options, "SolverParameter text", _text_bytes)
    return run


def _read_text(file, name):
    try:
        return file.read()
    except UnicodeDecodeError:
        raise CaffeError(f"{name}: is not text") from None


def _write_upgraded(before, after, options, what, to_bytes):
    if before == after:
        print(f"File already in latest proto format: {options.input}")
    write_bytes(options.output, to_bytes(after))
    print(f"Wrote upgraded {what} proto to {options.output}")


def _text_bytes(message):
    from google.protobuf import text_format
    return text_format.MessageToString(message).encode()
