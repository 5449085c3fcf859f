"""The 23 networks of the cascade as one table (paper, Table 2)."""
from dataclasses import replace

from deeplandmark.faces.points import FIVE_POINTS
from deeplandmark.networks.network import Network

LEVELS = (1, 2, 3)
HALF_SIDES = {2: (0.16, 0.18), 3: (0.11, 0.12)}     # of a patch, fraction of the face box (Table 2)
MAX_SHIFT = {2: 0.05, 3: 0.02}                      # of a training patch, fraction of the face box (section 4)
PATCH_SIZE = (15, 15)

LEVEL_1 = (
    Network(1, "F", "s0", (0, 1, 2, 3, 4), (39, 39), window=(-0.05, 1.05, -0.05, 1.05)),
    Network(1, "EN", "s1", (0, 1, 2), (31, 39), window=(-0.05, 1.05, -0.04, 0.84)),
    Network(1, "NM", "s1", (2, 3, 4), (31, 39), window=(-0.05, 1.05, 0.18, 1.05)),
)


def networks(points=FIVE_POINTS, levels=LEVELS):
    """The networks of some levels: F, EN and NM (F alone when the points are not the usual five), two a point after."""
    level_1 = LEVEL_1 if points == FIVE_POINTS else (
        Network(1, "F", "s0", tuple(range(len(points))), (39, 39), window=LEVEL_1[0].window),)
    found = [network for network in level_1 if 1 in levels]
    found += [Network(level, f"{name}{k}", "s2", (i,), PATCH_SIZE, half_side=half_side)
              for level in LEVELS[1:] if level in levels
              for i, name in enumerate(points.names)
              for k, half_side in enumerate(HALF_SIDES[level], 1)]
    return tuple(found)


def light_networks(points=FIVE_POINTS):
    """One network that is the whole cascade; ValueError for other points than the usual five, whose halves it knows."""
    if points != FIVE_POINTS:
        raise ValueError("the light family finds the usual five points; other points are for the paper's family, wide "
                         "or the regressor's")
    edge = 0.125                                                 # seen beyond the box on each side: 77 pixels a box
    return (Network(1, "L", "net", (0, 1, 2, 3, 4), (96, 96), window=(-edge, 1 + edge, -edge, 1 + edge),
                    earlier=("level_1", "level_2"), half_sides=(0.18, 0.13)),)


def original_networks(points=FIVE_POINTS):
    """Those of the original: EN and NM are rows 0..30 and 8..38 of F's 39 rows; the rest is the paper's table."""
    x0, x1, y0, y1 = LEVEL_1[0].window
    row = (y1 - y0) / 39
    windows = {"F": (x0, x1, y0, y1), "EN": (x0, x1, y0, y0 + 31 * row), "NM": (x0, x1, y0 + 8 * row, y1)}
    return tuple(replace(network, window=windows.get(network.name, network.window)) if network.level == 1 else network
                 for network in networks(points))


def levels_of(networks):
    """The numbers of the levels that some networks make, a sorted list."""
    return sorted({network.level + step for network in networks for step in range(1 + len(network.earlier))})
