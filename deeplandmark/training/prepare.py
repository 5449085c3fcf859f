"""HDF5 files for training: what every network of a level sees of every face, and what it should answer.

`train/{level}_{name}/` gets test.h5 with what the network sees of the held-back faces, and the training faces in one of
two forms: as they are and mirrored in windows wider than the input, train.h5, of which the data layer cuts newly posed
patches at every step; or "frozen", one train_NN.h5 a copy, each a whole pass over the faces under newly drawn changes
of pose. Of very many faces there are several parts of each (sample_files.py). train.txt and test.txt name the files
and are written last.
"""
import hashlib
import json
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from deeplandmark.faces.augment import NO_AUGMENTATION, Augmentation, Face, posed
from deeplandmark.faces.datasets.annotation import Problem, face_or_problem
from deeplandmark.faces.datasets.bad_lines import BadLines
from deeplandmark.faces.datasets.held_back import is_held_back
from deeplandmark.faces.datasets.plausible import check_plausible
from deeplandmark.faces.datasets.read_faces import each_face, hash_of
from deeplandmark.networks.model_folder import fingerprint
from deeplandmark.networks.settings import ModelSettings
from deeplandmark.training.sample_files import SampleFiles
from deeplandmark.training.samples import sample, start_points, wide_sample
from deeplandmark.training.samples_mark import marker_file, prepared, write_marker
from deeplandmark.training.teacher import taught, teachers_of
from deeplandmark.work.on_disk import on_disk


@dataclass(frozen=True)
class Plan:
    """How the samples of one level are made.

    Attributes
    ----------
    level : int
    settings : ModelSettings
    frozen : bool
        Whether patches are cut once and for all. Otherwise the data layer draws their poses, as the template says.
    augmentation : Augmentation
        Of frozen patches.
    shift : float
        Largest shift of a frozen patch, and of one to test with, fraction of the box.
    copies : int
        Frozen samples of each training face.
    seed : int
    start_from : str or None
        Model folder whose predictions patches are centred on; None: the true points, shifted.
    taught, teachers : float, tuple of str
        Share of the answers of some models in the targets of training faces (see teacher.py).
    """
    level: int
    settings: ModelSettings
    augmentation: Augmentation
    shift: float = 0.0
    copies: int = 8
    seed: int = 1
    start_from: str = None
    frozen: bool = False
    taught: float = 0.0
    teachers: tuple = ()

    @classmethod
    def of(cls, family, settings, level, **changes):
        """As a Family has it, with changes of the attributes below."""
        values = {"augmentation": family.augmentation.get(level, Augmentation()), "shift": family.shift.get(level, 0.0),
                  "frozen": family.frozen}
        if family.taught:
            values.update(taught=family.taught, teachers=tuple(map(str, teachers_of(family, settings.points))))
        return cls(level, settings, **{**values, **changes})

    @property
    def networks(self):
        return self.settings.of_level(self.level)

    def fingerprint(self, list_path):
        """Changes whenever the samples would."""
        values = {**asdict(self), "start_from": bool(self.started_from())}   # which weights counts, not where they lie
        if not values.pop("teachers"):
            del values["taught"]
        for fitted in self.settings.FITTED:                      # after the training
            del values["settings"][fitted]
        points = self.settings.points                            # how they are shown and drawn changes no sample
        values["settings"]["points"] = {"names": points.names, "mirror": points.mirror}
        digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode() + hash_of(list_path))
        for path in self.started_from():
            digest.update(path.read_bytes())
        for teacher in self.teachers:
            digest.update(fingerprint(teacher).encode())
        return digest.hexdigest()

    def started_from(self):
        """The weights that the starting points depend on."""
        if self.start_from is None or self.level == 1:
            return []
        return [path for path in sorted(Path(self.start_from).glob("*.caffemodel")) if path.name < f"{self.level}_"]

    def files(self):
        """Names of the HDF5 files of a network: the test file, then those to train on."""
        return ["test.h5", *(f"train_{copy:02d}.h5" for copy in range(self.copies))] if self.frozen else [
            "test.h5", "train.h5"]


def prepare(plan, train_list, out="train", jobs=None, force=False):
    """Makes the HDF5 files of a level.

    Parameters
    ----------
    plan : Plan
    train_list : path of the training list, in any format; pictures lie beside it
    out : folder
    jobs : int, optional
        Processes; every core by default.
    force : bool
        Make them even when they are there already.

    Returns
    -------
    (faces used, list of Problem), or None when nothing had to be done.

    Raises
    ------
    ListError
        If too many lines are bad, or pictures (see `BadLines`), or the list cannot be right (see `check_plausible`).
    """
    out, train_list = Path(out), Path(train_list)
    fingerprint = plan.fingerprint(train_list)
    if not force and prepared(out, plan.level) == fingerprint:
        return None
    marker_file(out, plan.level).unlink(missing_ok=True)
    problems = []
    out.mkdir(parents=True, exist_ok=True)
    with on_disk(each_face(train_list, plan.settings.points, problems), out) as faces:
        check_plausible(faces, plan.settings.points, train_list)
        bad = BadLines(len(faces))
        SampleFiles(plan, out, _make).write(faces, bad, jobs)
    used = bad.total - len(bad.problems)
    write_marker(out, plan.level, {"fingerprint": fingerprint, "faces": used, **asdict(plan)})
    return used, problems + bad.problems


def _make(plan, item):
    """Of an (index, Annotation): a list of (file, samples of all networks), or the Problem."""
    index, annotation = item
    image = face_or_problem(annotation, plan.settings.channels)
    if isinstance(image, Problem):
        return image
    face = Face(image, annotation.bbox.as_array(), annotation.landmark_px)
    # A generator for each face: what is drawn does not depend on who draws, or on what the others drew.
    rng = np.random.default_rng([plan.seed, plan.level, index])
    if is_held_back(index):
        return [(0, samples) for samples in _to_test(plan, face, rng)]
    if not plan.frozen:
        return [(1, _wide(plan, posed(face, NO_AUGMENTATION, mirrored, plan.settings.points, rng), rng))
                for mirrored in ((False, True) if plan.augmentation.mirror else (False,))]
    found = []
    for copy in range(plan.copies):
        mirrored = plan.augmentation.mirror and copy % 2 == 1
        augmentation = plan.augmentation if copy else NO_AUGMENTATION
        changed = posed(face, augmentation, mirrored, plan.settings.points, rng)
        found.append((1 + copy, _samples(plan, changed, rng)))
    return found


def _to_test(plan, face, rng):
    """Samples of a held-back face. Where a level starts from predictions it is tested from those and, next, from the
    true points, shifted: close to the truth alone, a network that learns well looks little better than one that
    always gives the same answer."""
    tests = [_samples(plan, face, rng)]
    if plan.start_from is not None and plan.level > 1:
        tests.append(_samples(replace(plan, start_from=None), face, rng))
    return tests


def _samples(plan, face, rng):
    return sample(face, plan.networks, plan.settings, _start(plan, face, rng), whole=plan.frozen)


def _wide(plan, face, rng):
    start = _start(plan, face, rng)
    if plan.teachers:
        face = taught(face, [_cascade(teacher) for teacher in plan.teachers], plan.taught, plan.settings.points, rng)
    return wide_sample(face, plan.networks, plan.settings, start)


def _start(plan, face, rng):
    """Where a level starts from, (k, 2) pixels: the predictions of the level before, or the true points, shifted."""
    if plan.start_from is None or plan.level == 1:
        return start_points(face, plan.level, plan.shift, rng)
    return _cascade(plan.start_from).predict(face.image, face.box[None], level=plan.level - 1, looks=1)[0]


@lru_cache(maxsize=2)
def _cascade(folder):
    """A model that patches are centred on, or that teaches; every worker loads it once."""
    from deeplandmark.cascade.cascade import Cascade
    return Cascade.load(folder)
