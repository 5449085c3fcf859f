"""A cascade of three points from drawn pictures, through the commands alone: points file in, report and points out."""
import json
import re
import shutil
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest

from deeplandmark import Cascade
from deeplandmark.__main__ import main
from deeplandmark.faces import Annotation, read_list, write_list
from deeplandmark.faces.box import BBox
from deeplandmark.training.templates import template_folder

MIDDLES = np.array([[0.3, 0.35], [0.7, 0.35], [0.5, 0.75]])       # of the points, fractions of the box
SPREAD = 0.1
SEED = 11
SMALL = """{%- import "macros.prototxt.template" as net -%}
{{ net.CR("conv1", "data", s=4, n=4) }}
{{ net.P("pool1", "conv1", s=2) }}
{{ net.CR("conv2", "pool1", s=3, n=8) }}
{{ net.P("pool2", "conv2", s=4) }}
{{ net.F("fc1", "pool2", n=30) }}
{{ net.F("fc2", "fc1", n=num_output) }}
"""


def draw_pictures(folder, count, list_name, rng):
    """Pictures of a box with two black discs above and a grey one below, and their list."""
    faces = []
    for i in range(count):
        side, corner = rng.integers(40, 60), rng.integers(4, 30, 2)
        points = corner + side * (MIDDLES + rng.uniform(-SPREAD, SPREAD, (3, 2)))
        image = np.clip(rng.normal(200, 6, (96, 96)), 0, 255).astype(np.uint8)
        for (x, y), shade in zip(points, (20, 20, 110)):
            cv2.circle(image, (round(16 * x), round(16 * y)), round(16 * 0.09 * side), shade, -1, cv2.LINE_AA, shift=4)
        path = folder / f"{list_name}_{i}.png"
        cv2.imwrite(str(path), image)
        faces.append(Annotation(path, BBox(*corner, *(corner + side)), points, list_name, i + 1))
    write_list(folder / f"{list_name}ImageList.txt", faces)


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A folder with a points file, pictures and templates so small that a training takes seconds."""
    print("seed", SEED)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DEEPLANDMARK_DATA", raising=False)
    Path("pictures").mkdir()
    rng = np.random.default_rng(SEED)
    draw_pictures(tmp_path / "pictures", 80, "train", rng)
    draw_pictures(tmp_path / "pictures", 12, "test", rng)
    Path("discs.json").write_text('{"names": ["left", "right", "low"], "mirror": [["left", "right"]]}')
    shutil.copytree(template_folder(), "t", ignore=lambda _, names: [n for n in names if n.endswith(".prototxt")])
    Path("t/cascade/paper_s0.prototxt.template").write_text(SMALL)
    Path("t/cascade/paper_s2.prototxt.template").write_text(SMALL)
    train = Path("t/train.prototxt.template")
    train.write_text(train.read_text().replace("batch_size | default(64)", "batch_size | default(16)", 1))
    solver = Path("t/adam_solver.prototxt.template")
    text = re.sub("test_iter: .*", "test_iter: 1", solver.read_text()).replace("max_iter // 20", "max_iter // 4")
    solver.write_text(re.sub("base_lr: .*", "base_lr: 0.01", text))
    return tmp_path


def run(command):
    assert main(command.split()) == 0, command


@pytest.mark.process
@pytest.mark.slow
def test_three_points_from_pictures_to_a_report(workplace, capsys):
    run("find_data --data pictures --points discs.json")
    assert "92 pictures are named" in capsys.readouterr().err
    run("generate --points discs.json --templates t --set iterations=150")
    assert len(list(Path("prototxt").glob("*.prototxt"))) == 3 * (1 + 4 * 3)
    for level in (1, 2, 3):
        run(f"prepare {level} --points discs.json --data pictures --jobs 1 --start-from model-discs "
            f"--show sheet{level}.png")
        run(f"train {level} --points discs.json --jobs 2")          # one thread each
        assert Path(f"sheet{level}.png").stat().st_size > 1000
    assert not Path("model").exists() and not Path("train").exists() and Path("log-discs/3_low2.log").exists()
    run("evaluate --model model-discs --data pictures --out result --json table.json")
    out = capsys.readouterr().out
    assert "left" in out and "original" not in out               # the published rows are of other points
    table = json.loads(Path("table.json").read_text())
    means = {level: np.array(values["mean"]) for level, values in table["levels"].items()}
    assert table["n"] == 12 and all(mean.shape == (3,) for mean in means.values())
    guess = SPREAD * np.mean(np.linalg.norm(np.random.default_rng(0).uniform(-1, 1, (9999, 2)), axis=1))
    assert means["1"].mean() < 0.5 * guess and means["3"].mean() < 0.1 * guess, means     # of one answer for all

    face = read_list("pictures/testImageList.txt", 3)[0]
    cascade = Cascade.load("model-discs")
    assert cascade.settings.points.names == ("left", "right", "low") and cascade.settings.points.mirror == (1, 0, 2)
    found = cascade.locate(cv2.imread(str(face.path)), [face.bbox.as_array()] * 2)
    assert found.points.shape == (2, 3, 2) and found.confidence.shape == (2, 3)
    assert np.abs(found.points[0] - face.landmark_px).max() < 0.1 * (face.bbox.right - face.bbox.left)


def test_mirrored_samples_change_the_points_of_a_pair(workplace):
    run("prepare 2 --points discs.json --data pictures --jobs 1")
    with h5py.File("train-discs/2_left1/train.h5") as left, h5py.File("train-discs/2_right1/train.h5") as right:
        assert np.allclose(left["window"][0, 0], right["window"][1, 0][:, ::-1], atol=1)


def test_what_does_not_belong_together_is_found_before_training(workplace, capsys):
    """One line that names the command to run, and no process is started."""
    run("generate --templates t --levels 1")                     # the usual five, for train/
    run("prepare 1 --points discs.json --data pictures --jobs 1")
    for what, command, text in [
            ("nets of other points", "train 1 --points discs.json", "answers 10 numbers, 1_F finds 3 points; run "
             "`deeplandmark generate` with the same --points"),
            ("no samples", "train 1", "train/ has no HDF5 files of level 1; run `deeplandmark prepare 1`"),
            ("samples of other points", "train 1 --train train-discs", "prototxt/1_F_train.prototxt reads "
             "train/1_F/train.txt, the HDF5 files are in train-discs/; run `deeplandmark generate --train")]:
        assert main(command.split()) == 1, what
        err = capsys.readouterr().err
        assert err.startswith("train: ") and text in err and err.count("\n") == 1, err
    run("generate --templates t --levels 1 --train train-discs")
    assert main("train 1 --train train-discs --only 1_F".split()) == 1
    assert ("landmarks of shape (6,), 1_F finds 5 points; run `deeplandmark prepare 1` with the same --points"
            in capsys.readouterr().err)
    assert main("prepare 2 --points discs.json --data pictures".split() + ["--start-from", str(published())]) == 1
    assert "wide finds LE RE N LM RM, the samples are of left right low" in capsys.readouterr().err
    assert main("prepare 1 --data pictures".split()) == 1
    err = capsys.readouterr().err
    assert "trainImageList.txt: its faces have 3 points, 5 are asked for (LE RE N LM RM); --points names" in err
    assert main("find_data --data pictures".split()) == 1        # before any training, too
    assert "its faces have 3 points, 5 are asked for" in capsys.readouterr().err


def published():
    import deeplandmark
    return Path(deeplandmark.__file__).parent / "published" / "wide"


@pytest.mark.parametrize("nets, samples, text", [
    ("--frozen", "", "reads frozen patches, train-discs/1_F/train.h5 holds wide windows; run "
     "`deeplandmark generate` without --frozen, or `deeplandmark prepare 1 --frozen`"),
    ("", "--frozen --copies 1", "cuts patches of wide windows, train-discs/1_F/train_00.h5 holds frozen patches; run "
     "`deeplandmark prepare 1` without --frozen, or `deeplandmark generate --frozen`")])
def test_frozen_nets_want_frozen_samples(nets, samples, text, workplace, capsys):
    run(f"generate --points discs.json --templates t --levels 1 {nets}")
    run(f"prepare 1 --points discs.json --data pictures --jobs 1 {samples}")
    assert main("train 1 --points discs.json".split()) == 1
    err = capsys.readouterr().err
    assert text in err and err.count("\n") == 1 and not Path("model-discs").exists(), err


def test_pictures_are_asked_for(workplace, capsys):
    assert main("find_data --offline --points discs.json".split()) == 1
    assert "--points needs pictures of your own: give them with --data PATH" in capsys.readouterr().err
