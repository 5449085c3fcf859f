"""How like each other aligned crops are: pairs, descriptors and ranks, against loops and pictures made for it."""
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeplandmark import evaluate
from deeplandmark.faces.box import BBox
from deeplandmark.faces.datasets.annotation import Annotation
from deeplandmark.faces.datasets.picture_list import write_list
from deeplandmark.faces.picture import write_picture
from deeplandmark.faces.synthetic import draw_face
from deeplandmark.measuring.aligned_crops import Agreement, gradients, pairs_of, person_of, pixels

VALUES = st.lists(st.integers(-3, 3), min_size=1, max_size=12)


@given(VALUES, VALUES)
def test_auc_is_the_share_of_pairs_in_the_right_order(same, different):
    expected = np.mean([1.0 if a > b else 0.5 if a == b else 0.0 for a in same for b in different])
    assert Agreement(np.array(same, float), np.array(different, float)).auc == pytest.approx(expected)


def test_the_error_of_auc_is_how_much_it_varies():
    """Drawn again and again from two normal distributions."""
    rng = np.random.default_rng(0)
    drawn = [Agreement(rng.normal(0.5, 1, 80), rng.normal(0, 1, 80)) for _ in range(400)]
    assert np.mean([each.auc_error for each in drawn]) == pytest.approx(np.std([each.auc for each in drawn]), rel=0.1)


def test_whose_face_it_is():
    def named(name):
        return Annotation(Path(name), BBox(0, 0, 9, 9), np.zeros((5, 2)), "", 1)
    assert person_of(named("lfw/George_Clooney_0003.jpg")) == "George_Clooney"
    assert person_of(named("face.jpg")) is None and person_of(named("17.jpg")) is None


def test_pairs_are_of_one_person_and_of_two():
    people = ["a"] * 20 + ["b"] * 3 + ["c"]
    same, different = pairs_of(people, seed=1)
    assert len(same) == len(different) == 30 + 3
    assert all(people[i] == people[j] and i != j for i, j in same) and len({tuple(pair) for pair in same}) == 33
    assert all(people[i] != people[j] for i, j in different)
    assert len(pairs_of(["a", "b"])[0]) == 0


@pytest.mark.parametrize("describe", [pixels, gradients])
def test_light_changes_a_descriptor_little_and_another_face_much(describe):
    one, other = (draw_face(np.random.default_rng(seed))[0][40:152, 60:172, 1] for seed in (1, 2))
    darker = (one * 0.6 + 10).astype(np.uint8)
    assert describe(one) @ describe(darker) > 0.95 > 0.8 > describe(one) @ describe(other)
    assert np.linalg.norm(describe(one)) == pytest.approx(1, abs=1e-5)
    assert np.isfinite(describe(np.zeros((112, 112), np.uint8))).all()


@pytest.mark.slow
def test_the_command_compares_the_ways(tmp_path, monkeypatch, capsys):
    """Three people, two pictures each: the same one, framed otherwise. By hand-set points they are cut out alike."""
    monkeypatch.chdir(tmp_path)
    faces = []
    for person, seed in enumerate((4, 17, 20)):
        image, points, box = draw_face(np.random.default_rng(seed))
        for number, (dx, dy) in enumerate(((0, 0), (7, -6))):
            name = tmp_path / f"person{person}_{number}.png"
            write_picture(name, image)
            moved = BBox(box.left + dx, box.top + dy, box.right + dx, box.bottom + dy)
            faces.append(Annotation(name, moved, points, "", 1))
    write_list(tmp_path / "faces.txt", faces)
    assert evaluate.main("--alignment --list faces.txt --json r.json".split()) == 0
    told = json.loads((tmp_path / "r.json").read_text())
    assert told["faces"] == 6 and told["pairs"] == 3
    same = {way: parts["gradients"]["same"] for way, parts in told["ways"].items()}
    assert same["five points by hand"] > 0.999 and same["five points"] > 0.9 > same["box alone"]
    assert set(same) == {"box alone", "five points by hand", "five points", "five of 68 points", "68 points", "pose"}
    shown = capsys.readouterr().out
    assert all(f"| {way} |" in shown for way in same)
    write_list(tmp_path / "strangers.txt", faces[::2])
    assert evaluate.main("--alignment --list strangers.txt".split()) == 1
    assert "no two pictures are of one person" in capsys.readouterr().err
