"""The 23 networks of the cascade as one table (paper, Table 2)."""
from dataclasses import dataclass

from deeplandmark.faces.points import FIVE_POINTS

LEVELS = (1, 2, 3)
HALF_SIDES = {2: (0.16, 0.18), 3: (0.11, 0.12)}     # of a patch, fraction of the face box (Table 2)
MAX_SHIFT = {2: 0.05, 3: 0.02}                      # of a training patch, fraction of the face box (section 4)
PATCH_SIZE = (15, 15)
PREDICTION = "fc2"      # the blob that holds the answer; a net without it has a single output


@dataclass(frozen=True)
class Network:
    """One network: what it sees and which points it predicts.

    Attributes
    ----------
    level : int
    name : str
        F, EN, NM at level 1; point name and 1 or 2 after that.
    structure : str
        s0, s1 or s2 of Table 1.
    points : tuple of int
        Predicted points, positions in Points.names.
    size : (rows, columns) of the input.
    window : (x0, x1, y0, y1) or None
        Level 1: input window in fractions of the face box.
    half_side : float or None
        Levels 2 and 3: half the side of the patch, fraction of the box's width (in x) and height (in y).
    """
    level: int
    name: str
    structure: str
    points: tuple
    size: tuple
    window: tuple = None
    half_side: float = None

    @property
    def full_name(self):
        """As in file names: 1_F, 2_LE1."""
        return f"{self.level}_{self.name}"

    @property
    def num_output(self):
        return 2 * len(self.points)


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
    return found
