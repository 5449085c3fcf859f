"""Points with nothing around them, against loops over pixels."""
import numpy as np
import pytest

from deeplandmark.faces.blank import REACH, blank


@pytest.mark.parametrize("colours", [(), (3,)])
def test_against_loops(colours):
    rng = np.random.default_rng(3)
    image = np.full((40, 60, *colours), 7, np.uint8)
    places = rng.integers(0, [40, 60], (6, 2))
    image[places[:, 0], places[:, 1]] = 8                        # one grey level is something
    points, widths = rng.uniform(-20, 80, (30, 4, 2)), rng.uniform(1, 60, 30)
    expected = np.ones((30, 4), bool)
    for i, (face, width) in enumerate(zip(points, widths)):
        for j, (x, y) in enumerate(face):
            for row, column in places:
                across, down = ([min(max(at + side * REACH * width, 0), most) for side in (-1, 1)]
                                for at, most in ((x, 59), (y, 39)))
                if round(across[0]) <= column <= round(across[1]) and round(down[0]) <= row <= round(down[1]):
                    expected[i, j] = False
    np.testing.assert_array_equal(blank(image, points, widths), expected)
    assert 0 < expected.sum() < expected.size


def test_no_faces_and_points_that_are_none():
    image = np.zeros((9, 9), np.uint8)
    assert blank(image, np.zeros((0, 5, 2)), np.zeros(0)).shape == (0, 5)
    assert blank(image, np.array([[[np.nan, np.inf], [-np.inf, 1e30]]]), [np.inf]).all()
