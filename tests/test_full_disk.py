"""Commands whose disk is full: one line, status 1, what was there before kept, nothing half-written.

A limit on the size of files stands for the disk: writing fails in the same calls, with another number.
"""
import os
import resource
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from deeplandmark.caffe.files import hdf5
from deeplandmark.faces.synthetic import draw_face
from deeplandmark.running.video import VideoWriter
from deeplandmark.training.hdf5_writer import HDF5Writer
from tests.helpers.patience import PATIENCE

pytestmark = pytest.mark.process  # of commands
ROOT = Path(__file__).parents[1]


@pytest.fixture
def folder(tmp_path):
    lines = []
    (tmp_path / "pictures").mkdir()
    for seed in range(12):
        image, points, box = draw_face(np.random.default_rng(seed))
        cv2.imwrite(str(tmp_path / f"pictures/{seed}.png"), image)
        numbers = [box.left, box.right, box.top, box.bottom, *points.ravel()]
        lines.append(f"pictures/{seed}.png {' '.join(f'{value:.0f}' for value in numbers[:4])} "
                     + " ".join(f"{value:.2f}" for value in numbers[4:]) + "\n")
    for name in ("trainImageList.txt", "testImageList.txt"):
        (tmp_path / name).write_text("".join(lines))
    writer = VideoWriter(tmp_path / "film.mp4", 25.0)
    for seed in range(5):
        writer.write(cv2.resize(draw_face(np.random.default_rng(seed))[0], (320, 240)))
    writer.finish()
    return tmp_path


def run(folder, command, limit):
    def restrict():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    words = [sys.executable, "-m", f"deeplandmark.{command[0]}", *command[1:]]
    return subprocess.run(words, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True,
                          text=True, preexec_fn=restrict, timeout=PATIENCE)


@pytest.mark.parametrize("command, limit, result, left", [
    ("detect pictures --json out --boxes 60,60,180,180", 500, "out", {"out.part", "out.part.done"}),
    ("detect pictures --csv out --boxes 60,60,180,180", 500, "out", {"out.part", "out.part.done"}),
    ("detect pictures --out out --boxes 60,60,180,180", 2000, "out/0.png", set()),
    ("detect film.mp4 --out out", 2000, "out/film.mp4", set()),
    ("align pictures --out out --boxes 60,60,180,180", 2000, "out/0_1.png", set()),
    ("evaluate --data . --json out", 100, "out", set()),
    ("export out.onnx", 2000, "out.onnx", set()),
    ("generate --out out", 200, "out/1_F_train.prototxt", set()),
    ("synthesize out --train 3 --test 1 --jobs 1", 2000, "out/trainImageList.txt", set()),
    ("prepare 1 --data . --out train --jobs 1", 20_000, "train/prepared_2.json", set()),
    ("prepare 1 --data . --out train --jobs 1", 100, "train/prepared_2.json", set())])
def test_one_line_and_the_earlier_file_stays(folder, command, limit, result, left):
    words, earlier = command.split(), folder / result
    earlier.parent.mkdir(parents=True, exist_ok=True)
    earlier.write_text("earlier")
    before = {path.name for path in folder.rglob("*")}
    done = run(folder, words, limit)
    errors = [line for line in done.stderr.splitlines() if " pictures, " not in line]
    assert done.returncode == 1 and len(errors) == 1, done.stderr
    assert errors[0].startswith(f"{words[0]}: ") and str(Path(result).parts[0]) in errors[0]
    assert earlier.read_text() == "earlier"
    new = {path.name for path in folder.rglob("*") if path.is_file()} - before
    assert all(path.stat().st_size for path in folder.rglob("*") if path.is_file() and path.name not in left)
    assert {name for name in new if name.startswith(".") or ".part" in name} <= left


CODE = """
import resource, sys
import numpy as np
{imports}
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
try:
{body}
except OSError as error:
    print(error)
"""
WRITERS = {
    HDF5Writer: ("from deeplandmark.training.hdf5_writer import HDF5Writer",
                 "    with HDF5Writer('out.h5', 8) as file, HDF5Writer('other.h5', 8) as other:\n"
                 "        for i in range(50):\n"
                 "            file.add({'data': np.random.rand(40, 40)}), other.add({'data': np.zeros(3)})"),
    hdf5.written: ("from deeplandmark.caffe.files import hdf5",
                   "    with hdf5.written('out.h5') as file:\n        file['a/0'] = np.random.rand(400, 40)")}


@pytest.mark.parametrize("writer, limit", [(hdf5.written, 1000), *((HDF5Writer, limit) for limit in (
    10, 1000, 5000, 90_000))])
def test_hdf5_fails_once_and_does_not_crash(tmp_path, writer, limit):
    imports, body = WRITERS[writer]
    done = subprocess.run([sys.executable, "-c", CODE.format(imports=imports, body=body), str(limit)], cwd=tmp_path,
                          env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (0, "") and "File too large" in done.stdout and "h5" in done.stdout
    assert os.listdir(tmp_path) == []
