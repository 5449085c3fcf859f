"""What is measured of poses, with systems whose answers are known."""
import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from deeplandmark import evaluate
from deeplandmark.faces.datasets.annotation import Annotation
from deeplandmark.faces.datasets.picture_list import write_labels, write_list
from deeplandmark.faces.head_pose import HeadPose
from deeplandmark.faces.picture import write_picture
from deeplandmark.faces.points import HEAD_AXES, IBUG_68
from deeplandmark.faces.synthetic import draw_face
from deeplandmark.faces.synthetic.face import draw_posed_face
from deeplandmark.measuring.head_poses import Angles, Sides, compared, on_drawn_heads


class Beside:
    """Finds the true pose of drawn heads, in their order, with yaw a little off."""
    points = HEAD_AXES

    def __init__(self, seed, off):
        self._seed, self._off, self._count = seed, off, 0

    def predict(self, image, boxes):
        _, pose, _ = draw_posed_face(np.random.default_rng([self._seed, self._count]), far=False)
        self._count += 1
        return pose._replace(angles=pose.angles + [0, self._off, 0]).axes


def test_errors_on_drawn_heads():
    found = on_drawn_heads(Beside(5, 2.0), 6, seed=5)
    np.testing.assert_allclose(found.errors.mean(axis=0), [0, 2, 0], atol=1e-6)


def test_errors_go_the_shorter_way_round():
    assert Angles(np.array([[0, 0, 179.0]]), np.array([[0, 0, -179.0]])).errors.tolist() == [[0, 0, 2]]


def test_sides_of_the_nose_by_hand():
    """Eyes 40 pixels apart, level; the nose 10 to the right, 10 to the left, in the middle; the last has no nose."""
    five = np.array([[[0, 0], [40, 0], [20 + off, 30], [5, 60], [35, 60]] for off in (10, -10, 0, 10)], float)
    five[3, 2] = np.nan
    found = Sides.of(np.array([[0, 20, 1], [0, 30, -2], [0, 3, 0], [0, 0, 0]], float), five)
    np.testing.assert_allclose(found.nose, [0.25, -0.25, 0])
    assert found.turned.tolist() == [True, True, False] and found.agreement == 0.5
    np.testing.assert_allclose(found.roll_errors, [1, 2, 0])


def test_a_tilted_face_has_the_nose_on_the_side_of_its_own_eyes():
    turn = np.array([[np.cos(1), -np.sin(1)], [np.sin(1), np.cos(1)]])
    five = np.array([[0, 0], [40, 0], [30, 30], [5, 60], [35, 60]]) @ turn.T
    found = Sides.of(np.array([[0, 20, np.degrees(1)]]), five[None])
    np.testing.assert_allclose([*found.nose, *found.roll_errors], [0.25, 0], atol=1e-9)


def test_what_points_tell():
    axes = HeadPose(np.array([[1, 2, 3.0]]), np.array([50.0]), np.zeros((1, 2))).axes
    np.testing.assert_allclose(compared(np.array([[1, 4, 3.0]]), axes).errors, [[0, 2, 0]], atol=1e-9)
    with pytest.raises(ValueError, match="7 points tell no pose"):
        compared(np.zeros((1, 3)), np.zeros((1, 7, 2)))


@pytest.mark.slow
def test_the_command_tells_of_drawn_heads_and_lists(tmp_path, monkeypatch, capsys):
    """With the published network: heads of its own, five points, and axes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(evaluate, "on_drawn_heads", partial(on_drawn_heads, count=40))     # 500 take a quarter minute
    usual, turned = [], []
    for seed in range(6):
        image, points, box = draw_face(np.random.default_rng(seed))
        write_picture(tmp_path / f"{seed}.png", image)
        usual.append(Annotation(tmp_path / f"{seed}.png", box, points, "", 1))
        image, pose, box = draw_posed_face(np.random.default_rng(seed))
        write_picture(tmp_path / f"posed{seed}.png", image)
        turned.append(Annotation(tmp_path / f"posed{seed}.png", box, pose.axes[0], "", 1))
    write_list(tmp_path / "five.txt", usual)
    write_labels(tmp_path / "axes.txt", turned, HEAD_AXES)
    assert evaluate.main("--model pose --list five.txt --json five.json".split()) == 0
    assert evaluate.main("--model pose --list axes.txt --out result".split()) == 0
    five, axes = (json.loads((tmp_path / name).read_text()) for name in ("five.json", "result/poses.json"))
    assert list(five) == ["drawn heads", "drawn heads turned far", "five.txt, five points"]
    assert list(axes) == ["drawn heads", "drawn heads turned far", "axes.txt, poses of its points"]
    assert axes["drawn heads"] == five["drawn heads"] and axes["drawn heads"]["n"] == 40
    assert max(axes[name]["mean_error"] for name in list(axes)[:2]) < 4                       # what was promised
    assert axes["axes.txt, poses of its points"]["mean_error"] < 8 and five["five.txt, five points"]["roll_to_eyes"] < 6
    assert capsys.readouterr().out.endswith((tmp_path / "result" / "poses.txt").read_text())
    write_labels(tmp_path / "seven.txt", [replace(usual[0], landmark_px=np.full((7, 2), 9.0))] * 3, IBUG_68)
    assert evaluate.main("--model pose --list seven.txt".split()) == 1
    assert "7 points tell no pose" in capsys.readouterr().err
