"""HDF5 files of scenes for the single-shot detector and of windows for its verifier.

In `train/{s,v}/`: files of SHARD scenes (or of the windows of as many), named after their number and what they were
made from, and the lists train.txt and test.txt; a mark written last, `prepared_{s,v}.json`, says that they are whole. A
run that was ended goes on with the file it was at.
"""
import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from deeplandmark.detector_training.candidates import windows_of
from deeplandmark.detector_training.cut_outs import Labelled, face_boxes
from deeplandmark.detector_training.pictures import picture_or_problem
from deeplandmark.detector_training.scenes import ScenePlan, compose
from deeplandmark.detector_training.show_scenes import show_files
from deeplandmark.detector_training.single_shot import SingleShotNet
from deeplandmark.faces.datasets.annotation import Problem
from deeplandmark.faces.errors import ListError
from deeplandmark.training.hdf5_writer import HDF5Writer
from deeplandmark.training.samples_mark import marker_file, prepared, write_marker
from deeplandmark.work.in_order import in_order
from deeplandmark.work.progress import Progress
from deeplandmark.work.whole_file import write_text

SHARD = 1000           # scenes of a file
TRIES = 20             # pictures that are tried until one can be read
LEAST_GROUND = 16      # pixels of a side, where a ground is cut out beside faces
SIZES = (1, 1.5, 2)    # of the verifier's scenes, beside those of the detector: it sees faces in the picture itself


@dataclass(frozen=True)
class SceneFiles:
    """Which scenes are made for a network.

    Attributes
    ----------
    net : SingleShotNet
    scenes, test_scenes : int
        To train on and to test with.
    plan : ScenePlan
    seed : int
    source : str
        What they depend on otherwise: suspected places, the network that finds the verifier's windows.
    """
    net: SingleShotNet
    scenes: int
    test_scenes: int
    plan: ScenePlan = field(default_factory=ScenePlan)
    seed: int = 1
    source: str = ""

    def fingerprint(self, pictures):
        """Changes whenever the scenes of pictures (a list of `Picture`) would."""
        digest = hashlib.sha256(json.dumps(asdict(self), sort_keys=True, default=str).encode())
        for picture in pictures:
            digest.update(repr((str(picture.path), picture.held_back, picture.points_px.tolist())).encode())
        return digest.hexdigest()


class Sources:
    """Where the pieces of scenes come from: called with a numpy Generator, `face` and `ground` give a Labelled picture.

    Raises
    ------
    ListError
        When there are no faces, and when picture after picture cannot be read.
    """

    def __init__(self, pictures, suspects):
        self._faces = [picture for picture in pictures if len(picture.points_px)
                       and np.isfinite(picture.points_px).all()]
        self._empty, self._suspects = [picture for picture in pictures if not picture.faces], suspects
        if not self._faces:
            raise ListError("no faces with all five points in the lists: nothing to make scenes of")

    def face(self, rng):
        return self._read(self._faces, self._labelled, rng)

    def ground(self, rng):
        if self._empty:
            return self._read(self._empty, self._labelled, rng)
        picture = self._read(self._faces, self._labelled, rng)
        return _beside_faces(picture, rng) or _texture(rng)

    def _labelled(self, picture, image):
        suspected = self._suspects(picture.path) if picture.faces else np.zeros((0, 4))
        return Labelled(image, picture.points_px, suspected)

    def _read(self, pictures, use, rng):
        for _ in range(TRIES):
            picture = pictures[rng.integers(len(pictures))]
            image = picture_or_problem(picture, 0)
            if not isinstance(image, Problem):
                return use(picture, image)
        raise ListError(f"{TRIES} pictures, one after the other, cannot be read; the last is {picture.path}")


def _beside_faces(picture, rng):
    """The part of a Labelled picture on one side of all its faces and suspected places, or None where there is none."""
    boxes = np.concatenate([face_boxes(picture.points), picture.suspects])
    height, width = picture.image.shape[:2]
    sides = [(0, 0, boxes[:, 0].min(), height), (boxes[:, 2].max(), 0, width, height),
             (0, 0, width, boxes[:, 1].min()), (0, boxes[:, 3].max(), width, height)]
    for left, top, right, bottom in rng.permutation(np.clip(np.rint(sides), 0, (width, height) * 2).astype(int)):
        if min(right - left, bottom - top) >= LEAST_GROUND:
            return Labelled(picture.image[top:bottom, left:right], np.zeros((0, 5, 2)), np.zeros((0, 4)))
    return None


def _texture(rng):
    """A picture of noise, coarse and fine, where pictures leave no room beside their faces."""
    layers = [cv2.resize(rng.uniform(0, 1, (side, side, 3)), (192, 192), interpolation=cv2.INTER_CUBIC) / side
              for side in (4, 8, 16, 32, 64)]
    image = np.clip(255 * sum(layers) / sum(1 / side for side in (4, 8, 16, 32, 64)), 0, 255).astype(np.uint8)
    return Labelled(image, np.zeros((0, 5, 2)), np.zeros((0, 4)))


def make_files(files, pictures, suspects, out, detector_for=None, jobs=None):
    """Makes the HDF5 files of a network, and a sheet of some of their scenes or windows (see `show_files`).

    Parameters
    ----------
    files : SceneFiles
    pictures : list of Picture
        Those held back make the scenes to test with.
    suspects : callable (path of a picture) -> boxes (n, 4)
    out : folder
    detector_for : callable (min_face, pixels) -> SingleShotDetector, optional
        Finds the windows of a verifier; without it the files hold the scenes themselves.
    jobs : int, optional
        Threads; by default every core.

    Returns
    -------
    int, how many scenes there are now, or None when nothing had to be done
    """
    fingerprint = files.fingerprint(pictures)
    if prepared(out, files.net.name) == fingerprint:
        return None
    marker_file(out, files.net.name).unlink(missing_ok=True)
    folder, mark = Path(out, files.net.name), fingerprint[:8]
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.h5"):
        if not path.stem.endswith(mark):
            path.unlink()
    parts = {"train": [picture for picture in pictures if not picture.held_back],
             "test": [picture for picture in pictures if picture.held_back]}
    counts = {"train": files.scenes, "test": files.test_scenes}
    shown = Progress("scenes", sum(counts.values()), f"samples of {files.net.name}")
    for kind, part in parts.items():
        sources, paths = Sources(part, suspects), []
        for number, first in enumerate(range(0, counts[kind], SHARD)):
            paths.append(folder / f"{kind}-{number:03}-{mark}.h5")
            scenes = range(first, min(first + SHARD, counts[kind]))
            if paths[-1].exists():
                for _ in scenes:
                    shown.skip()
                continue
            seeds = [(files.seed, len(kind), scene) for scene in scenes]
            _write(paths[-1], shown.over(in_order(partial(_rows, files.plan, sources, detector_for), seeds, jobs)))
        write_text(folder / f"{kind}.txt", "".join(f"{path}\n" for path in paths))
    show_files(files.net, out)                                   # before the mark: a killed run shall draw them again
    write_marker(out, files.net.name, {"fingerprint": fingerprint, "scenes": counts, "seed": files.seed})
    return sum(counts.values())


def _rows(plan, sources, detector_for, seed):
    """Rows of the HDF5 files of one scene."""
    rng = np.random.default_rng(seed)
    if detector_for is None:
        image, objects = compose(plan, sources.face, sources.ground, rng)
        return [{"pixels": np.ascontiguousarray(image[..., ::-1].transpose(2, 0, 1)), "objects": objects}]
    size = SIZES[rng.integers(len(SIZES))]
    larger = replace(plan, size=round(plan.size * size), smallest=plan.smallest * size, largest=plan.largest * size)
    image, objects = compose(larger, sources.face, sources.ground, rng)
    return windows_of(image, objects, detector_for(size), rng)


def _write(path, results):
    with HDF5Writer(path) as writer:
        for rows in results:
            for row in rows:
                writer.add(row)
