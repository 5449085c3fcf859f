"""What was found in a picture, face by face and in part."""
import numpy as np
import pytest

from deeplandmark import Faces
from deeplandmark.cascade.cascade import CascadeFaces


def rows(n, *shape):
    """Row i is full of i."""
    return np.broadcast_to(np.arange(n, dtype=np.float32).reshape(-1, *[1] * len(shape)), (n, *shape)).copy()


def found(n=3, scores=True):
    return Faces(rows(n, 5, 2), rows(n, 5), rows(n, 4), rows(n) if scores else None)


def test_length_and_iteration():
    faces = found()
    assert len(faces) == 3 and bool(faces) and not found(0) and list(found(0)) == []
    for i, face in enumerate(faces):
        assert face.points.shape == (5, 2) and face.confidence.shape == (5,) and face.box.shape == (4,)
        assert (face.points == i).all() and (face.confidence == i).all() and (face.box == i).all() and face.score == i
    assert [face.score for face in found(scores=False)] == [None] * 3


def test_one_face():
    assert (found()[1].points == 1).all() and found()[-1].score == 2 and found()[np.int64(2)].score == 2
    for index in (3, -4):
        with pytest.raises(IndexError):
            found()[index]


@pytest.mark.parametrize("index, expected", [
    (slice(1, None), [1, 2]), ([2, 0], [2, 0]), (np.array([2, 0]), [2, 0]), (np.array([True, False, True]), [0, 2]),
    ([True, False, True], [0, 2]), (slice(None, None, -1), [2, 1, 0]), ([], [])])
def test_some_faces(index, expected):
    part = found()[index]
    assert type(part) is Faces and len(part) == len(expected)
    assert part.scores.tolist() == part.points[:, 0, 0].tolist() == part.boxes[:, 3].tolist() == expected
    assert found(scores=False)[index].scores is None


@pytest.mark.parametrize("index", ["points", (0, 1), None, True, 1.5, np.zeros((2, 2), int)])
def test_nothing_else_is_an_index(index):
    with pytest.raises(TypeError, match="a number, a slice, a list of numbers or a mask"):
        found()[index]


def test_of_a_cascade_everything_comes_along():
    faces = CascadeFaces(rows(3, 5, 2), rows(3, 5), rows(3, 4), levels=rows(3, 3, 5, 2), first=rows(3, 5, 2),
                         spread=rows(3, 3, 5), looks=np.arange(3))
    part = faces[[2, 1]]
    assert isinstance(part, CascadeFaces) and isinstance(part, Faces)
    for name in ("points", "confidence", "boxes", "levels", "first", "spread", "looks"):
        array = getattr(part, name)
        assert len(array) == 2 and (array[0] == 2).all() and (array[1] == 1).all()
