"""Further views of labelled faces: under other poses, in other boxes. What a fit after the training looks at, because a
thousand faces as they are have too few failures to learn from."""
import numpy as np

from deeplandmark.faces.augment import NO_AUGMENTATION, Augmentation, Face, posed
from deeplandmark.faces.datasets.annotation import Problem, face_or_problem

COPIES = 8                              # of each face; the first as it is, every other one mirrored
POSES = Augmentation(angle=15.0, scale=0.08, shift=0.06)


def views_of(points, copies, seed, item, channels=1):
    """[Face] of (index, Annotation), as it is, then mirrored, turned and in other boxes by chance; a Problem where its
    picture cannot be read."""
    index, annotation = item
    image = face_or_problem(annotation, channels)
    if isinstance(image, Problem):
        return image
    face = Face(image, annotation.bbox.as_array(), annotation.landmark_px)
    # A generator for each view: what is drawn does not depend on which thread draws.
    return [posed(face, POSES if copy else NO_AUGMENTATION, copy % 2 == 1, points,
                  np.random.default_rng([seed, index, copy])) for copy in range(copies)]
