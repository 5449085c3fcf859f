"""Fit how sure a cascade is of each point, and how much of level 1 its points keep, on faces its networks were not
trained on, and write both into its folder.

The faces are every tenth of the training list, which training holds back. What the hidden layers of a whole cascade
tell of the error is learnt from the other nine tenths before. Run it after the last level is trained, and again
whenever a network has changed. cascade.json appears only when whole.

examples:
  deeplandmark calibrate --model model --data dataset/train
"""
import argparse
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

from deeplandmark.commandline.arguments import whole_number
from deeplandmark.commandline.command import command, when_interrupted
from deeplandmark.commandline.face_lists import faces_of_list, name_skipped
from deeplandmark.faces.datasets.archive import open_archive
from deeplandmark.faces.datasets.held_back import held_back, training_part
from deeplandmark.faces.errors import ListError
from deeplandmark.work.whole_file import write_bytes

TRAINING_COPIES = 2     # views of each face that networks were trained on


@command
def main(arguments=None):
    """Returns the exit status."""
    args = _parser().parse_args(arguments)
    with when_interrupted(f"{args.model}/cascade.json is as it was"):
        print(calibrate(args))
    return 0


def calibrate(args):
    """Writes the weights; returns what there is to say about them."""
    from deeplandmark.cascade.confidence.calibration import (  # late: --help needs no cascade
        fit_blend,
        fit_confidence,
        observe,
    )
    from deeplandmark.cascade.confidence.error_from_hidden_layers import fit_error
    from deeplandmark.cascade.networks import LEVELS
    from deeplandmark.cascade.settings import CascadeSettings
    from deeplandmark.cascade.torch_engine import TorchEngine, load_modules

    description = Path(args.model, CascadeSettings.FILE_NAME)
    if not description.is_file():
        raise ValueError(f"{args.model}: no model folder of ours, it has no {description.name}")
    # Without what was fitted before: it may belong to other networks.
    settings, modules = load_modules(args.model, replace(CascadeSettings.load(args.model), confidence=None))
    engine, export = TorchEngine(settings, modules), _exporter(args.model)
    faces = _faces(args.data, settings.points)
    held = held_back(faces)
    observed = observe(engine, held, args.copies, args.seed)
    name_skipped("calibrate", observed.problems)
    observations, share = fit_blend(observed, settings.level_1_share)
    prediction = None
    if observations.hidden and len(engine.levels) == len(LEVELS):
        engine = TorchEngine(replace(settings, level_1_share=share), modules)
        observed = observe(engine, training_part(faces), TRAINING_COPIES, args.seed)
        name_skipped("calibrate", observed.problems)
        prediction = fit_error(observed)
    fitted = replace(settings, level_1_share=share,
                     confidence=fit_confidence(observations, settings.points.mirror, prediction))
    _save(fitted, description, export)
    last = observations.levels.shape[1]
    failures = 100 * (1 - observations.right(last).mean())
    return (f"confidence of {last} levels fitted on {len(held)} held-back faces, {len(observations.width)} views: "
            f"{failures:.2f} % of their points are failures; share of level 1 in the points: {share:.3f}; "
            f"written to {description}")


def _exporter(model):
    """What makes the ONNX model beside the networks anew, for it holds the confidence, too; None where there is none.

    To be called before the work: who lacks what an export needs shall not wait for that to be told.
    """
    from deeplandmark.cascade.model_folder import ONNX_FILE

    file = Path(model, ONNX_FILE)
    if not file.exists():
        return lambda: None
    import onnx

    from deeplandmark.cascade.onnx import export_cascade

    metadata = {entry.key: entry.value for entry in onnx.load(file).metadata_props}
    return partial(export_cascade, model, file, mirror=metadata.get("mirror") == "1")


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
    faces = faces_of_list("calibrate", open_archive(data).train_list, points)
    if not held_back(faces):
        raise ListError(f"{data}: a training list of {len(faces)} faces holds none back")
    return faces


def _parser():
    parser = argparse.ArgumentParser(prog="deeplandmark calibrate", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="model", metavar="DIR", help="model folder to calibrate (default: model)")
    parser.add_argument("--data", required=True, metavar="FOLDER", help="folder of the archive with the training list")
    parser.add_argument("--copies", type=whole_number(1), default=8, metavar="N",
                        help="views of each face (default: 8)")
    parser.add_argument("--seed", type=whole_number(), default=0, help="of the views")
    return parser


if __name__ == "__main__":
    sys.exit(main())
