"""The mesh's windows and what comes back from them; with the wheel, its faces beside hand-set points."""
from importlib import metadata

import cv2
import numpy as np
import pytest

from deeplandmark.annotating import face_mesh
from deeplandmark.annotating.face_mesh import LOOKS, FaceMesh, load_face_mesh
from deeplandmark.annotating.mesh_points import points_from_mesh
from deeplandmark.faces.errors import FacesError
from deeplandmark.faces.points import IBUG_68
from deeplandmark.work.lite_rt import WHEEL, LiteNetwork, file_of_wheel
from tests.helpers.fake_mesh import SeesDiscs, box_of, picture_of, vertices_of


def has_mesh():
    try:
        return bool(metadata.files(WHEEL)) and bool(metadata.files("ai-edge-litert"))
    except metadata.PackageNotFoundError:
        return False


@pytest.mark.parametrize("corners", [
    [(110, 120), (190, 120)], [(120.5, 90), (180, 131.25)],      # level, and turned by 35 degrees
    [(180, 180), (120, 200)],                                    # upside down
    [(20, 30), (70, 34)],                                        # the windows reach over the edge
    [(140, 150), (160, 149)]])                                   # small
def test_vertices_come_back_to_the_picture(corners):
    vertices, scores = FaceMesh(SeesDiscs()).find(picture_of([corners]), [box_of(corners).as_array()])
    assert vertices.shape == (1, 468, 2) and scores.shape == (1,) and scores[0] > 0.99
    assert np.abs(vertices[0] - vertices_of(corners)).max() < 0.02 * np.linalg.norm(np.subtract(*corners)) + 0.3


def test_later_windows_are_upright_and_differ():
    network = SeesDiscs()
    corners = [(120, 90), (180, 150)]
    FaceMesh(network).find(picture_of([corners]), [box_of(corners).as_array()])
    assert len(network.seen) == 2 + len(LOOKS)

    def angle(window):
        blue, red = (np.argwhere(window[..., channel] > 0.5).mean(axis=0) for channel in (2, 0))
        return np.degrees(np.arctan2(red[0] - blue[0], red[1] - blue[1]))
    assert angle(network.seen[0]) == pytest.approx(45, abs=2)
    assert [angle(window) for window in network.seen[1:]] == pytest.approx([0, *(-look[0] for look in LOOKS)], abs=2)
    middles = [np.argwhere(window.max(axis=2) > 0.5).mean(axis=0)[::-1] for window in network.seen[2:]]
    assert middles[3] - middles[4] == pytest.approx([-12, 0], abs=3)


def test_no_face_has_a_low_score_and_no_boxes_are_none():
    mesh = FaceMesh(SeesDiscs())
    assert mesh.find(picture_of([]), [[10, 10, 90, 90]])[1][0] < 0.01
    vertices, scores = mesh.find(picture_of([]), np.zeros((0, 4)))
    assert vertices.shape == (0, 468, 2) and scores.shape == (0,)


def test_files_that_are_no_mesh(tmp_path, monkeypatch):
    with pytest.raises(FacesError, match="nowhere.tflite: no such file"):
        load_face_mesh(tmp_path / "nowhere.tflite")

    class Another:
        input_shape, output_sizes = (1, 64, 64, 3), [142, 15]
    (tmp_path / "iris.tflite").write_bytes(b"x")
    monkeypatch.setattr(face_mesh, "LiteNetwork", lambda file, error: Another())
    with pytest.raises(FacesError, match="iris.tflite: not MediaPipe's face mesh of 468 points"):
        load_face_mesh(tmp_path / "iris.tflite")


@pytest.mark.skipif(not has_mesh(), reason=f"needs {WHEEL} and ai-edge-litert, which runs its network")
def test_the_network_of_the_wheel(tmp_path):
    """It finds a drawn face, and its answers turn with the picture."""
    (tmp_path / "bad.tflite").write_bytes(b"no network")
    with pytest.raises(FacesError, match="bad.tflite: not a network that LiteRT can read"):
        load_face_mesh(tmp_path / "bad.tflite")
    assert LiteNetwork(file_of_wheel(face_mesh.FILE)).output_sizes[:2] == [1404, 1]
    mesh = load_face_mesh()
    image = _drawn_face()
    box = np.array([[60.0, 70, 180, 190]])
    vertices, scores = mesh.find(image, box)
    points = points_from_mesh(vertices, IBUG_68)[0]
    assert scores[0] > 0.5
    assert np.linalg.norm(IBUG_68.to_five(points) - FIVE, axis=1).max() < 0.12 * 120
    turn = cv2.getRotationMatrix2D((120, 130), 20, 1)
    again = points_from_mesh(mesh.find(cv2.warpAffine(image, turn, (240, 240)), box)[0], IBUG_68)[0]
    expected = points @ turn[:, :2].T + turn[:, 2]
    assert np.linalg.norm(again - expected, axis=1).mean() < 0.05 * 120


FIVE = np.array([[92, 104], [148, 104], [120, 138], [98, 164], [142, 164]], float)


def _drawn_face():
    """A simple drawn face (240, 240, 3)."""
    image = np.full((240, 240, 3), 90, np.uint8)
    cv2.ellipse(image, (120, 130), (66, 88), 0, 0, 360, (150, 180, 225), -1, cv2.LINE_AA)
    for x, y in FIVE[:2].astype(int):
        cv2.ellipse(image, (int(x), int(y)), (14, 7), 0, 0, 360, (250, 250, 250), -1, cv2.LINE_AA)
        cv2.circle(image, (int(x), int(y)), 6, (60, 40, 30), -1, cv2.LINE_AA)
        cv2.ellipse(image, (int(x), int(y) - 18), (20, 6), 0, 180, 360, (40, 50, 60), 4, cv2.LINE_AA)
    cv2.line(image, (116, 108), (112, 138), (120, 150, 195), 3, cv2.LINE_AA)
    cv2.ellipse(image, (120, 140), (13, 6), 0, 0, 180, (90, 110, 160), 3, cv2.LINE_AA)
    cv2.ellipse(image, (120, 162), (23, 9), 0, 0, 360, (80, 80, 190), -1, cv2.LINE_AA)
    cv2.line(image, (98, 163), (142, 163), (40, 30, 100), 2, cv2.LINE_AA)
    return image
