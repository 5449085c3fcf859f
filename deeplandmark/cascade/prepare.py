"""HDF5 files for training: what every network of a level sees of every face, and what it should answer.

`train/{level}_{name}/` gets one train_NN.h5 a copy - each a whole pass over the training faces under newly drawn
changes of pose, so that reading file after file is epoch after epoch - and test.h5 with the held-back faces; train.txt
and test.txt name them and are written last.
"""
import hashlib
import json
import shutil
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

from deeplandmark.cascade.prepared import marker_file, prepared, write_marker
from deeplandmark.cascade.processes import cores, single_threaded_children
from deeplandmark.cascade.samples import NO_AUGMENTATION, Augmentation, Face, posed, sample, start_points
from deeplandmark.cascade.settings import CascadeSettings
from deeplandmark.faces.errors import PictureError
from deeplandmark.faces.picture_list import Problem, read_face, read_list, too_many_bad
from deeplandmark.faces.progress import progress
from deeplandmark.faces.workers import deaf_to_interrupts

HELD_BACK = 10              # every tenth face of the training list tests the nets while they train
CHUNK = 25                  # faces a worker makes at a time


@dataclass(frozen=True)
class Plan:
    """How the samples of one level are made.

    Attributes
    ----------
    level : int
    settings : CascadeSettings
    augmentation : Augmentation
    shift : float
        Largest shift of a patch, fraction of the box.
    copies : int
        Samples of each training face.
    seed : int
    start_from : str or None
        Model folder whose predictions patches are centred on; None: the true points, shifted.
    """
    level: int
    settings: CascadeSettings
    augmentation: Augmentation
    shift: float = 0.0
    copies: int = 8
    seed: int = 1
    start_from: str = None

    @property
    def networks(self):
        return self.settings.of_level(self.level)

    def fingerprint(self, list_path):
        """Changes whenever the samples would."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode() + Path(list_path).read_bytes()).hexdigest()


def prepare(plan, train_list, out="train", jobs=None, force=False):
    """Makes the HDF5 files of a level.

    Parameters
    ----------
    plan : Plan
    train_list : path of the training list; pictures lie beside it
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
        If more than 1 % of the lines are bad.
    """
    out, train_list = Path(out), Path(train_list)
    fingerprint = plan.fingerprint(train_list)
    if not force and prepared(out, plan.level) == fingerprint:
        return None
    marker_file(out, plan.level).unlink(missing_ok=True)
    problems = []
    faces = read_list(train_list, len(plan.settings.points), problems)
    too_many_bad(problems, len(faces) + len(problems))
    total = len(faces) + len(problems)
    used = _write_all(plan, faces, out, problems, jobs)
    too_many_bad(problems, total)
    for network in plan.networks:
        _finish(out / network.full_name, plan.copies)
    write_marker(out, plan.level, {"fingerprint": fingerprint, "faces": used, **asdict(plan)})
    return used, problems


def _write_all(plan, faces, out, problems, jobs):
    used = 0
    with ExitStack() as stack:
        writers = {}
        for network in plan.networks:
            folder = out / network.full_name
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            writers[network] = [stack.enter_context(_Writer(folder / name, network)) for name in _names(plan.copies)]
        chunks = [range(i, min(i + CHUNK, len(faces))) for i in range(0, len(faces), CHUNK)]
        for results in _in_parallel(partial(_make_chunk, plan), chunks, faces, jobs, f"level {plan.level}"):
            for result in results:
                if isinstance(result, Problem):
                    problems.append(result)
                    continue
                used += 1
                for file, samples in result:
                    for network, (data, landmark) in zip(plan.networks, samples):
                        writers[network][file].add(data, landmark)
    return used


def _names(copies):
    return ["test.h5", *(f"train_{copy:02d}.h5" for copy in range(copies))]


def _finish(folder, copies):
    names = _names(copies)
    for list_name, members in (("test.txt", names[:1]), ("train.txt", names[1:])):
        (folder / list_name).write_text("".join(f"{folder / name}\n" for name in members))


def _in_parallel(make, chunks, faces, jobs, title):
    jobs = jobs or cores()
    tasks = ([(index, faces[index]) for index in chunk] for chunk in chunks)
    if jobs == 1:
        yield from progress(map(make, tasks), len(chunks), title, unit="chunk")
        return
    with single_threaded_children(), deaf_to_interrupts():
        pool = get_context("spawn").Pool(jobs, initializer=cv2.setNumThreads, initargs=(1,))
    with pool:
        yield from progress(pool.imap(make, tasks), len(chunks), title, unit="chunk")


def _make_chunk(plan, faces):
    """For each (index, Annotation): a list of (file, samples of all networks), or the Problem."""
    found = []
    for index, annotation in faces:
        try:
            found.append(_make(plan, index, annotation))
        except PictureError as error:
            found.append(Problem(annotation.line, str(error)))
    return found


def _make(plan, index, annotation):
    face = Face(read_face(annotation), annotation.bbox.as_array(), annotation.landmark_px)
    # A generator for each face: what is drawn does not depend on who draws, or on what the others drew.
    rng = np.random.default_rng([plan.seed, plan.level, index])
    if index % HELD_BACK == HELD_BACK - 1:
        return [(0, _samples(plan, posed(face, NO_AUGMENTATION, False, plan.settings.points, rng), rng))]
    found = []
    for copy in range(plan.copies):
        mirrored = plan.augmentation.mirror and copy % 2 == 1
        augmentation = plan.augmentation if copy else NO_AUGMENTATION
        changed = posed(face, augmentation, mirrored, plan.settings.points, rng)
        found.append((1 + copy, _samples(plan, changed, rng)))
    return found


def _samples(plan, face, rng):
    if plan.start_from is None or plan.level == 1:
        start_px = start_points(face, plan.level, plan.shift, rng)
    else:
        start_px = _cascade(plan.start_from).predict(face.image, face.box[None], level=plan.level - 1)[0]
    return sample(face, plan.networks, plan.settings, start_px)


@lru_cache(maxsize=1)
def _cascade(folder):
    """The model that patches are centred on; every worker loads it once."""
    from deeplandmark.cascade.cascade import Cascade
    return Cascade.load(folder)


class _Writer:
    """Appends samples to one HDF5 file, many at a time."""

    def __init__(self, path, network, block=512):
        import h5py                                              # only training needs it
        self._file = h5py.File(path, "w")
        self._block, self._rows = block, []
        shapes = {"data": (1, *network.size), "landmark": (network.num_output,)}
        for name, shape in shapes.items():
            self._file.create_dataset(name, (0, *shape), "f4", maxshape=(None, *shape), chunks=(block, *shape))

    def add(self, data, landmark):
        self._rows.append((data, landmark))
        if len(self._rows) == self._block:
            self._flush()

    def _flush(self):
        for name, rows in zip(("data", "landmark"), zip(*self._rows)):
            dataset = self._file[name]
            dataset.resize(len(dataset) + len(rows), axis=0)
            dataset[-len(rows):] = rows
        self._rows = []

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self._rows:
            self._flush()
        self._file.close()
