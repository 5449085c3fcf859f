"""What others reached: the original and the paper on the paper's validation list (testImageList.txt, 3,466 pictures),
networks of 68 points on 300W, of 88 on their own pictures."""
from dataclasses import dataclass
from typing import ClassVar

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


OTHER_DATA = "other data"
_HRNET = "HRNet-W18: Wang et al., TPAMI 2020, as the authors' code has it"
_SLPT = "SLPT: Xia et al., CVPR 2022"
_LIGHTWEIGHT = "MobileFaceNet, PFLD, MobileNetV2: C. Chen, PyTorch Face Landmark; the first two with more training data"
_DEEP_ALIGNMENT = "DeepAlignment, VGG-shadow: DeepAlignment's README"


@dataclass(frozen=True)
class On300W:
    """Mean errors on the test sets of 300W (Sagonas et al., ICCV workshops 2013), whose pictures nobody here has
    measured: rows to stand beside, under the words OTHER_DATA.

    Attributes
    ----------
    name : str
    common, challenge, full : float
        Per cent of the distance of the outer eye corners.
    source : str
    normaliser_is_told : bool
        False: by which distance the errors are divided is documented nowhere.
    """
    SUBSETS: ClassVar[tuple] = ("common", "challenge", "full")

    name: str
    common: float
    challenge: float
    full: float
    source: str
    normaliser_is_told: bool = True


@dataclass(frozen=True)
class OnPixels:
    """Errors of 88 points on others' pictures, in pixels of a crop of 160 x 160 (see report_pixels.py): `absolute`, of
    both coordinates, or None where it is not told, and `squared`."""
    name: str
    absolute: float | None
    squared: float
    source: str


_SEED_88 = "MobileNet and VGGFace: the 88-point MobileNet's README, on CelebA's pictures labelled by a web service"
ON_160_PIXELS = (
    OnPixels("MobileNet (0.23 M weights)", 0.964, 1.795, _SEED_88),
    OnPixels("VGGFace", None, 2.56, _SEED_88),
)
ON_300W = (
    On300W("SLPT", 2.75, 4.90, 3.17, _SLPT),
    On300W("HRNet-W18", 2.91, 5.11, 3.34, _HRNET),
    On300W("MobileFaceNet", 3.30, 5.69, 3.76, _LIGHTWEIGHT),
    On300W("PFLD (0.73 M weights)", 3.49, 6.01, 3.97, _LIGHTWEIGHT),
    On300W("MobileNetV2, 56 x 56", 4.50, 8.50, 5.27, _LIGHTWEIGHT),
    On300W("DeepAlignment, stage 2", 5.76, 8.93, 6.39, _DEEP_ALIGNMENT, False),
    On300W("VGG-shadow", 5.66, 10.82, 6.67, _DEEP_ALIGNMENT, False),
    On300W("DeepAlignment, stage 1", 6.07, 10.60, 6.96, _DEEP_ALIGNMENT, False),
)
