"""Write the whole cascade as one ONNX model: picture and boxes in, points out.

examples:
  deeplandmark export cascade.onnx
  deeplandmark export cascade.onnx --half
  deeplandmark export --model model cascade.onnx --mirror
  deeplandmark export --model model model/cascade.onnx    # where Cascade.load("model") finds it

The model needs ONNX Runtime and nothing else; `Cascade.load("cascade.onnx")` reads it.
"""
import argparse
import sys
from pathlib import Path

from deeplandmark.cascade.model_folder import default_model
from deeplandmark.commandline.command import command, when_interrupted


@command
def main(arguments=None):
    """Returns the exit status."""
    args = _parser().parse_args(arguments)
    folder = Path(args.model or default_model())
    with when_interrupted("nothing was written"):
        from deeplandmark.cascade.onnx import export_cascade  # after --help: torch takes seconds to load
        try:
            export_cascade(folder, args.file, args.mirror, args.half)
        except OSError as error:                                   # it may name a temporary file
            raise ValueError(f"{args.file}: {error.strerror}") from None
    print(f"{args.file}: the cascade of {folder}, {Path(args.file).stat().st_size / 1e6:.1f} MB")
    return 0


def _parser():
    parser = argparse.ArgumentParser(prog="deeplandmark export", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", help="the model to write, by custom *.onnx")
    parser.add_argument("--model", metavar="DIR", help="model folder; default: the published weights of the package, "
                        "else model/")
    parser.add_argument("--mirror", action="store_true", help="look at each face mirrored, too, and average: slower, "
                        "a little better")
    parser.add_argument("--half", action="store_true", help="store the weights as float16: half the file, points that "
                        "differ by a few hundredths of a pixel; as fast as without")
    return parser


if __name__ == "__main__":
    sys.exit(main())
