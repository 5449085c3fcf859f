"""The steps from pictures to a measured model of a family: what ./bootstrap.sh runs, one after the other."""
from dataclasses import dataclass
from pathlib import Path

from deeplandmark.models.families import USUAL, family_of, settings_of

# Minutes that each step takes on two cores with recipe fast, where the family does not say otherwise: only their
# shares count, for the estimate of the time left.
_MINUTES = {"generate": 1, "prepare": 4, "train_1": 48, "train_2": 17, "train_3": 17, "export": 1, "calibrate": 7,
            "view_loss": 1, "evaluate": 2}
SYNTHETIC = "synthetic.json"    # the mark of a folder of drawn faces
SYNTHETIC_EFFORT = 0.1


@dataclass(frozen=True)
class Step:
    """One command line of the run.

    Attributes
    ----------
    name : str
    minutes : int
        About what it takes on two cores, to share the time among the steps.
    command : tuple of str
        VERB and its arguments.
    """
    name: str
    minutes: float
    command: tuple


@dataclass(frozen=True)
class Folders:
    """Where a run keeps things: model-wide/, log-synthetic/ ..."""
    train: str
    model: str
    log: str
    result: str


def folders_of(variant=USUAL, points_name="", data="."):
    """The Folders of a run: the name of points of one's own, of another family than the paper's and of synthetic faces
    each add to them."""
    parts = ["synthetic"] * is_synthetic(data) + [points_name] * bool(points_name) + [variant] * (variant != USUAL)
    return Folders(*("-".join([kind, *parts]) for kind in ("train", "model", "log", "result")))


def is_synthetic(data):
    """Whether the pictures of a folder were drawn by `deeplandmark synthesize`."""
    return Path(data, SYNTHETIC).exists()


def steps(options, points, folders):
    """The Steps of a run.

    Parameters
    ----------
    options : namespace
        What ./bootstrap.sh was told: see deeplandmark/plan.py.
    points : Points
    folders : Folders

    Raises
    ------
    ValueError
        If a level is missing that the chosen ones stand on.
    """
    family, settings = family_of(options.variant), settings_of(options.variant, points)
    levels = _levels(options.levels, settings, folders.model)
    shared = [*_flag("--variant", options.variant), *_flag("--points", options.points)]
    generate = ["generate", *shared, *_flag("--recipe", options.recipe), *_flag("--seed", options.seed),
                *_flag("--effort", options.effort), "--train", folders.train, "--model", folders.model]
    found = [("generate", [*generate, *(part for name, value in options.set for part in ("--set", f"{name}={value}"))])]
    for level in levels:
        found += _level_steps(level, options, folders, shared, family)
    if family.calibrated:
        found.append(("calibrate", ["calibrate", "--model", folders.model, "--data", options.data]))
    found += [("view_loss", ["view_loss", folders.log, "--out", f"{folders.log}/curves"]),
              ("evaluate", ["evaluate", "--model", folders.model, "--data", options.data, "--out", folders.result])]
    own = family.minutes.get(options.recipe, {})
    minutes = {name: own.get(name) or _MINUTES.get(name) or _MINUTES[name.split("_")[0]] for name, _ in found}
    return [Step(name, max(1, round(minutes[name])), tuple(map(str, command))) for name, command in found]


def _level_steps(level, options, folders, shared, family):
    """Samples, training, and the graph by which the next level starts sooner than by torch."""
    start = [] if family.frozen else ["--start-from", folders.model]
    prepare = ["prepare", level, "--data", options.data, "--out", folders.train, *shared, "--seed", options.seed,
               *start, *_flag("--copies", options.copies), *_flag("--jobs", options.jobs)]
    train = ["train", level, *shared, "--device", options.device, "--precision", options.precision, "--train",
             folders.train, "--model", folders.model, "--log", folders.log, *_flag("--jobs", options.jobs),
             *_flag("--end-with", options.end_with)]
    export = ["export", "--model", folders.model, f"{folders.model}/{family.onnx_file}"]
    return [(f"prepare_{level}", prepare), (f"train_{level}", train),
            *[(f"export_{level}", export)] * family.is_exportable]


def _levels(asked, settings, model):
    """The levels to train, each of which stands on those before it: trained now, or earlier."""
    levels = [level for level in settings.levels if level in (asked or settings.levels)]
    for level in range(1, levels[-1]):
        if level not in levels and not list(Path(model).glob(f"{level}_*.caffemodel")):
            raise ValueError(f"--levels {','.join(map(str, asked))} stands on level {level}, which {model}/ does not "
                             "have; train it, too")
    return levels


def _flag(name, value):
    return [] if value is None else [name, value]
