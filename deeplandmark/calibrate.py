"""Fit how sure a model is of each point, and how much of level 1 a cascade's points keep, on faces its networks were
not trained on, and write both into its folder.

The faces are every tenth of the training list, which training holds back. What the hidden layers of a whole cascade
tell of the error is learnt from the other nine tenths before. Run it after the last level is trained, and again
whenever a network has changed. The folder's JSON file appears only when whole.

examples:
  deeplandmark calibrate --model model --data dataset/train
"""
import sys
from functools import partial
from pathlib import Path

from deeplandmark.commandline.arguments import add_max_pixels, add_python_layers, whole_number
from deeplandmark.commandline.command import command, when_interrupted
from deeplandmark.commandline.face_lists import faces_of_list, name_skipped
from deeplandmark.commandline.parser import command_parser
from deeplandmark.faces.datasets.held_back import held_back
from deeplandmark.faces.datasets.own_lists import training_list
from deeplandmark.faces.errors import ListError
from deeplandmark.models import exporter_of, fitter_of, settings_class, system_of
from deeplandmark.models.onnx_metadata import metadata_of
from deeplandmark.work.whole_file import write_bytes


@command(strangers_models=True)
def main(arguments=None):
    """Returns the exit status."""
    args = _parser().parse_args(arguments)
    with when_interrupted(f"{args.model}/ is as it was"):
        print(calibrate(args))
    return 0


def calibrate(args):
    """Writes what was fitted; returns what there is to say about it."""
    fitted, export = fitter_of(args.model), _exporter(args.model)
    known = settings_class(system_of(args.model))
    if not known.is_in(args.model):
        raise ValueError(f"{args.model}: no model folder of ours, it has no {known.FILE_NAME}")
    faces = _faces(args.data, known.load(args.model).points)
    settings, text = fitted(args.model, faces, args.copies, args.seed, partial(name_skipped, "calibrate"))
    _save(settings, Path(args.model, settings.FILE_NAME), export)
    return f"{text}; written to {args.model}/{settings.FILE_NAME}"


def _exporter(model):
    """What makes the ONNX model beside the networks anew, for it holds what is fitted, too; nothing without one.

    To be called before the work: who lacks what an export needs shall not wait for that to be told.
    """
    file = Path(model, f"{system_of(model)}.onnx")
    if not file.exists():
        return lambda: None
    import onnx  # noqa: F401 - what an export needs

    metadata = metadata_of(file)
    options = {name: True for name in ("mirror", "half") if metadata.get(name) == "1"}
    return partial(exporter_of(model), model, file, **options)


def _save(settings, file, export):
    """Both or neither: an ONNX model of other settings than the folder's would not be used any more."""
    before = file.read_bytes()
    try:
        settings.save(file.parent)
        export()
    except BaseException:
        write_bytes(file, before)
        raise


def _faces(data, points):
    """All faces of the training list, of which some are held back."""
    faces = faces_of_list("calibrate", training_list(data), points)
    if not held_back(faces):
        raise ListError(f"{data}: a training list of {len(faces)} faces holds none back")
    return faces


def _parser():
    parser = command_parser("calibrate", __doc__)
    parser.add_argument("--model", default="model", metavar="DIR", help="model folder to calibrate (default: model)")
    parser.add_argument("--data", required=True, metavar="PATH", help="folder of the archive with "
                        "the training list, or that list, in any format")
    parser.add_argument("--copies", type=whole_number(1), default=8, metavar="N",
                        help="views of each face (default: 8)")
    add_python_layers(parser)
    add_max_pixels(parser)
    parser.add_argument("--seed", type=whole_number(), default=0, help="of the views")
    return parser


if __name__ == "__main__":
    sys.exit(main())
