"""docs/fit_mean_face.py finds a head's depth from its pictures: one that is made up here."""
import numpy as np

from deeplandmark.faces.head_pose import mean_face, rotation_of
from docs.fit_mean_face import level, mean_shape


def test_a_shape_is_found_from_its_projections():
    """Twice as deep a nose, and a chin further back; faces of other sizes, places and expressions."""
    rng = np.random.default_rng(0)
    shape = mean_face().copy()
    shape[27:36, 2] *= 1.5
    shape[5:12, 2] -= 0.2
    turns = rotation_of(rng.normal(0, 1, (400, 3)) * [6, 20, 8])
    points = (shape @ np.swapaxes(turns, 1, 2))[..., :2] * rng.uniform(20, 90, (400, 1, 1))
    points += rng.uniform(0, 99, (400, 1, 2))
    points += rng.normal(0, 0.3, points.shape)
    found = level(mean_shape(points), points)
    tilt = found[30] - found[27], shape[30] - shape[27]
    np.testing.assert_allclose(*map(np.linalg.norm, tilt), rtol=0.05)
    np.testing.assert_allclose(found, shape, atol=0.06)
