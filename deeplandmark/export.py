"""Write a whole model, a cascade or another system's, as one ONNX model: picture and boxes in, points out. Or a page
that finds faces and their points in the browser alone.

examples:
  deeplandmark export cascade.onnx
  deeplandmark export cascade.onnx --half
  deeplandmark export cascade.onnx --int8 train.zip       # a third of the file, a tenth faster
  deeplandmark export --model model cascade.onnx --mirror
  deeplandmark export --model model model/cascade.onnx    # where load("model") finds it
  deeplandmark export --web page                          # then any host, or: python -m http.server -d page

The model needs ONNX Runtime and nothing else; load("cascade.onnx") of Python reads it. The page brings ONNX Runtime's
wasm with it, from the npm package onnxruntime-web.
"""
import sys
from inspect import signature
from pathlib import Path

from deeplandmark.commandline.arguments import add_python_layers
from deeplandmark.commandline.command import command, when_interrupted
from deeplandmark.commandline.face_lists import faces_of_list
from deeplandmark.commandline.parser import command_parser
from deeplandmark.commandline.telling import LOG
from deeplandmark.faces.datasets.annotation import Problem, face_or_problem
from deeplandmark.faces.datasets.held_back import training_part
from deeplandmark.faces.datasets.own_lists import training_list
from deeplandmark.models import exporter_of, system_of
from deeplandmark.networks.published import model_at

_CALIBRATED_BY = 200    # faces, or up to twice as many


@command(strangers_models=True)
def main(arguments=None):
    """Returns the exit status."""
    parser = _parser()
    args = parser.parse_args(arguments)
    if (args.file is None) == (args.web is None):
        parser.error("either the .onnx to write, or --web FOLDER")
    if args.runtime and not args.web:
        parser.error("--runtime belongs to --web")
    options = {name: True for name in ("mirror", "half") if getattr(args, name)}
    if args.int8 and (args.half or args.web):
        parser.error("--int8 goes with neither --half nor --web")
    if args.int8:
        options["int8"] = _faces(args.int8)
    return _write_page(args, options) if args.web else _write_model(args, options)


def _faces(data):
    """(picture, box) of some faces of a training list, from all over it, none of them held back."""
    faces = training_part(faces_of_list("export", training_list(data)))
    for face in faces[::max(1, len(faces) // _CALIBRATED_BY)]:
        image = face_or_problem(face)
        if isinstance(image, Problem):
            LOG.warning("export: skipped %s", image)
        else:
            yield image, face.bbox.as_array()


def _write_page(args, options):
    from deeplandmark.web.browser_page import write_page
    with when_interrupted(f"{args.web} is not whole"):
        size = write_page(args.web, args.model, args.runtime, **options)
    print(f"{args.web}: a page of {size / 1e6:.1f} MB that needs no server of its own; "
          f"`python -m http.server -d {args.web}` shows it on http://localhost:8000")
    return 0


def _write_model(args, options):
    folder = model_at(args.model)
    export, system = exporter_of(folder), system_of(folder)
    for name in options:
        if name not in signature(export).parameters:
            raise ValueError(f"--{name}: {folder} is a {system}, which has no such option")
    with when_interrupted("nothing was written"):
        try:
            export(folder, args.file, **options)
        except OSError as error:                                   # it may name a temporary file
            raise ValueError(f"{args.file}: {error.strerror}") from None
    print(f"{args.file}: the {system} of {folder}, {Path(args.file).stat().st_size / 1e6:.1f} MB")
    return 0


def _parser():
    parser = command_parser("export", __doc__)
    parser.add_argument("file", nargs="?", help="the model to write, by custom *.onnx")
    parser.add_argument("--web", metavar="FOLDER", help="write a page instead that needs no server of its own")
    parser.add_argument("--runtime", metavar="PATH", help="of --web: the npm package onnxruntime-web, a .tgz or a "
                        "folder; by default npm fetches it")
    parser.add_argument("--model", metavar="DIR", help="model folder; default: the published weights of the package, "
                        "else model/; light: the package's small ones")
    add_python_layers(parser)
    parser.add_argument("--mirror", action="store_true", help="of a cascade: look at each face mirrored, too, and "
                        "average: slower, a little better")
    parser.add_argument("--half", action="store_true", help="of a cascade: store the weights as float16: half the "
                        "file, points that differ by a few hundredths of a pixel; as fast as without")
    parser.add_argument("--int8", metavar="PATH", help="of a cascade: compute in eight bits, by scales told on some "
                        "faces of this list, folder or zip of labelled ones: a third of the file (docs/speed.md)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
