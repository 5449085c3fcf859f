"""Sets of points as data: mirrors that undo themselves, lines and fives of points there are, left on the left."""
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeplandmark.faces.alignment import ARCFACE, similarity_to
from deeplandmark.faces.augment import apply
from deeplandmark.faces.draw import draw_faces
from deeplandmark.faces.points import FACE_88, FIVE_POINTS, IBUG_68, SETS, Points, known

ALL = pytest.mark.parametrize("points", SETS.values(), ids=SETS)


@ALL
def test_a_set_is_whole(points):
    k = len(points)
    assert len(set(points.names)) == k and len(points.shown) == k
    assert [points.mirror[i] for i in points.mirror] == list(range(k))
    alone = {i for i, j in enumerate(points.mirror) if i == j}
    assert alone.isdisjoint(i for pair in points.pairs for i in pair) and len(alone) + 2 * len(points.pairs) == k
    used = {i for line in points.lines for i in line} | {i for part in points.five for i in part}
    assert used <= set(range(k)) and len(points.five) in (0, 5)
    if points.groups:
        assert sorted(i for _, part in points.groups for i in part) == list(range(k))


@ALL
def test_mirrored_lines_and_fives_are_the_sets_own(points):
    """What a drawing joins is joined in the mirrored face as well; the five of it are the mirrored five."""
    joined = {frozenset(pair) for line in points.lines for pair in pairwise(line)}
    assert joined == {frozenset(points.mirror[i] for i in pair) for pair in joined}
    for own, part in enumerate(points.five):
        assert {points.mirror[i] for i in part} == set(points.five[FIVE_POINTS.mirror[own]])


@ALL
def test_mirrored_names_say_the_other_side(points):
    for name, i in zip(points.names, points.mirror):
        side = name.partition("_")[0]
        if side in ("left", "right"):
            assert points.names[i].partition("_")[0] == {"left": "right", "right": "left"}[side]


def test_the_five_of_many():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(3, 68, 2))
    five = IBUG_68.to_five(points)
    assert np.allclose(five[:, 0], points[:, 36:42].mean(1)) and np.allclose(five[:, 2:], points[:, [30, 48, 54]])
    assert np.array_equal(FIVE_POINTS.to_five(five), five)
    mirrored = points[:, list(IBUG_68.mirror)] * (-1, 1)
    assert np.allclose(IBUG_68.to_five(mirrored), five[:, list(FIVE_POINTS.mirror)] * (-1, 1))
    with pytest.raises(ValueError, match="do not say"):
        Points(("a", "b"), (0, 1)).to_five(points)


def test_known_sets_are_recognised():
    assert known(list(IBUG_68.names), list(IBUG_68.mirror)) is IBUG_68
    assert known(("a", "b"), (1, 0)) == Points(("a", "b"), (1, 0))
    assert known(FACE_88.names, range(88)).lines == ()           # its names under another mirror are another set


def test_lines_are_drawn_where_the_points_are():
    """Four corners of a square joined: its edges are no longer white, its middle is."""
    image = np.full((200, 200, 3), 255, np.uint8)
    square = np.array([[50, 50], [150, 50], [150, 150], [50, 150]], float)
    drawn = draw_faces(image, square[None], [[20, 20, 180, 180]], lines=((0, 1, 2, 3, 0),))
    assert all((drawn[y, x] != 255).any() for x, y in ((100, 50), (150, 100), (100, 150), (50, 100)))
    assert (drawn[100, 100] == 255).all() and (drawn[75, 75] == 255).all()
    plain = draw_faces(image, square[None], [[20, 20, 180, 180]])
    assert (plain[50, 100] == 255).all()


@ALL
@given(st.floats(-180, 180), st.floats(0.1, 9), st.integers(0, 2 ** 32))
def test_recognisers_are_fed_the_same_crop_however_the_face_lies(points, degrees, scale, seed):
    """Aligned by the five of any set: what turns, enlarges and moves the face is undone, whatever the set."""
    rng = np.random.default_rng(seed)
    face = rng.uniform(0, 100, (len(points), 2))
    turn = scale * np.array([[np.cos(degrees), -np.sin(degrees)], [np.sin(degrees), np.cos(degrees)]])
    moved = face @ turn.T + rng.uniform(-50, 50, 2)
    aligned = [apply(similarity_to(points.to_five(each), ARCFACE.points), each) for each in (face, moved)]
    np.testing.assert_allclose(aligned[1], aligned[0], atol=1e-6)
    off = points.to_five(aligned[0]) - ARCFACE.points            # least squares: no shift is left over
    np.testing.assert_allclose(off.mean(axis=0), 0, atol=1e-9)
