"""Synthetic faces: repeatable, in the archive's format, and the points sit on what is drawn."""

import subprocess
import sys
from collections import Counter
from dataclasses import replace

import cv2
import numpy as np
import pytest

from deeplandmark import synthesize
from deeplandmark.faces import check_archive, check_picture, open_archive, read_grey, read_list
from deeplandmark.faces.synthetic import draw_face, generate
from deeplandmark.faces.synthetic.canvas import Canvas
from deeplandmark.faces.synthetic.features import draw_eye, draw_mouth, draw_nose
from deeplandmark.faces.synthetic.head import Camera
from deeplandmark.faces.synthetic.person import draw_person


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    return generate(tmp_path_factory.mktemp("one"), train=24, test=6, seed=5, jobs=1)


@pytest.mark.process
def test_the_same_seed_gives_the_same_bytes_whatever_the_jobs(faces, tmp_path):
    two = generate(tmp_path, train=24, test=6, seed=5, jobs=2)
    assert contents(two) == contents(faces)


def test_another_seed_gives_other_faces_and_a_longer_list_begins_alike(faces, tmp_path):
    other = contents(generate(tmp_path / "a", train=2, test=0, seed=6, jobs=1))
    longer = contents(generate(tmp_path / "b", train=26, test=1, seed=5, jobs=1))
    first = "synthetic/train_00000.jpg"
    assert other[first] != longer[first] == contents(faces)[first]


def test_a_complete_set_is_left_alone_and_a_broken_one_mended(faces):
    before = contents(faces)
    picture = faces / "synthetic" / "train_00003.jpg"
    written = picture.stat().st_mtime_ns
    generate(faces, train=24, test=6, seed=5, jobs=1)
    assert picture.stat().st_mtime_ns == written
    picture.unlink()
    (faces / "synthetic.json").unlink()  # as after a kill: it is written last
    generate(faces, train=24, test=6, seed=5, jobs=1)
    assert contents(faces) == before


def test_it_is_an_archive_without_problems(faces):
    archive = open_archive(faces)
    assert not check_archive(archive, pictures=30).missing
    listed = read_list(archive.train_list)
    assert len(listed) == 24 and not any(check_picture(face) for face in listed)
    assert b"\\" in archive.train_list.read_bytes() and archive.train_list.read_bytes().endswith(b"\r\n")


def test_boxes_look_like_the_archives():
    """Real boxes: eyes near (0.27, 0.26) and (0.74, 0.25), mouth corners near (0.31, 0.77) and (0.71, 0.76)."""
    faces = [draw_face(np.random.default_rng([9, i])) for i in range(40)]
    in_box = np.mean([bbox.project(landmark_px) for _, landmark_px, bbox in faces], axis=0)
    np.testing.assert_allclose(in_box, [[.27, .26], [.74, .25], [.5, .54], [.31, .77], [.71, .76]], atol=0.07)
    assert np.median([bbox.width for _, _, bbox in faces]) >= 120
    assert all(bbox.overlaps(image.shape[1], image.shape[0]) for image, _, bbox in faces)


def plain(seed):
    """A person with open eyes looking at the camera in even light, and an empty canvas of skin."""
    rng = np.random.default_rng(seed)
    person = draw_person(rng)
    person = replace(person, eye_open=1.0, gaze=(rng.uniform(-0.04, 0.04), 0.0), skin=np.array([150., 180., 220.]),
                     lips=np.array([100., 100., 190.]))
    angles = rng.uniform([-30, -10, -20], [30, 10, 20])
    camera = Camera.of_pose(*angles, scale=80, centre=(150.0, 150.0), distance=9.0)
    return Canvas(np.full((300, 300, 3), person.skin, np.uint8)), camera, person


def grey(canvas):
    return cv2.cvtColor(canvas.finished(), cv2.COLOR_BGR2GRAY).astype(float)


def around(image, point_px, radius):
    x, y = np.round(point_px).astype(int)
    return image[y - radius:y + radius + 1, x - radius:x + radius + 1]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("side", [-1, 1])
def test_the_eyes_point_is_the_middle_of_the_pupil(seed, side):
    canvas, camera, person = plain(seed)
    point_px = camera.project(draw_eye(canvas, camera, person, side)[None])[0]
    patch = around(grey(canvas), point_px, 3)
    y, x = np.nonzero(patch < 40)
    assert len(x) >= 5, f"seed {seed}: no pupil at {point_px}"
    assert abs(np.array([x.mean(), y.mean()]) - 3 - (point_px - np.round(point_px))).max() < 1.5


@pytest.mark.parametrize("seed", range(8))
def test_the_mouths_points_are_the_ends_of_its_dark_line(seed):
    canvas, camera, person = plain(seed)
    corners_px = camera.project(draw_mouth(canvas, camera, person))
    image = grey(canvas)
    assert corners_px[0, 0] < corners_px[1, 0]
    outwards = (corners_px[1] - corners_px[0]) / np.linalg.norm(corners_px[1] - corners_px[0])
    for point_px, direction in zip(corners_px, (-outwards, outwards)):
        assert around(image, point_px, 1).min() < 60, f"seed {seed}: no corner at {point_px}"
        assert around(image, point_px + 5 * direction, 1).min() > 100, f"seed {seed}: mouth goes on after {point_px}"


@pytest.mark.parametrize("seed", range(8))
def test_the_noses_point_is_its_bright_tip(seed):
    canvas, camera, person = plain(seed)
    point_px = camera.project(draw_nose(canvas, camera, person, 0.3)[None])[0]
    image = cv2.GaussianBlur(grey(canvas), (0, 0), 1)
    patch = around(image, point_px, 6)
    y, x = np.unravel_index(np.argmax(patch), patch.shape)
    assert np.hypot(x - 6, y - 6) < 2.5, f"seed {seed}: brightest {x - 6, y - 6} from the tip"


def test_poses_turn_the_way_they_say():
    def tip(yaw, pitch, roll):
        return Camera.of_pose(yaw, pitch, roll, 100, (0, 0), 1e9).project([[0, 0, 1], [0, -1, 0]])
    assert tip(30, 0, 0)[0, 0] > 40 and tip(0, 30, 0)[0, 1] > 40  # right, down
    assert tip(0, 0, 30)[1, 0] > 40                               # clockwise: the crown goes right


def test_pictures_vary():
    seen = Counter(draw_person(np.random.default_rng(i)).hair_style for i in range(200))
    assert set(seen) == {"bald", "short", "long", "fringe", "hat"}


def test_the_command(tmp_path, capsys):
    arguments = [str(tmp_path / "faces"), "--train", "4", "--test", "2", "--jobs", "1"]
    assert synthesize.main([*arguments, "--show", str(tmp_path / "sheet.png")]) == 0
    assert "4 training and 2 test faces of seed 0" in capsys.readouterr().out
    assert read_grey(tmp_path / "sheet.png").shape[1] > 900
    (tmp_path / "file").write_text("")
    assert synthesize.main([str(tmp_path / "file"), "--train", "1"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.process
def test_faces_need_no_torch():
    code = "import sys; sys.modules['torch'] = None; import deeplandmark.faces.synthetic, deeplandmark.faces.draw; " \
           "import deeplandmark.synthesize; assert not {'h5py', 'matplotlib'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
