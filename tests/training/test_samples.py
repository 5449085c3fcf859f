"""Wide windows pixel by pixel: what each stored number is the mean of, how far the window reaches, in which units."""
from dataclasses import replace

import cv2
import numpy as np
import pytest

from deeplandmark.cascade.networks import networks
from deeplandmark.cascade.settings import PAPER_SETTINGS
from deeplandmark.faces.augment import Face
from deeplandmark.faces.box import reproject
from deeplandmark.faces.cutting import cut
from deeplandmark.networks.windows import frames_of, windows_of
from deeplandmark.training.samples import MARGIN, wide_sample

BY_NAME = {network.full_name: network for network in networks()}
BOX = np.array([110.0, 60, 300, 280])                            # higher than wide; the input of EN is wider than high
POINTS_PX = np.array([[160.0, 110], [250, 112], [205, 160], [170, 210], [240, 213]])


@pytest.mark.parametrize("network", [BY_NAME["1_F"], BY_NAME["1_EN"], replace(BY_NAME["1_EN"], size=(17, 39)),
                                     BY_NAME["2_N1"]], ids=lambda network: f"{network.full_name} {network.size}")
def test_every_number_is_the_mean_over_a_cell_at_its_place(network):
    rng = np.random.default_rng(4)
    print("seed 4")
    image = cv2.GaussianBlur(rng.integers(0, 256, (400, 440), dtype=np.uint8), (0, 0), 2)
    values, = wide_sample(Face(image, BOX, POINTS_PX), [network], PAPER_SETTINGS, POINTS_PX + 3)
    nominal = windows_of(network, BOX[None], POINTS_PX[None])
    frame = frames_of(network, BOX[None], nominal)
    in_frame = PAPER_SETTINGS.encoding.decode(values["extent"].reshape(1, 2, 2).astype(np.float64))
    reach = reproject(frame, in_frame).reshape(4)
    cell = (nominal[0, 2:] - nominal[0, :2]) / network.size[::-1]
    more = np.abs(reach - nominal[0]) - MARGIN * np.tile(frame[0, 2:] - frame[0, :2], 2)
    assert (more > -0.01).all() and (more < np.tile(cell, 2)).all()      # the margin, and less than a cell besides
    window = values["window"][0]
    cells = (reach[2:] - reach[:2]) / cell
    assert window.shape == tuple(np.rint(2 * cells[::-1]).astype(int)) and np.abs(cells - np.rint(cells)).max() < 0.01
    for row, column in rng.integers(0, window.shape, (40, 2)):
        x, y = reach[:2] + (np.array([column, row]) + 0.5) * cell / 2
        mean = cut(image, (x - cell[0] / 2, y - cell[1] / 2, x + cell[0] / 2, y + cell[1] / 2), (1, 1))[0, 0]
        assert abs(window[row, column] - mean) < 0.6, (row, column)
