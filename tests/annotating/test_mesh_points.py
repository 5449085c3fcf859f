"""Sets of points out of a mesh, and how the map to 68 of them is fitted."""
import json

import numpy as np
import pytest

from deeplandmark.annotating.fit_map import fit_map, mirror_of_vertices
from deeplandmark.annotating.mesh_points import COUNTS, FILE, VERTICES_88, as_text, points_from_mesh, points_of
from deeplandmark.faces.points import FACE_88, FIVE_POINTS, IBUG_68, Points

SEED = 3


@pytest.fixture(scope="module")
def mesh():
    """(2, 468, 2): two meshes of any shape."""
    print("seed", SEED)
    return np.random.default_rng(SEED).normal(size=(2, 468, 2)) * 40 + 100


@pytest.mark.parametrize("count", COUNTS)
def test_sets(count, mesh):
    points = points_of(count)
    assert len(points) == int(count) and len(points.five) == 5
    found = points_from_mesh(mesh, points)
    assert found.shape == (2, int(count), 2)
    turn, shift = np.array([[0.6, -0.8], [0.8, 0.6]]) * 3, [5, -7]     # points go with their mesh
    assert points_from_mesh(mesh @ turn + shift, points) == pytest.approx(found @ turn + shift)
    mirror = np.array(points_of("468").mirror)                         # and the mirrored mesh has mirrored points
    mirrored = points_from_mesh((mesh * [-1, 1])[:, mirror], points)
    assert mirrored == pytest.approx((found * [-1, 1])[:, list(points.mirror)], abs=0.05)


def test_the_table():
    table = json.loads(FILE.read_text())
    mirror = np.array(table["mirror"])
    assert (mirror[mirror] == np.arange(468)).all()
    assert [mirror[vertex] for vertex in (33, 133, 61, 234, 1, 10, 152)] == [263, 362, 291, 454, 1, 10, 152]
    assert [mirror[VERTICES_88[i]] for i in range(88)] == [VERTICES_88[i] for i in FACE_88.mirror]
    assert [mirror[mirror[i]] for i in range(468)] == list(range(468))
    assert len(table["68"]) == 68 and max(map(len, table["68"])) <= 6
    assert all(abs(sum(row.values()) - 1) < 1e-3 for row in table["68"])


def test_other_points_are_not_told(mesh):
    with pytest.raises(ValueError, match="a mesh tells 68, 88, 468 points, not these 5"):
        points_from_mesh(mesh, FIVE_POINTS)


def faces_and_mirror(count, vertices=20):
    """(n, v, 2) meshes, symmetric but for some noise of their own, turned and of any size; which vertices mirror."""
    random = np.random.default_rng(SEED)
    half = random.uniform([0.2, -1], [1, 1], (vertices // 2 - 1, 2))
    shape = np.concatenate([half, half * [-1, 1], [[0, 0.5], [0, -0.7]]])
    mirror = np.r_[np.arange(len(half)) + len(half), np.arange(len(half)), vertices - 2, vertices - 1]
    faces = shape + random.normal(0, 0.15, (count, vertices, 2))
    turns = random.uniform(20, 60, count) * np.exp(1j * random.uniform(-0.6, 0.6, count))
    places = (faces @ [1, 1j]) * turns[:, None] + random.uniform(50, 300, (count, 1))
    return np.stack([places.real, places.imag], axis=-1), mirror


def test_a_map_is_found_again():
    vertices, mirror = faces_and_mirror(80)
    points = Points(("left", "right", "middle"), (1, 0, 2))
    truth = np.zeros((3, 20))
    truth[0, [1, 4, 12]] = 0.5, 0.7, -0.2
    truth[1] = truth[0][mirror]
    truth[2, [2, mirror[2], 18]] = 0.3, 0.3, 0.4
    wanted = truth @ vertices
    found = fit_map(vertices, wanted, points, mirror, ridge=1e-9)
    assert found == pytest.approx(truth, abs=0.02)
    assert found.sum(axis=1) == pytest.approx(1) and ((found != 0).sum(axis=1) <= 6).all()
    assert found[1] == pytest.approx(found[0][mirror]) and found[2] == pytest.approx(found[2][mirror])
    coarse = fit_map(vertices, wanted, points, mirror, most=2)
    assert (np.count_nonzero(coarse, axis=1) <= 2).all() and coarse.sum(axis=1) == pytest.approx(1)
    text = json.loads(as_text(mirror, truth))
    assert text["68"][0] == {"1": 0.5, "4": 0.7, "12": -0.2} and text["mirror"] == mirror.tolist()


def test_the_mirror_is_found_from_mirrored_pictures():
    vertices, mirror = faces_and_mirror(40)
    random = np.random.default_rng(SEED)
    mirrored = vertices[:, mirror] + random.normal(0, 0.5, vertices.shape)
    mirrored[:, 3] += 4                                                # a vertex that seems to be another one's mirror
    assert (mirror_of_vertices(vertices, mirrored, [18, 19]) == mirror).all()
    assert (mirror_of_vertices(vertices, mirrored, [18, 19], [(0, 9), (1, 10)]) == mirror).all()


def test_the_five_of_68_and_of_88_lie_near_each_other():
    from tests.helpers.fake_mesh import SHAPE
    vertices = np.array([SHAPE])
    assert points_of("468").to_five(vertices) == pytest.approx(FACE_88.to_five(points_from_mesh(vertices, FACE_88)))
    assert IBUG_68.to_five(points_from_mesh(vertices, IBUG_68)).shape == (1, 5, 2)
