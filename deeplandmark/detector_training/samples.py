"""HDF5 files of samples for one of MTCNN's networks: a file for each kind, and one of held-back pictures to test with.

In `train/{p,r,o}/`: positive.h5, part.h5, points.h5, negative.h5, test.h5 and the lists of the same names, .txt. A mark
written last, `prepared_{p,r,o}.json`, says that they are whole and what they were made from.
"""
import hashlib
import json
import shutil
from collections import Counter
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from deeplandmark.detector_training.nets import KINDS, CascadeNet
from deeplandmark.detector_training.pictures import picture_or_problem
from deeplandmark.detector_training.views import Changes, View, draw_view
from deeplandmark.detector_training.windows import clear_of, draw_anywhere, draw_near, framed, kinds_of, sample
from deeplandmark.detectors.brightened import brightened
from deeplandmark.faces.datasets.annotation import Problem
from deeplandmark.faces.datasets.bad_lines import BadLines
from deeplandmark.faces.draw import contact_sheet
from deeplandmark.faces.picture import write_picture
from deeplandmark.faces.quick_cutting import WindowCutter
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
    views : int
        Of each picture: as it is, and changed at random.
    each : int
        Positives, parts and windows with points of a face in a view.
    negatives, of_empty : int
        Of a view of a picture with faces, and of one without.
    smallest : float
        Side of the smallest negative that is drawn, pixels.
    changes : Changes
    seed : int
    source : str
        What the candidates and the suspected places come from, such as the fingerprint of the network before: samples
        of another source are made anew.
    """
    net: CascadeNet
    views: int = 3
    each: int = 3
    negatives: int = 6
    of_empty: int = 30
    smallest: float = 12.0
    changes: Changes = field(default_factory=Changes)
    seed: int = 1
    source: str = ""

    def fingerprint(self, pictures):
        """Changes whenever the samples of pictures (a list of `Picture`) would."""
        digest = hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode())
        for picture in pictures:
            digest.update(repr((str(picture.path), picture.held_back, [(face.bbox, face.landmark_px.tolist())
                                                                       for face in picture.faces])).encode())
        return digest.hexdigest()


def prepare_samples(plan, pictures, out="train", suspects=None, candidates=None, jobs=None, force=False):
    """Makes the HDF5 files of a network, and a sheet of each kind (see `show_samples`).

    Parameters
    ----------
    plan : SamplePlan
    pictures : list of Picture
        Those held back are there to test with.
    out : folder
    suspects : callable (path of a picture) -> boxes (n, 4), optional
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
    shown = Progress("pictures", len(pictures), f"samples of {name}").over(results)
    _write_all(folder, zip(pictures, shown), bad, counts)
    for kind in (*KINDS, "test"):
        write_text(folder / f"{kind}.txt", f"{folder / kind}.h5\n")
    show_samples(plan.net, out)                                  # before the mark: a killed run shall draw them again
    write_marker(out, name, {"fingerprint": fingerprint, "counts": counts, **asdict(plan)})
    return counts, bad.problems


def _write_all(folder, results, bad, counts):
    """Files of (picture, result of `_make`), in the order of the pictures; what there was is counted in `counts`."""
    with ExitStack() as stack:
        writers = {kind: stack.enter_context(HDF5Writer(folder / f"{kind}.h5")) for kind in (*KINDS, "test")}
        for picture, result in results:
            if bad.takes(result):
                continue
            rows, refused = result
            counts["refused"] += refused
            for kind, row in rows:
                if picture.held_back:
                    kind = "test"
                else:                                            # the data layers of a net have tops of different names
                    row = {f"{name}_{kind}": value for name, value in row.items()}
                writers[kind].add(row)
                counts[kind] += 1


def _make(plan, suspects, candidates, item):
    """Of an (index, Picture): (list of (kind, row), negatives refused), or the Problem."""
    index, picture = item
    image = picture_or_problem(picture, index)
    if isinstance(image, Problem):
        return image
    rng = np.random.default_rng([plan.seed, plan.net.size, index])
    suspected = suspects(picture.path) if suspects is not None and picture.faces else ()
    first = View(image, framed(picture.boxes), picture.points_px, np.array(suspected, np.float64).reshape(-1, 4))
    rows, refused = [], 0
    for number in range(plan.views):
        view = draw_view(first, rng, plan.changes) if number else first
        windows, more = _windows(plan, view, bool(picture.faces), candidates, rng)
        refused += more
        pixels = WindowCutter(brightened(view.image)).cut([window for _, window, _ in windows], plan.net.size)
        for seen, (kind, window, face) in zip(pixels, windows):
            known = () if face is None else (view.boxes[face], view.points_px[face])
            rows.append((kind, sample(seen, window, kind, *known, mirrored=rng.random() < 0.5)))
    return rows, refused


def _windows(plan, view, has_faces, candidates, rng):
    """A list of (kind, window, number of the face or None), and how many negatives lay where a face may be."""
    near = [draw_near(box, DRAWS * plan.each, rng) for box in view.boxes]
    wanted = plan.negatives if has_faces else plan.of_empty
    far = draw_anywhere(view.image.shape, plan.smallest, 2 * wanted, rng)
    seen = np.zeros((0, 4)) if candidates is None else rng.permutation(np.asarray(candidates(view.image), np.float64))
    # What the networks before let through comes first; drawn windows fill up.
    windows = np.concatenate([seen.reshape(-1, 4), *near, far])
    kinds, faces = kinds_of(windows, view.boxes)
    negative = np.array([kind == "negative" for kind in kinds], bool)
    clear = clear_of(windows, view.suspected, view.boxes)
    chosen = [("negative", windows[i], None) for i in np.flatnonzero(negative & clear)[:wanted]]
    for number in range(len(view.boxes)):
        for kind in ("positive", "part"):
            own = [i for i, found in enumerate(kinds) if found == kind and faces[i] == number]
            chosen += [(kind, windows[i], number) for i in own[:plan.each]]
            # Windows with points are others, so that none comes twice.
            if kind == "positive" and np.isfinite(view.points_px[number]).all():
                chosen += [("points", windows[i], number) for i in own[plan.each:2 * plan.each]]
    return chosen, int((negative & ~clear).sum())


def show_samples(net, folder, each=160):
    """Draws up to `each` samples of every kind, spread over all of them, for people to look at before a training: a
    contact sheet a kind, KIND.png beside the HDF5 files, with the points of those that have them. Returns the sheets'
    folder."""
    import h5py  # only training needs it
    for kind in KINDS:
        with h5py.File(Path(folder, net.name, f"{kind}.h5"), "r") as file:
            if f"label_{kind}" not in file:                      # there is none of that kind
                continue
            count = len(file[f"label_{kind}"])
            rows = np.unique(np.linspace(0, count - 1, min(each, count)).astype(int))
            pixels, points = file[f"pixels_{kind}"][rows], file[f"points_{kind}"][rows]
        landmarks = [row.reshape(2, 5).T * net.size - 0.5 for row in points] if kind == "points" else None
        write_picture(Path(folder, net.name, f"{kind}.png"), contact_sheet(
            list(pixels[:, ::-1].transpose(0, 2, 3, 1)), landmarks, columns=16, scale=max(1, 96 // net.size)))
    return Path(folder, net.name)
