"""Lists of 68 points read as the ends of a head's axes, and lists of drawn heads."""
import numpy as np
import pytest

from deeplandmark.faces.box import BBox
from deeplandmark.faces.datasets.annotation import Annotation
from deeplandmark.faces.datasets.own_lists import add_faces
from deeplandmark.faces.datasets.picture_list import write_labels
from deeplandmark.faces.datasets.read_faces import read_faces
from deeplandmark.faces.datasets.table import write_table
from deeplandmark.faces.errors import ListError
from deeplandmark.faces.head_pose import HeadPose
from deeplandmark.faces.points import FIVE_POINTS, HEAD_AXES, IBUG_68
from deeplandmark.faces.synthetic import generate
from deeplandmark.faces.synthetic.face import draw_posed_face
from deeplandmark.find_data import main as find_data
from deeplandmark.plan import main as plan

POSE = HeadPose(np.array([[5.0, -25, 12]]), np.array([40.0]), np.array([[90.0, 80]]))


def labelled(tmp_path, count=1):
    box = BBox(50, 40, 130, 120)
    return [Annotation(tmp_path / "a.png", box, POSE.points()[0] + i, "", i + 1) for i in range(count)]


def test_68_points_become_axes(tmp_path):
    """Of the mean face without perspective, about as it is told: the camera is thought of as ten units away."""
    write_table(tmp_path / "faces.csv", labelled(tmp_path), IBUG_68)
    (face,), _ = read_faces(tmp_path / "faces.csv", HEAD_AXES)
    found = HeadPose.of_axes(face.landmark_px)
    np.testing.assert_allclose(found.angles, POSE.angles, atol=2.5)
    np.testing.assert_allclose(found.middle, POSE.middle, atol=1)
    write_labels(tmp_path / "five.txt", [Annotation(tmp_path / "a.png", BBox(50, 40, 130, 120), np.eye(5, 2), "", 1)],
                 FIVE_POINTS)
    with pytest.raises(ListError, match="its faces have 5 points, 3 are asked for"):
        read_faces(tmp_path / "five.txt", HEAD_AXES)


def test_drawn_heads_are_a_list_of_axes(tmp_path):
    folder = generate(tmp_path, train=3, test=1, seed=2, jobs=1, posed=True)
    faces, problems = read_faces(folder / "trainImageList.txt", HEAD_AXES)
    assert len(faces) == 3 and not problems
    for place, face in enumerate(faces):
        _, pose, _ = draw_posed_face(np.random.default_rng([2, 0, place]))
        np.testing.assert_allclose(face.landmark_px, pose.axes[0], atol=1e-5)
    write_labels(tmp_path / "more.txt", faces[:1], HEAD_AXES)
    add_faces(tmp_path / "more.txt", faces[1:], HEAD_AXES)
    assert len(read_faces(tmp_path / "more.txt", HEAD_AXES)[0]) == 3


@pytest.mark.process
def test_data_for_the_system_are_poses_and_drawn_heads(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for place in range(20):
        (tmp_path / f"{place}.png").touch()
    faces = [Annotation(tmp_path / f"{i}.png", face.bbox, face.landmark_px, "", i + 1)
             for i, face in enumerate(labelled(tmp_path, 20))]
    write_table(tmp_path / "labels.csv", faces, IBUG_68)
    few = ["--synthetic-train", "4", "--synthetic-test", "1"]
    assert find_data(["--system", "pose", "--data", "labels.csv", *few]) == 0
    folder = capsys.readouterr().out.strip()
    listed = read_faces(f"{folder}/trainImageList.txt", HEAD_AXES)[0]
    assert [face.path.suffix for face in listed] == [".png"] * 18 + [".jpg"] * 4
    assert find_data(["--system", "pose", "--offline", *few]) == 0
    assert capsys.readouterr().out.strip() == "dataset/synthetic-heads"
    assert find_data(["--system", "pose"]) == 1
    assert "no faces with 68 points" in capsys.readouterr().err


def test_the_steps_of_the_system(capsys):
    assert plan(["--system", "pose", "--data", "lists"]) == 0
    steps = [line.split(None, 1)[1] for line in capsys.readouterr().out.splitlines()]
    assert [step.split()[1] for step in steps] == ["generate", "prepare", "train", "export", "view_loss", "evaluate"]
    assert all("--variant pose --points axes" in step for step in steps[:3]) and "--model model-pose" in steps[-1]
    assert plan(["--system", "pose", "--points", "68"]) == 1
    assert "--points is not for --system pose" in capsys.readouterr().err
    assert plan(["--system", "nobody", "--data", "lists"]) == 1
    assert "single_shot, pose" in capsys.readouterr().err
