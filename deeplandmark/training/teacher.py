"""What a small network learns from a large one: targets that are part label, part the answer of the published weights.

A label carries its labeller's slips; the mean answer of several cascades in several boxes carries fewer, and where the
picture does not tell the point, it says what can be told. The mixture is a point in the picture like any other, so the
data layer turns and shifts it with the patch.
"""
import numpy as np

from deeplandmark.faces.augment import Augmentation, Face, mirror_points, posed
from deeplandmark.faces.points import FIVE_POINTS
from deeplandmark.networks.published import model_at

VIEWS = 6       # of a face, half of them mirrored
_BOXES = Augmentation(angle=0.0, scale=0.05, shift=0.04, mirror=False)


def teachers_of(family, points):
    """The models that a family is taught by, a tuple of paths; empty where it is taught by nobody.

    They are the published ones. Held back, the mean answer of the two has 0.993 % (0.62) by two looks where the better
    of them alone has 1.009 % (0.62), and mirrored views take another 0.005 off.
    """
    return (model_at("wide"), model_at("light")) if family.taught and points == FIVE_POINTS else ()


def taught(face, teachers, share, points, rng):
    """A Face whose points are (1 - share) * its own + share * the mean of the teachers' in some boxes.

    teachers : list of Cascade
    rng : numpy.random.Generator, which draws the boxes
    """
    answers = [answer for teacher in teachers for mirrored in (False, True)
               for answer in _answers(face, teacher, mirrored, points, rng)]
    return Face(face.image, face.box, (1 - share) * face.points_px + share * np.mean(answers, axis=0))


def _answers(face, teacher, mirrored, points, rng):
    """Of a teacher in half of the views, (VIEWS / 2, k, 2) pixels of the picture as it is."""
    views = [posed(face, _BOXES, mirrored, points, rng) for _ in range(VIEWS // 2)]
    found = teacher.predict(views[0].image, np.array([view.box for view in views]))
    return mirror_points(found, face.image.shape[1], points.pairs) if mirrored else found
