"""HDF5 files of samples for one of MTCNN's networks: a file for each kind, and one of held-back pictures to test with.

In `train/{p,r,o}/`: positive.h5, part.h5, points.h5, negative.h5, test.h5 and the lists of the same names, .txt. A mark
written last, `prepared_{p,r,o}.json`, says that they are whole and what they were made from.
"""
import hashlib
import json
import shutil
from collections import Counter
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from deeplandmark.detector_training.nets import KINDS, CascadeNet
from deeplandmark.detector_training.windows import clear_of, draw_anywhere, draw_near, kinds_of, sample
from deeplandmark.detectors.mtcnn import bordered
from deeplandmark.faces.datasets.annotation import Problem, face_or_problem
from deeplandmark.faces.datasets.bad_lines import BadLines
from deeplandmark.faces.datasets.held_back import is_held_back
from deeplandmark.faces.draw import contact_sheet
from deeplandmark.faces.picture import read_colour, write_picture
from deeplandmark.training.hdf5_writer import HDF5Writer
from deeplandmark.training.samples_mark import marker_file, prepared, write_marker
from deeplandmark.work.in_order import in_order
from deeplandmark.work.progress import Progress
from deeplandmark.work.whole_file import write_text

DRAWS = 12              # windows drawn near a face for each that is wanted of a kind


@dataclass(frozen=True)
class SamplePlan:
    """How the samples of a network are made.

    Attributes
    ----------
    net : CascadeNet
    each : int
        Positives, parts and windows with points of a face.
    negatives : int
        Of a picture.
    smallest : float
        Side of the smallest negative that is drawn, pixels.
    seed : int
    source : str
        What the candidates and the suspected places come from, such as the fingerprint of the network before: samples
        of another source are made anew.
    """
    net: CascadeNet
    each: int = 4
    negatives: int = 12
    smallest: float = 12.0
    seed: int = 1
    source: str = ""

    def fingerprint(self, pictures):
        """Changes whenever the samples of pictures (a list of `Picture`) would."""
        digest = hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode())
        for picture in pictures:
            digest.update(repr((str(picture.path), [(face.bbox, face.landmark_px.tolist())
                                                    for face in picture.faces])).encode())
        return digest.hexdigest()


@dataclass(frozen=True)
class Picture:
    """A picture and its labelled faces, a tuple of Annotation; none: it is known to hold no face."""
    path: Path
    faces: tuple = ()


def pictures_of(annotations):
    """The Pictures of a list of Annotation, in the order of their first faces."""
    by_path = {}
    for annotation in annotations:
        by_path.setdefault(annotation.path, []).append(annotation)
    return [Picture(path, tuple(faces)) for path, faces in by_path.items()]


def prepare_samples(plan, pictures, out="train", suspects=None, candidates=None, jobs=None, force=False):
    """Makes the HDF5 files of a network.

    Parameters
    ----------
    plan : SamplePlan
    pictures : list of Picture
        Each tenth one is held back, to test with.
    out : folder
    suspects : callable (image) -> boxes (n, 4), optional
        Where faces may be that nobody labelled, in pictures that have labelled ones: no negative is cut there. It
        should find too many rather than too few.
    candidates : callable (image) -> boxes (n, 4), optional
        Windows that the networks before let through; for R and O. Without it windows are drawn.
    jobs : int, optional
        Threads; by default every core.
    force : bool
        Make them even when they are there already.

    Returns
    -------
    (Counter of each kind, of "test" and of "refused" negatives where a face may be; list of Problem), or None when
    nothing had to be done

    Raises
    ------
    ListError
        If too many pictures are bad (see `BadLines`).
    """
    out, name = Path(out), plan.net.name
    fingerprint = plan.fingerprint(pictures)
    if not force and prepared(out, name) == fingerprint:
        return None
    marker_file(out, name).unlink(missing_ok=True)
    folder = out / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    bad, counts = BadLines(len(pictures)), Counter()
    results = in_order(partial(_make, plan, suspects, candidates), enumerate(pictures), jobs)
    _write_all(folder, Progress("pictures", len(pictures), f"samples of {name}").over(results), bad, counts)
    for kind in (*KINDS, "test"):
        write_text(folder / f"{kind}.txt", f"{folder / kind}.h5\n")
    write_marker(out, name, {"fingerprint": fingerprint, "counts": counts, **asdict(plan)})
    return counts, bad.problems


def _write_all(folder, results, bad, counts):
    """Files of the results of `_make`, in the order of the pictures; what there was is counted in `counts`."""
    with ExitStack() as stack:
        writers = {kind: stack.enter_context(HDF5Writer(folder / f"{kind}.h5")) for kind in (*KINDS, "test")}
        for index, result in enumerate(results):
            if bad.takes(result):
                continue
            rows, refused = result
            counts["refused"] += refused
            for kind, row in rows:
                if is_held_back(index):
                    kind = "test"
                else:                                            # the data layers of a net have tops of different names
                    row = {f"{name}_{kind}": value for name, value in row.items()}
                writers[kind].add(row)
                counts[kind] += 1


def _make(plan, suspects, candidates, item):
    """Of an (index, Picture): (list of (kind, row), negatives refused), or the Problem."""
    index, picture = item
    image = face_or_problem(picture.faces[0], 3) if picture.faces else read_colour(picture.path)
    if isinstance(image, Problem):
        return image
    rng = np.random.default_rng([plan.seed, plan.net.size, index])
    windows, refused = _windows(plan, image, picture, suspects, candidates, rng)
    image, rows = bordered(image), []
    for kind, window, face in windows:
        known = () if face is None else (face.bbox.as_array(), face.landmark_px)
        rows.append((kind, sample(image, window, kind, plan.net.size, *known, mirrored=rng.random() < 0.5)))
    return rows, refused


def _windows(plan, image, picture, suspects, candidates, rng):
    """A list of (kind, window, Annotation or None), and how many negatives lay where a face may be."""
    boxes = np.array([face.bbox.as_array() for face in picture.faces]).reshape(-1, 4)
    near = [draw_near(box, DRAWS * plan.each, rng) for box in boxes]
    drawn = np.concatenate([np.zeros((0, 4)), *near])
    far = draw_anywhere(image.shape, plan.smallest, 2 * plan.negatives, rng)
    seen = np.zeros((0, 4)) if candidates is None else rng.permutation(np.asarray(candidates(image), np.float64))
    # What the networks before let through comes first; drawn windows fill up.
    windows = np.concatenate([seen.reshape(-1, 4), drawn, far])
    kinds, faces = kinds_of(windows, boxes)
    negative = np.array([kind == "negative" for kind in kinds], bool)
    asked = suspects is not None and len(boxes)
    clear = clear_of(windows, suspects(image), boxes) if asked else np.ones(len(windows), bool)
    chosen = [("negative", windows[i], None) for i in np.flatnonzero(negative & clear)[:plan.negatives]]
    for number, face in enumerate(picture.faces):
        for kind in ("positive", "part"):
            own = [i for i, found in enumerate(kinds) if found == kind and faces[i] == number]
            chosen += [(kind, windows[i], face) for i in own[:plan.each]]
            if kind == "positive":                               # of others, so that no window comes twice
                chosen += [("points", windows[i], face) for i in own[plan.each:2 * plan.each]]
    return chosen, int((negative & ~clear).sum())


def show_samples(net, folder, sheet, each=16):
    """Draws the first `each` samples of every kind, a row a kind, with the points of those that have them, as a picture
    file; for people to look at before a training."""
    import h5py  # only training needs it
    images, landmarks = [], []
    for kind in KINDS:
        with h5py.File(Path(folder, net.name, f"{kind}.h5"), "r") as file:
            pixels, points = file[f"pixels_{kind}"][:each], file[f"points_{kind}"][:each]
        images += list(pixels[:, ::-1].transpose(0, 2, 3, 1))
        landmarks += [row.reshape(2, 5).T * net.size - 0.5 if kind == "points" else None for row in points]
    write_picture(sheet, contact_sheet(images, landmarks, columns=each, scale=max(1, 96 // net.size)))
