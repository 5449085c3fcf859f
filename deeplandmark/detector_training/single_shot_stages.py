"""The stages of the single-shot detector's training: scenes, and a first network that searches them; scenes again, in
which that one has a say about where unlabelled faces may be; windows of what the network finds, and the verifier."""
import hashlib
import json
from functools import cache
from pathlib import Path

import numpy as np

from deeplandmark.detector_training.pictures import picture_or_problem
from deeplandmark.detector_training.scene_files import SceneFiles, make_files
from deeplandmark.detector_training.shared_stages import suspect, write_prototxt
from deeplandmark.detector_training.single_shot import FIRST_NET, S_NET, SYSTEM, V_NET, generate
from deeplandmark.detector_training.stage import DetectorSystem, Stage
from deeplandmark.detector_training.suspects import Suspects
from deeplandmark.detector_training.train import train_net
from deeplandmark.detectors.single_shot import SMALLEST, SingleShotDetector
from deeplandmark.faces.datasets.annotation import Problem
from deeplandmark.training.network_training import TrainingError
from deeplandmark.work.in_order import in_order
from deeplandmark.work.progress import Progress

SCENES = {"first": 24_000, "s": 48_000, "v": 20_000}     # of an effort of 1 or more; with less, at least FEWEST
FEWEST = 40
OWN_SCORE, OWN_SMALLEST = 0.35, (1 / 16, 1 / 32)     # of the first network, when it says where faces may be


def suspect_again(job):
    """The same, and where the first network sees faces."""
    before = _suspects(job.suspects_file)
    found = Suspects(f"{before.found_by}, and the first network")
    detectors = [_searching(_model(job, FIRST_NET), smallest, OWN_SCORE) for smallest in OWN_SMALLEST]
    pictures = [picture for picture in job.pictures()[0] if picture.faces]
    results = in_order(lambda picture: _seen(detectors, picture), pictures, job.jobs)
    for picture, boxes in zip(pictures, Progress("pictures", len(pictures), "unlabelled faces").over(results)):
        found.add(picture.path, np.concatenate([before(picture.path), boxes]))
    found.save(_again_file(job))
    return f"{found.count} places where a face may be, found by {found.found_by}, are in {_again_file(job)}"


def make_scenes(net, job):
    """HDF5 files of a network, and a sheet of some of their scenes or windows beside them."""
    suspects = _suspects(job.suspects_file if net is FIRST_NET else _again_file(job))
    source, detector_for = [suspects.fingerprint], None
    if net is V_NET:
        search = _model(job, S_NET)
        source.append(hashlib.sha256(search.read_bytes()).hexdigest())
        @cache
        def detector_for(size):
            return _searching(search, SMALLEST * size)
    scenes = max(FEWEST, round(SCENES[net.name] * min(job.effort, 1)))
    files = SceneFiles(net, scenes, max(FEWEST, scenes // 40), seed=job.seed, source=json.dumps(source))
    pictures, problems = job.pictures()
    count = make_files(files, pictures, suspects, job.folders.train, detector_for, job.jobs)
    if count is None:
        return f"the scenes of {net.name} in {job.folders.train}/{net.name}/ are up to date"
    sheet = f"{job.folders.train}/{net.name}/samples.png"
    return "\n".join([*(f"skipped {problem}" for problem in problems),
                      f"{net.name}: {count} scenes ({suspects.found_by}); drawn in {sheet}"])


def train(net, job):
    """A network, trained; its ONNX model."""
    return f"{net.name} is trained: {train_net(net, job.folders, job.device, job.ranks)}"


def _suspects(file):
    suspects = Suspects.load(file)
    if suspects is None:
        raise TrainingError(f"{file} is missing; run `deeplandmark train_detector {SYSTEM}` without a stage")
    return suspects


def _again_file(job):
    return Path(job.folders.train, "suspects_again.json")


def _model(job, net):
    path = Path(job.folders.model, f"{net.name}.onnx")
    if not path.is_file():
        raise TrainingError(f"{path} is missing; run `deeplandmark train_detector {SYSTEM} train_{net.name}` first")
    return path


def _searching(model, min_face, least_score=0.5):
    return SingleShotDetector(model.parent, min_face, least_score, search=model.name, verify=None)


def _seen(detectors, picture):
    """Boxes (n, 4) of what detectors take for faces in a Picture; none in one that cannot be read."""
    image = picture_or_problem(picture, 0)
    if isinstance(image, Problem):
        return np.zeros((0, 4))
    return np.concatenate([detector.detect(image).boxes for detector in detectors])


SINGLE_SHOT = DetectorSystem(SYSTEM, "one network that looks at the whole picture, one that verifies what it finds", (
    Stage("generate", 1, write_prototxt, generate),
    Stage("suspects", 3, suspect),
    Stage("scenes_first", 3, make_scenes, FIRST_NET),
    Stage("train_first", 24, train, FIRST_NET),
    Stage("suspects_again", 2, suspect_again),
    Stage("scenes_s", 5, make_scenes, S_NET),
    Stage("train_s", 70, train, S_NET),
    Stage("windows_v", 5, make_scenes, V_NET),
    Stage("train_v", 8, train, V_NET)))
