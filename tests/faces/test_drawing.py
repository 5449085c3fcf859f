"""Drawing: points and boxes land where they should, sheets hold what they are given."""

import numpy as np
import pytest

from deeplandmark.faces import BBox
from deeplandmark.faces.draw import (
    BOX_COLOUR,
    POINT_COLOURS,
    as_colour,
    contact_sheet,
    draw_box,
    draw_face,
    draw_faces,
    draw_points,
    fixed_point,
)


def test_points_are_drawn_in_place_and_in_their_own_colours():
    image = np.full((60, 60), 128, np.uint8)
    points = [[10, 10], [50, 10], [30, 30], [12, 50], [48, 50]]
    drawn = draw_points(image, points, radius=2)
    assert drawn.shape == (60, 60, 3) and (image == 128).all()
    for (x, y), colour in zip(points, POINT_COLOURS):
        assert tuple(drawn[y, x]) == colour


def test_floats_are_stretched_over_all_grey_levels():
    assert as_colour(np.array([[-2.0, 0.0, 2.0]]))[0, :, 1].tolist() == [0, 127, 255]
    assert not as_colour(np.full((2, 2), 0.5)).any()


def test_points_outside_or_missing_do_not_matter():
    draw_face(np.zeros((20, 20), np.uint8), [[-500, 3], [np.nan, 4], [5, 1e4]], BBox(-10, -10, 30, 30))


@pytest.mark.parametrize("far", [9.9e5, 2e8, 1e300])
def test_far_boxes_are_drawn_as_far_as_they_are_seen(far):
    drawn = draw_faces(np.zeros((60, 80, 3), np.uint8), [[[far, -far]]], [[10, 20, far, far]])
    np.testing.assert_allclose([drawn[40, 10], drawn[20, 40]], [BOX_COLOUR] * 2, atol=30)  # smoothed edges
    assert tuple(drawn[50, 60]) == tuple(drawn[5, 5]) == (0, 0, 0)


def test_boxes():
    drawn = draw_box(np.zeros((40, 40, 3), np.uint8), BBox(5, 10, 30, 35), thickness=1)
    np.testing.assert_allclose(drawn[20, 5], BOX_COLOUR, atol=30)  # smoothed edges
    assert tuple(drawn[20, 20]) == (0, 0, 0)


@pytest.mark.parametrize("scale", [0.5, 1.0, 4.0])
def test_a_sheet_of_net_inputs(scale):
    images = np.random.default_rng(0).normal(size=(5, 15, 15)).astype(np.float32)
    sheet = contact_sheet(images, [[[7, 7]]] * 5, columns=3, scale=scale, gap=4)
    cell = round(15 * scale) + 4
    assert sheet.shape == (2 * cell + 4, 3 * cell + 4, 3)
    middle = 4 + round(7.5 * scale - 0.5)
    assert tuple(sheet[middle, middle]) != tuple(contact_sheet(images, columns=3, scale=scale, gap=4)[middle, middle])


@pytest.mark.parametrize("scale", [4, 5])
def test_on_an_enlarged_picture_points_and_boxes_stay_on_what_they_mark(scale):
    """Pixel centres are whole numbers: point (4, 6) is the middle of the block that pixel (4, 6) becomes."""
    image = np.zeros((20, 20), np.uint8)
    plain = contact_sheet([image], scale=scale, gap=0).astype(int)
    dots = np.abs(contact_sheet([image], [[[4, 6]]], scale=scale, gap=0) - plain).sum(2)
    rows, columns = np.mgrid[:20 * scale, :20 * scale]
    middle = [(columns * dots).sum() / dots.sum(), (rows * dots).sum() / dots.sum()]
    np.testing.assert_allclose(middle, [4.5 * scale - 0.5, 6.5 * scale - 0.5], atol=0.2)
    lines = np.abs(contact_sheet([image], boxes=[BBox(4, 6, 13, 15)], scale=scale, gap=0) - plain).sum(2)
    rows, columns = np.nonzero(lines)
    np.testing.assert_allclose([(columns.min() + columns.max()) / 2, (rows.min() + rows.max()) / 2],
                               [9 * scale - 0.5, 11 * scale - 0.5], atol=0.51)
    assert columns.max() - columns.min() == pytest.approx(9 * scale, abs=8)


def test_a_dot_has_a_black_ring():
    drawn = draw_points(np.full((40, 40), 200, np.uint8), [[20.5, 20]], radius=5)
    assert tuple(drawn[20, 24]) == POINT_COLOURS[0] and drawn[20, 29].min() == 200
    assert drawn[20, 25:29].max(axis=1).min() < 90               # smoothed edges


def test_dots_on_a_face_larger_than_the_picture_are_as_large_as_the_picture_wants():
    drawn = draw_faces(np.zeros((60, 80, 3), np.uint8), [[[40, 30]]], [[-4000, -4000, 4000, 4000]])
    assert drawn[30, 40].any() and not drawn[5, 5].any() and not drawn[30, 46].any()


def test_fixed_points_are_the_nearest():
    assert fixed_point([1.25, 0.49 / 16, -0.49 / 16, -0.51 / 16]) == [20, 0, 0, -1]


def test_titles_and_pictures_of_several_sizes():
    sheet = contact_sheet([np.zeros((30, 40), np.uint8), np.zeros((20, 60, 3), np.uint8)], columns=2,
                          titles=["one", "a longer title"], boxes=[BBox(1, 2, 20, 22), BBox(0, 0, 10, 10)])
    assert sheet.shape[0] == 30 + 16 + 8 and (sheet < 100).any()


def test_an_empty_sheet_is_an_error():
    with pytest.raises(ValueError, match="at least one picture"):
        contact_sheet([])
