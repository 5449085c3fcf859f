"""What the original and the paper reached on the paper's validation list (testImageList.txt, 3,466 pictures)."""
from dataclasses import dataclass

VALIDATION_FACES = 3466
PAPER = "Y. Sun, X. Wang, X. Tang: Deep Convolutional Network Cascade for Facial Point Detection, CVPR 2013, Fig. 5"
ORIGINAL = "deep-landmark, the paper's re-implementation with Caffe: its published weights on the same list"
READ_OFF = 0.02  # a value read off a figure may be off by this many percent points


@dataclass(frozen=True)
class Published:
    """One row of results; the normaliser is the width of the face box, a failure is an error above 5 % of it.

    Attributes
    ----------
    who : "paper" or "original"
    level : 1, 2, 3; 0 for network F alone
    mean, failure : tuple of 5 float
        Per cent, in the order left eye, right eye, nose, left and right mouth corner.
    mean_of_all, failure_of_all : float
        Per cent, over the five points.
    measured : bool
        True: measured again on that list; False: read off a figure, +-READ_OFF.
    """
    who: str
    level: int
    mean: tuple
    failure: tuple
    mean_of_all: float
    failure_of_all: float
    measured: bool

    @property
    def name(self):
        network = {("original", 1): "level 1 (its F)", ("paper", 0): "F1 alone"}
        return f"{self.who}, {network.get((self.who, self.level), f'level {self.level}')}"

    @property
    def source(self):
        return ORIGINAL if self.who == "original" else PAPER


ROWS = (
    Published("original", 1, (2.21, 2.28, 2.99, 2.84, 2.89), (6.0, 6.3, 13.3, 11.0, 12.5), 2.64, 9.8, True),
    Published("original", 2, (1.49, 1.46, 1.80, 1.93, 1.93), (2.9, 2.8, 3.7, 5.3, 5.4), 1.72, 4.0, True),
    Published("original", 3, (1.34, 1.30, 1.70, 1.81, 1.84), (2.7, 2.8, 3.2, 4.9, 5.0), 1.60, 3.7, True),
    Published("paper", 0, (1.40, 1.42, 1.64, 1.76, 1.80), (1.1, 0.9, 1.1, 2.5, 2.2), 1.60, 1.6, False),
    Published("paper", 1, (1.28, 1.30, 1.40, 1.65, 1.68), (0.9, 0.8, 0.6, 2.0, 2.0), 1.46, 1.2, False),
    Published("paper", 2, (0.97, 0.94, 1.17, 1.37, 1.38), (0.9, 0.5, 0.4, 1.6, 1.6), 1.17, 1.0, False),
    Published("paper", 3, (0.90, 0.88, 1.17, 1.33, 1.33), (0.8, 0.5, 0.4, 1.6, 1.7), 1.12, 1.0, False),
)


def row(who, level):
    """The `Published` of that source and level; None where there is none (the original's F alone is its level 1)."""
    return next((found for found in ROWS if (found.who, found.level) == (who, level)), None)
