"""The detectors that are trained here, by name, and the steps of ./bootstrap.sh for each.

A further one is a file beside mtcnn.py, with its stages, and its row here.
"""
from deeplandmark.detector_training.mtcnn import MTCNN
from deeplandmark.detector_training.single_shot_stages import SINGLE_SHOT
from deeplandmark.training.steps import Step

SYSTEMS = {system.name: system for system in (MTCNN, SINGLE_SHOT)}


def steps(system, options, folders):
    """The Steps from pictures to a measured detector.

    Parameters
    ----------
    system : DetectorSystem
    options : namespace
        What ./bootstrap.sh was told: see deeplandmark/plan.py.
    folders : Folders of training/steps.py
    """
    shared = ["--data", options.data, *_each("--more", options.more), *_flag("--negatives", options.negatives),
              "--train", folders.train, "--model", folders.model, "--log", folders.log, "--recipe", options.recipe,
              *_flag("--effort", options.effort), "--seed", options.seed, "--device", options.device,
              *_flag("--jobs", options.jobs), *_flag("--end-with", options.end_with),
              *_each("--set", [f"{name}={value}" for name, value in options.set])]
    found = [(stage.name, stage.minutes, ["train_detector", system.name, stage.name, *shared])
             for stage in system.stages]
    measure = ["evaluate_detection", "--held-back", "--detector", folders.model]
    found += [("view_loss", 1, ["view_loss", folders.log, "--out", f"{folders.log}/curves"]),
              ("faces found", 3, [*measure, "--data", options.data])]
    if options.negatives is not None:
        found += [("false boxes", 1, [*measure, "--list", options.negatives])]
    return [Step(name, minutes, tuple(map(str, command))) for name, minutes, command in found]


def _flag(name, value):
    return [] if value is None else [name, value]


def _each(name, values):
    return [part for value in values for part in (name, value)]
