"""What a small network learns from a large one: targets that are part label, part the answer of the published weights.

A label carries its labeller's slips; a cascade's mean answer over several boxes carries fewer, and where the picture
does not tell the point, it says what can be told. The mixture is a point in the picture like any other, so the data
layer turns and shifts it with the patch.
"""
import numpy as np

from deeplandmark.faces.augment import Augmentation, Face, posed
from deeplandmark.faces.points import FIVE_POINTS
from deeplandmark.networks.published import default_model

VIEWS = 6
_BOXES = Augmentation(angle=0.0, scale=0.05, shift=0.04, mirror=False)


def teacher_of(family, points):
    """The model folder that a family is taught by, a Path; None where it is taught by nobody."""
    return default_model() if family.taught and points == FIVE_POINTS else None


def taught(face, teacher, share, points, rng):
    """A Face whose points are (1 - share) * its own + share * the mean of the teacher's in some boxes.

    teacher : Cascade
    rng : numpy.random.Generator, which draws the boxes
    """
    boxes = [posed(face, _BOXES, False, points, rng).box for _ in range(VIEWS)]
    answers = teacher.predict(face.image, np.array(boxes)).mean(axis=0)
    return Face(face.image, face.box, (1 - share) * face.points_px + share * answers)
