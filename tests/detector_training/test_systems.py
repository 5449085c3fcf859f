"""A detector's training as stages: the plan that bootstrap.sh runs, the command, and all of it on a few drawn faces."""
import shlex
import zipfile

import cv2
import h5py
import numpy as np
import pytest

from deeplandmark import plan, train_detector
from deeplandmark.detector_training.job import Job
from deeplandmark.detector_training.systems import SYSTEMS
from deeplandmark.detectors import MtcnnDetector, SingleShotDetector
from deeplandmark.faces.errors import ArchiveError, ListError
from deeplandmark.faces.synthetic.generate import generate


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Drawn faces, a second list of them in a zip, pictures without faces in a zip."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DEEPLANDMARK_DATA", raising=False)
    generate("faces", 20, 5, seed=5, jobs=1)
    with zipfile.ZipFile("empty.zip", "w") as archive:
        for i in range(10):
            picture = np.random.default_rng(i).integers(0, 256, (60, 80, 3), dtype=np.uint8)
            archive.writestr(f"deep/{i}.png", cv2.imencode(".png", picture)[1].tobytes())
    with zipfile.ZipFile("more.zip", "w") as archive:
        for path in sorted((tmp_path / "faces").rglob("*")):
            if path.is_file() and path.name != "trainImageList.txt":
                archive.write(path, path.relative_to(tmp_path / "faces"))
    return tmp_path


def planned(*arguments, capsys):
    assert plan.main([*arguments, "--system", "mtcnn"]) == 0
    return [shlex.split(line)[1:] for line in capsys.readouterr().out.splitlines()]


def test_the_pictures_of_a_job(data):
    pictures, problems = Job("faces", ("more.zip",), "empty.zip").pictures()
    assert problems == [] and len(pictures) == 20 + 5 + 10 and sum(not picture.faces for picture in pictures) == 10
    assert [i for i, picture in enumerate(pictures) if picture.held_back] == [9, 19, 34]
    with pytest.raises(ArchiveError, match="no such file, folder or zip"):
        Job("faces", (), "nowhere").pictures()
    with pytest.raises(ListError, match="expected one list of faces"):
        Job("faces", ("faces",)).pictures()


def test_the_plan(data, capsys):
    commands = planned("--data", "faces", "--negatives", "empty.zip", "--more", "more.zip", "--effort", "0.5",
                       capsys=capsys)
    names = [stage.name for stage in SYSTEMS["mtcnn"].stages]
    assert [command[3] for command in commands if command[1] == "train_detector"] == names
    assert names == ["generate", "suspects", "samples_p", "train_p", "samples_r", "train_r", "samples_o", "train_o"]
    assert [command[1] for command in commands[len(names):]] == ["view_loss", *["evaluate_detection"] * 2]
    assert all({"--more", "--negatives", "--effort"} <= set(command) for command in commands[:len(names)])
    assert commands[0][commands[0].index("--model") + 1] == "model-synthetic-mtcnn"
    for command in commands[len(names) + 1:]:
        assert "--held-back" in command and "model-synthetic-mtcnn" in command


@pytest.mark.parametrize("arguments, message", [
    ("--system nonsense", "--system nonsense: there are mtcnn, single_shot, pose, cascade, regressor"),
    ("--system cascade --variant dan", "--variant dan is of --system regressor, not of cascade"),
    ("--system mtcnn --levels 1", "--levels is for"),
    ("--system mtcnn --set rotation=3", "no template has a variable rotation"),
    ("--negatives folder", "--negatives is for detectors")])
def test_what_a_plan_refuses(arguments, message, capsys):
    assert plan.main([*arguments.split(), "--check"]) == 1 and message in capsys.readouterr().err


@pytest.mark.parametrize("arguments, message", [
    ("nonsense", "no detector nonsense is trained here (known: mtcnn, single_shot"),
    ("mtcnn train_q", "mtcnn has no stage train_q"),
    ("mtcnn samples_p", "suspects.json is missing; run `deeplandmark train_detector mtcnn suspects`")])
def test_what_the_command_refuses(data, arguments, message, capsys):
    assert train_detector.main([*arguments.split(), "--data", "faces"]) == 1 and message in capsys.readouterr().err


@pytest.mark.slow
def test_all_stages_one_after_another(data, capsys):
    arguments = ["mtcnn", "--data", "faces", "--negatives", "empty.zip", "--jobs", "1", "--effort", "0.0001", "--set",
                 "batch=4", "--set", "test_batch_size=2"]
    assert train_detector.main(arguments) == 0
    out = capsys.readouterr().out
    assert "9 prototxt files are in prototxt/mtcnn/" in out and "o is trained: model-mtcnn/o.onnx" in out
    for net in "pro":
        for kind in ("positive", "part", "points", "negative"):
            assert (data / "train-mtcnn" / net / f"{kind}.png").stat().st_size > 1000
        assert f"Solving {net.upper()}-Net" in (data / "log-mtcnn" / f"{net}.log").read_text()
    assert MtcnnDetector("model-mtcnn").detect(np.zeros((50, 50, 3), np.uint8)).points.shape[1:] == (5, 2)
    before = (data / "train-mtcnn" / "r" / "positive.h5").stat().st_mtime_ns
    assert train_detector.main(arguments) == 0                   # all is done
    assert "the samples of r in train-mtcnn/r/ are up to date" in capsys.readouterr().out
    # Another P: R's samples are made anew.
    assert train_detector.main(["mtcnn", "generate", "train_p", *arguments[1:], "--seed", "2"]) == 0
    assert train_detector.main(["mtcnn", "samples_r", *arguments[1:]]) == 0
    assert (data / "train-mtcnn" / "r" / "positive.h5").stat().st_mtime_ns > before


@pytest.mark.slow
@pytest.mark.parametrize("negatives", [["--negatives", "empty.zip"], []])
def test_all_stages_of_the_single_shot_detector(data, negatives, capsys):
    arguments = ["single_shot", "--data", "faces", *negatives, "--jobs", "1", "--effort", "0.0001", "--set", "batch=4",
                 "--set", "test_batch_size=2"]
    assert train_detector.main(arguments) == 0
    out = capsys.readouterr().out
    assert "9 prototxt files are in prototxt/single_shot/" in out and "v is trained: model-single_shot/v.onnx" in out
    for net in ("first", "s", "v"):
        assert (data / "train-single_shot" / net / "samples.png").stat().st_size > 1000
        assert "loss_points" in (data / "log-single_shot" / f"{net}.log").read_text()
    assert "Finetuning from model-single_shot/first.caffemodel" in (data / "log-single_shot/s.log").read_text()
    found = SingleShotDetector("model-single_shot", least_score=0).detect(np.zeros((50, 70, 3), np.uint8))
    assert found.points.shape[1:] == (5, 2)
    assert train_detector.main(arguments) == 0                   # all is done
    assert "the scenes of s in train-single_shot/s/ are up to date" in capsys.readouterr().out
    # A file that is missing alone is made again, and is the same.
    path = next((data / "train-single_shot/s").glob("train-000-*.h5"))
    before, others = h5py.File(path)["pixels"][:], next((data / "train-single_shot/s").glob("test-000-*.h5"))
    made = others.stat().st_mtime_ns
    path.unlink()
    (data / "train-single_shot/prepared_s.json").unlink()
    assert train_detector.main(["single_shot", "scenes_s", *arguments[1:]]) == 0
    np.testing.assert_array_equal(h5py.File(path)["pixels"][:], before)
    assert others.stat().st_mtime_ns == made


def test_a_stage_of_the_single_shot_detector_names_what_it_needs(data, capsys):
    for stage, message in (("scenes_first", "suspects.json is missing"), ("suspects_again", "suspects.json is missing"),
                           ("scenes_s", "suspects_again.json is missing")):
        assert train_detector.main(["single_shot", stage, "--data", "faces"]) == 1
        assert message in capsys.readouterr().err
