"""The commands detect and align as a stranger runs them: real processes, the published weights, drawn faces."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from deeplandmark.detect import main
from deeplandmark.faces.alignment import ARCFACE
from deeplandmark.faces.augment import apply
from deeplandmark.faces.synthetic import draw_face
from deeplandmark.networks.published import NoModelError, default_model, model_at
from deeplandmark.running.video import VideoReader, VideoWriter
from tests.helpers.patience import PATIENCE

ROOT = Path(__file__).parents[2]
FOUND_SEEDS = (4, 17, 20)  # of synthetic faces that the Haar cascades see


def has_model():
    try:
        return default_model() == model_at("best")
    except NoModelError:
        return False


pytestmark = pytest.mark.skipif(not has_model(), reason="the package has no published weights")


def run(folder, *arguments, command="detect"):
    return subprocess.run([sys.executable, "-m", f"deeplandmark.{command}", *map(str, arguments)], cwd=folder,
                          env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=PATIENCE)


@pytest.fixture
def faces(tmp_path):
    """A folder with three faces, one wall, and two broken files; {name: (points, box)}."""
    folder = tmp_path / "pictures"
    (folder / "below").mkdir(parents=True)
    truth = {}
    for seed, name in zip(FOUND_SEEDS, ("a.jpg", "b.png", "below/a.jpg")):
        image, landmark_px, bbox = draw_face(np.random.default_rng(seed))
        assert cv2.imwrite(str(folder / name), image)
        truth[f"pictures/{name}"] = landmark_px, bbox
    assert cv2.imwrite(str(folder / "wall.png"), np.full((200, 300), 128, np.uint8))
    (folder / "broken.jpg").write_bytes((folder / "a.jpg").read_bytes()[:2000])
    (folder / "below" / "text.png").write_text("no picture")
    return tmp_path, truth


@pytest.mark.process
def test_a_folder_with_broken_files(faces):
    folder, truth = faces
    done = run(folder, "pictures", "--json", "faces.jsonl", "--csv", "tables/faces.csv", "--out", "drawn")
    assert done.returncode == 1 and done.stdout == ""
    errors = done.stderr.splitlines()
    assert len(errors) == 3 and "pictures/broken.jpg: the picture is cut short" in errors[0]
    assert "pictures/below/text.png: not a picture" in errors[1]
    assert errors[2].startswith("detect: 6 pictures: 3 faces in 3, 1 without a face, 2 bad; ")
    rows = [json.loads(line) for line in (folder / "faces.jsonl").read_text().splitlines()]
    assert [row["picture"] for row in rows] == list(truth)
    for row in rows:
        assert list(row) == ["picture", "box", "points", "confidence", "score"] and len(row["confidence"]) == 5
        landmark_px, bbox = truth[row["picture"]]
        assert np.abs(np.array(row["points"]) - landmark_px).max() < 0.15 * bbox.width
    table = list(csv.DictReader((folder / "tables/faces.csv").read_text().splitlines()))
    assert [float(row["x3"]) for row in table] == [row["points"][2][0] for row in rows]
    drawn = sorted(path.relative_to(folder / "drawn").as_posix() for path in (folder / "drawn").rglob("*.*"))
    assert drawn == ["a.jpg", "b.png", "below/a.jpg", "wall.png"]
    drawn, plain = (cv2.imread(str(folder / name)).astype(int) for name in ("drawn/b.png", "pictures/b.png"))
    assert np.abs(drawn - plain).max() > 100
    assert not list(folder.rglob("*.part*"))

    (folder / "pictures" / "broken.jpg").unlink()
    again = run(folder, "pictures", "--json", "faces.jsonl", "--resume")
    assert again.returncode == 1 and "3 done before" in again.stderr
    assert [json.loads(line) for line in (folder / "faces.jsonl").read_text().splitlines()] == rows


@pytest.mark.process
def test_boxes_that_are_given(faces):
    folder, _ = faces
    boxes = ["10,10,200,210", "60,70,180,180.5"]
    done = run(folder, "pictures/a.jpg", *(f"--boxes={box}" for box in boxes), "--json", "-")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["box"] for row in rows] == [[float(edge) for edge in box.split(",")] for box in boxes]
    assert [row["score"] for row in rows] == [None, None]
    (folder / "boxes.jsonl").write_text("".join(json.dumps({"picture": row["picture"], "box": box}) + "\n"
                                                for row, box in zip(rows, ([1, 2, 90, 95], [60, 70, 180, 180.5]))))
    named = run(folder, "pictures/a.jpg", "pictures/b.png", "--boxes-file", "boxes.jsonl", "--level", "1")
    assert named.returncode == 0 and "2 faces in 1, 1 without a face" in named.stderr
    named = [json.loads(line) for line in named.stdout.splitlines()]
    assert named[1]["box"] == rows[1]["box"] and named[1]["points"] != rows[1]["points"]


@pytest.mark.process
def test_a_video(tmp_path):
    image = draw_face(np.random.default_rng(17))[0][:240, :240]
    writer = VideoWriter(tmp_path / "film.mp4", 25)
    for shift in range(14):
        writer.write(np.roll(image, shift, axis=1))
    writer.finish()
    done = run(tmp_path, "film.mp4", "--json", "points.jsonl", "--out", "drawn", "--every", "2")
    assert done.returncode == 0 and "film.mp4: 7 frames, " in done.stderr
    rows = [json.loads(line) for line in (tmp_path / "points.jsonl").read_text().splitlines()]
    assert [row["frame"] for row in rows] == list(range(0, 14, 2))
    moved = np.array(rows[-1]["points"]) - rows[0]["points"]
    assert (moved[:, 0] > 8).all() and np.abs(moved[:, 1]).max() < 5
    assert VideoReader(str(tmp_path / "drawn" / "film.mp4")).count == 7


@pytest.mark.process
def test_a_picture_that_is_named_twice_is_looked_at_once(faces):
    folder, _ = faces
    names = ["pictures/a.jpg", "./pictures/a.jpg", "pictures/*.jpg"]
    done = run(folder, *names, "--json", "-", "--out", "drawn", "--boxes", "10,10,200,210", "--threads", "4")
    assert "2 pictures: 1 face in 1, 0 without a face, 1 bad" in done.stderr and len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize("arguments, text", [
    ("nothing.jpg", "detect: nothing.jpg: no such picture"), ("a.jpg --model nowhere", "detect: nowhere"),
    ("a.jpg --boxes 1,2,3", "detect: '1,2,3' is not a box"), ("a.jpg --detector yolo", "no such detector"),
    ("a.jpg --boxes 0,0,2e8,2e8 --out o", "lies nowhere near a picture"),
    ("a.jpg --boxes-file none.csv", "none.csv: cannot be read"),
    ("a.jpg --out .", "where the pictures lie"), ("a.jpg --json a.jpg/b.jsonl", "detect: a.jpg"),
    ("a.jpg --json a.jsonl --csv a.jpg/b.csv", "detect: a.jpg")])
def test_errors_are_named(tmp_path, monkeypatch, capsys, arguments, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.jpg").touch()
    assert main(arguments.split()) == 1
    assert text in capsys.readouterr().err.splitlines()[0]
    assert os.listdir(tmp_path) == ["a.jpg"]


@pytest.mark.process
def test_a_broken_video_and_a_missing_camera_are_one_line_each(tmp_path):
    (tmp_path / "film.mp4").write_bytes(b"\0\0\0\x20ftypisom" + bytes(500))
    film = run(tmp_path, "film.mp4", "--out", "drawn")
    assert film.returncode == 1 and len(film.stderr.splitlines()) == 2
    assert film.stderr.startswith("detect: film.mp4: not a video that OpenCV can read\n")
    camera = run(tmp_path, "--camera", "99")
    assert camera.returncode == 1 and camera.stderr == "detect: camera 99: there is none, or another program uses it\n"


@pytest.mark.process
@pytest.mark.slow
def test_ctrl_c_and_resume(tmp_path):
    (tmp_path / "many").mkdir()
    image = draw_face(np.random.default_rng(4))[0]
    for number in range(600):
        cv2.imwrite(str(tmp_path / "many" / f"{number:04}.jpg"), image)
    arguments = ["many", "--json", "faces.jsonl", "--threads", "1", "--resume"]
    process = subprocess.Popen([sys.executable, "-m", "deeplandmark.detect", *arguments], cwd=tmp_path, text=True,
                               stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)},
                               start_new_session=True,
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    deadline = time.monotonic() + PATIENCE
    while not ((tmp_path / "faces.jsonl.part").exists() and (tmp_path / "faces.jsonl.part").stat().st_size):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert err == "detect: interrupted; the same command with --resume goes on\n"
    assert not (tmp_path / "faces.jsonl").exists()
    done = json.loads((tmp_path / "faces.jsonl.part.done").read_text().splitlines()[-1])[1]
    for path in sorted((tmp_path / "many").iterdir())[20:]:
        if f"many/{path.name}" > done:
            path.unlink()
    again = run(tmp_path, *arguments)
    rows = [json.loads(line)["picture"] for line in (tmp_path / "faces.jsonl").read_text().splitlines()]
    assert again.returncode == 0 and "done before" in again.stderr
    assert rows == [f"many/{path.name}" for path in sorted((tmp_path / "many").iterdir())]


@pytest.mark.process
def test_align(faces):
    folder, _ = faces
    done = run(folder, "pictures", "--out", "crops", "--transforms", "t.jsonl", command="align")
    assert done.returncode == 1 and "3 faces in 3, 1 without a face, 2 bad" in done.stderr
    rows = [json.loads(line) for line in (folder / "t.jsonl").read_text().splitlines()]
    assert [row["crop"] for row in rows] == ["crops/a_1.jpg", "crops/b_1.png", "crops/below/a_1.jpg"]
    for row in rows:
        crop = cv2.imread(str(folder / row["crop"]))
        there = apply(np.array(row["matrix"]), row["points"])
        assert crop.shape == (112, 112, 3) and np.abs(there - ARCFACE.points).max() < 12
        np.testing.assert_allclose(there.mean(axis=0), ARCFACE.points.mean(axis=0), atol=0.1)
    (folder / "own.json").write_text(json.dumps({"size": [40, 60], "points": ARCFACE.points.tolist()}))
    options = "--out small --template own.json --size 20x30".split()
    small = run(folder, "pictures/a.jpg", *options, command="align")
    assert small.returncode == 0 and cv2.imread(str(folder / "small" / "a_1.jpg")).shape == (30, 20, 3)
    wrong = run(folder, "pictures/a.jpg", "--out", "small", "--template", "none.json", command="align")
    assert wrong.returncode == 1 and wrong.stderr == "align: none.json: cannot be read (No such file or directory)\n"


@pytest.mark.parametrize("arguments, text", [
    ([], "name pictures, folders or videos, or a --camera"), (["a", "--camera", "0"], "name pictures"),
    (["a", "--boxes", "1,2,3,4", "--boxes-file", "f"], "not both"), (["a", "--json", "-", "--csv", "-"], "only one"),
    (["a", "--resume"], "--resume needs"), (["a", "--json", "-", "--resume"], "--resume needs"),
    (["a", "--min-face", "0"], "0 is not above 0"), (["a", "--max-faces", "0"], "0 is not at least 1")])
def test_wrong_arguments(arguments, text, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2 and text in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.process
def test_nothing_but_numpy_opencv_and_onnxruntime_is_needed(faces):
    folder, _ = faces
    libraries = ("torch", "onnx", "google", "h5py", "matplotlib", "PIL")
    blocked = f"import sys; sys.modules.update(dict.fromkeys({libraries}))"
    for command in ("detect", "align"):
        arguments = ["pictures/a.jpg", "--out", f"{command}ed"]
        script = f"{blocked}; from deeplandmark.{command} import main; sys.exit(main({arguments}))"
        done = subprocess.run([sys.executable, "-c", script], cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)},
                              capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0 and "1 face in 1" in done.stderr, done.stderr
