"""What `deeplandmark calibrate` fits to a regressor: the share of each point that lies within 5 % of the box width."""
from dataclasses import replace

import numpy as np

from deeplandmark.faces.datasets.annotation import Problem
from deeplandmark.faces.datasets.bad_lines import BadLines
from deeplandmark.faces.datasets.held_back import held_back
from deeplandmark.faces.metrics import FAILURE, detection_error, failure_rate
from deeplandmark.regressor.regressor import Regressor


def fitted(folder, faces, copies=1, seed=0, tell=lambda problems: None):
    """The settings of a model folder with the confidence counted on the held-back faces of a training list.

    Parameters
    ----------
    folder : path
    faces : list of Annotation
    copies, seed
        Without meaning: each face is seen once.
    tell : callable (list of Problem)
        Told of pictures that cannot be read.

    Returns
    -------
    (RegressorSettings, str)
        The str says what was found, for people.

    Raises
    ------
    ListError
        If no face is held back, or too many pictures cannot be read (see bad_lines.py).
    """
    regressor, held = Regressor.load(folder), held_back(faces)
    pictures = ((face.path, face.bbox.as_array()[None]) for face in held)
    bad, seen = BadLines(len(held)), []
    for face, found in zip(held, regressor.locate_many(pictures, errors="yield")):
        result = Problem(face.line, str(found)) if isinstance(found, Exception) else found
        if not bad.takes(result):
            seen.append((face, found.points[0]))
    tell(bad.problems)
    truth, width = (np.array([value(face) for face, _ in seen])
                    for value in (lambda face: face.landmark_px, lambda face: face.bbox.width))
    errors = detection_error(np.array([points for _, points in seen]), truth, width)
    right, known = errors <= FAILURE, ~np.isnan(errors)          # what is not visible tells nothing
    # A point and the one that it becomes in the mirrored picture are one thing; nothing is certain.
    shares = (right.sum(0) + 1) / (known.sum(0) + 2)
    shares = (shares + shares[list(regressor.points.mirror)]) / 2
    return (replace(regressor.settings, confidence=tuple(np.round(shares, 6).tolist())),
            f"confidence counted on {len(seen)} held-back faces: {100 * failure_rate(errors, axis=None):.2f} % of "
            "their points are failures")
