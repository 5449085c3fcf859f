"""Writes a set of synthetic pictures with its lists, in the archive's own format."""

import hashlib
import json
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from deeplandmark.faces.datasets.annotation import Annotation
from deeplandmark.faces.datasets.picture_list import write_list
from deeplandmark.faces.synthetic.face import draw_face, draw_posed_face
from deeplandmark.work.cores import cores
from deeplandmark.work.json_text import parse_json
from deeplandmark.work.processes import in_processes
from deeplandmark.work.progress import Progress
from deeplandmark.work.whole_file import write_bytes, write_text

PICTURES = "synthetic"       # the folder of the pictures, beside the lists
MARKER = "synthetic.json"    # written last: what was made, so that it need not be made again
LISTS = ("trainImageList.txt", "testImageList.txt")


def generate(folder, train=2000, test=500, seed=0, jobs=None, posed=False):
    """Draws `train` + `test` faces into `folder`: `synthetic/*.jpg`, `trainImageList.txt`, `testImageList.txt`; with
    `posed` those whose poses are known, their points being HEAD_AXES.

    Every picture depends on the seed, its list and its place in it alone: any number of `jobs` (processes; default:
    every core) gives the same bytes, and a longer list begins with the shorter one. A complete set of the same
    arguments, made by the same version of this generator, is left alone. Returns the folder as a Path.
    A script that calls this with several jobs needs the usual `if __name__ == "__main__":` of multiprocessing.
    """
    folder = Path(folder)
    wanted = {"seed": seed, "train": train, "test": test, "generator": generator_version()}
    wanted |= {"posed": True} if posed else {}
    if _read_marker(folder) == wanted:
        return folder
    (folder / PICTURES).mkdir(parents=True, exist_ok=True)
    (folder / MARKER).unlink(missing_ok=True)
    faces = _draw_all(folder, [(0, i) for i in range(train)] + [(1, i) for i in range(test)], seed, jobs, posed)
    write_list(folder / LISTS[0], faces[:train])
    write_list(folder / LISTS[1], faces[train:])
    write_text(folder / MARKER, json.dumps(wanted) + "\n")
    return folder


def generator_version():
    """A short hash of the drawing code: pictures of another version are drawn anew."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def _draw_all(folder, keys, seed, jobs, posed):
    """The annotations of all keys (list, place), in order."""
    jobs = max(1, min(jobs or cores(), len(keys)))
    faces = in_processes(partial(_draw_one, folder, seed, _posed if posed else draw_face), keys, jobs, chunk=8)
    return list(Progress("faces", len(keys), "drawing").over(faces))


def _draw_one(folder, seed, draw, key):
    split, place = key
    rng = np.random.default_rng([seed, split, place])
    image, landmark_px, bbox = draw(rng)
    path = folder / PICTURES / f"{('train', 'test')[split]}_{place:05d}.jpg"
    quality = int(rng.integers(55, 97))
    write_bytes(path, cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes(), durable=False)
    return Annotation(path, bbox, landmark_px, LISTS[split], place + 1)


def _posed(rng):
    """As `draw_face`, with the ends of the head's axes."""
    image, pose, bbox = draw_posed_face(rng)
    return image, pose.axes[0], bbox


def _read_marker(folder):
    try:
        return parse_json((folder / MARKER).read_bytes())
    except (OSError, ValueError):
        return None
