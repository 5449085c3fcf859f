"""Lists that cannot be right are named; those that are only unusual are not."""
from dataclasses import replace

import numpy as np
import pytest

from deeplandmark.faces import FIVE_POINTS, IBUG_68, Annotation, BBox, ListError, Points, read_faces
from deeplandmark.faces.datasets.plausible import check_plausible
from tests.helpers.fake_cascade import synthetic_list


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """Thirty drawn faces, some of whose points are not visible."""
    found, _ = read_faces(synthetic_list(tmp_path_factory.mktemp("faces"), 30))
    for i, face in enumerate(found[::3]):
        face.landmark_px[i % 5] = np.nan
    return found


def changed(faces, points=lambda px: px, box=lambda box: box):
    return [replace(face, landmark_px=points(face.landmark_px), bbox=box(face.bbox)) for face in faces]


def as_box(order):
    """The box that is read where the four numbers are written in that way, and the list is read as the paper's."""
    def read(box):
        numbers = {"xywh": (box.left, box.top, box.width, box.height),
                   "ltrb": (box.left, box.top, box.right, box.bottom)}[order]
        return BBox.from_left_right_top_bottom(*numbers)
    return read


WRONG = {
    "fractions": (lambda px: px / 400, lambda box: BBox(0, 0, 1, 1), "0..1: they are fractions"),
    "y before x": (lambda px: px[:, ::-1], None, "y seems to stand before x .100% of 20 faces"),
    "left and right": (lambda px: px[list(FIVE_POINTS.mirror)], None, "left and right are exchanged"),
    "from below": (lambda px: px * [1, -1] + [0, 250], lambda box: BBox(box.left, 250 - box.bottom, box.right,
                                                                    250 - box.top), "the mouths are above the eyes"),
    "x y w h": (None, as_box("xywh"), "boxes seem to be x y width height"),
    "l t r b": (None, as_box("ltrb"), "boxes seem to be left top right bottom"),
    "far away": (lambda px: px + 1000, None, "more than a box away from their box, the first in line 1"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_named(what, faces):
    points, box, text = WRONG[what]
    with pytest.raises(ListError, match=f"^labels.csv: .*{text}"):
        check_plausible(changed(faces, points or (lambda px: px), box or (lambda box: box)), FIVE_POINTS, "labels.csv")


def test_x_y_w_h_read_as_corners(faces):
    """As a CSV of corners would hold them."""
    with pytest.raises(ListError, match="boxes seem to be x y width height"):
        check_plausible(changed(faces, box=lambda box: BBox(box.left, box.top, box.width, box.height)), FIVE_POINTS,
                        "list")


def test_what_is_not(faces, tmp_path):
    check_plausible(faces, FIVE_POINTS, "list")
    check_plausible([], FIVE_POINTS, "list")
    tilted = [60, -60]
    for angle in tilted:                                         # people who lie down
        a = np.deg2rad(angle / 2)
        turn = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
        check_plausible(changed(faces, lambda px, turn=turn:
                                (px - np.nanmean(px, axis=0)) @ turn.T + np.nanmean(px, axis=0)), FIVE_POINTS, "list")
    some = [*changed(faces[:12], lambda px: px + 2000), *faces[12:]]     # single faces are for other checks
    check_plausible(some, FIVE_POINTS, "list")
    # Points of one's own may be in any order, and a little outside.
    own = Points(("A", "B", "C", "D", "E"), (0, 1, 2, 3, 4))
    check_plausible(changed(faces, lambda px: px[::-1]), own, "list")


def test_sixty_eight_points_are_looked_at_by_their_five(faces):
    spread = [Annotation("a", face.bbox, np.zeros((68, 2)), "list", 1) for face in faces if face.visible.all()]
    for face, of in zip(spread, [face for face in faces if face.visible.all()]):
        for part, point in zip(IBUG_68.five, of.landmark_px):
            face.landmark_px[list(part)] = point
        face.landmark_px[(face.landmark_px == 0).all(axis=1)] = of.landmark_px.mean(axis=0)
    check_plausible(spread, IBUG_68, "list")
    with pytest.raises(ListError, match="left and right"):
        check_plausible(changed(spread, lambda px: px[list(IBUG_68.mirror)]), IBUG_68, "list")
