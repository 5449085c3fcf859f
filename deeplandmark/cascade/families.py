"""The families of the cascade, a row each; the templates are prototxt/cascade/NAME_*.prototxt.template."""
from deeplandmark.cascade.networks import MAX_SHIFT, light_networks, networks, original_networks
from deeplandmark.faces.augment import NO_AUGMENTATION, Augmentation
from deeplandmark.networks.family import Encoding, Family

_AROUND_POINTS = Augmentation(scale=0.04, shift=0.0)
_POSED = {1: Augmentation(), 2: _AROUND_POINTS, 3: _AROUND_POINTS}

PAPER = Family(
    "paper", "cascade", networks, "the paper's 23 networks (Table 1)", augmentation=_POSED, shift=MAX_SHIFT,
    minutes={"full": {"train_1": 96, "train_2": 34, "train_3": 34}})

# Its level 1 has maps enough to learn its faces by heart: it is shown more of them than the paper's.
WIDE = Family(
    "wide", "cascade", networks, "the paper's structures with more maps and no absolute values",
    variables={1: {"rotation": 25, "scale": 0.12, "shift": 0.16, "light": 0.3, "blur": 0.7}},
    augmentation=_POSED, shift=MAX_SHIFT,
    minutes={"full": {"train_1": 210, "train_2": 26, "train_3": 26, "calibrate": 15}})

# Mild poses for three quarters of the faces, three times as far for a quarter: a second look needs a first one that
# finds a tilted face in a bad box at all.
_LIGHT = {"rotation": 15, "scale": 0.13, "shift": 0.13, "light": 0.3, "blur": 0.5, "hard_share": 0.25}
LIGHT = Family(
    "light", "cascade", light_networks, "one small network of three levels, taught by the published weights",
    variables={1: _LIGHT}, augmentation=_POSED, taught=0.5,
    minutes={"fast": {"train_1": 20, "calibrate": 3}, "full": {"train_1": 66, "calibrate": 3}})

# The light family's structure at the cost of the wide one's 23 networks.
BEST = Family(
    "best", "cascade", light_networks, "light's network with more maps, as much work as the 23 networks of wide",
    variables={1: {**_LIGHT, "width": 1.875}}, augmentation=_POSED, taught=0.75,
    minutes={"fast": {"train_1": 60, "calibrate": 3}, "full": {"train_1": 200, "calibrate": 3}})

# It mirrors and turns by +-5 degrees, at level 1 only; the boxes stay.
_SQUARED = {"loss": "EuclideanLoss", "test_batch_size": 64}
ORIGINAL = Family(
    "original", "cascade", original_networks, "the Caffe project's networks: ReLU, ordinary convolutions",
    cutting="truncate", encoding=Encoding(0.0, 1.0), variables={1: _SQUARED, 2: _SQUARED, 3: _SQUARED},
    augmentation={1: Augmentation(angle=5.0, scale=0.0, shift=0.0), 2: NO_AUGMENTATION, 3: NO_AUGMENTATION},
    shift={2: 0.05, 3: 0.01}, frozen=True, calibrated=False)

FAMILIES = (PAPER, WIDE, LIGHT, BEST, ORIGINAL)
