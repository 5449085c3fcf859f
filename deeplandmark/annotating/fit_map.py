"""Fitting the map from the mesh's 468 vertices to other points: each point is a combination of a few vertices, whose
weights sum to 1, the same for x and y: it goes with the face, however large, turned or placed that is.

The vertices of a point are chosen one by one, each time the one that lowers the squared error most (orthogonal matching
pursuit), with a little ridge. A face's left is its right's mirror image: every face is fitted with its mirror image.
"""
from __future__ import annotations

import numpy as np

from deeplandmark.faces.points import Points

MOST = 6               # vertices of a point
RIDGE = 1e-4           # on the weights' squares, beside errors in radii of the mesh


def mirror_of_vertices(vertices, mirrored, middle, known=()) -> np.ndarray:
    """int (v,): which vertex each becomes in a mirrored picture; twice gives every vertex back.

    Vertices that lie nearest to each other are paired first; then two pairs exchange partners while that brings them
    nearer.

    Parameters
    ----------
    vertices : (n, v, 2)
        Of faces in pictures.
    mirrored : (n, v, 2)
        Of the same faces found in the mirrored pictures, mirrored back.
    middle : sequence of int
        The vertices in the middle of the face, each of which becomes itself.
    known : sequence of (int, int)
        Other pairs that are known.
    """
    apart = np.mean([np.abs(one[:, None] - other) for one, other in zip(*map(_in_radii, (vertices, mirrored)))], axis=0)
    apart = apart + apart.T
    np.fill_diagonal(apart, np.inf)
    mirror = np.full(len(apart), -1)
    for i, j in [*((i, i) for i in middle), *known]:
        mirror[i], mirror[j] = j, i
    free = np.flatnonzero(mirror < 0)
    for place in np.argsort(apart, axis=None, kind="stable"):
        i, j = divmod(int(place), len(apart))
        if mirror[i] < 0 and mirror[j] < 0:
            mirror[i], mirror[j] = j, i
    while sum(_exchanged(mirror, apart, free, i) for i in free):
        pass
    return mirror


def _exchanged(mirror, apart, free, i):
    """Whether a vertex has exchanged partners with another free one, as that brings the four nearer to one another."""
    partner, partners = mirror[i], mirror[free]
    nearer = apart[i, partner] + apart[free, partners] - apart[i, partners] - apart[free, partner]
    best = int(np.argmax(nearer))
    if nearer[best] < 1e-9:
        return False
    mirror[[i, partners[best], free[best], partner]] = partners[best], i, partner, free[best]
    return True


def fit_map(vertices, points_px, points: Points, mirror, most: int = MOST, ridge: float = RIDGE) -> np.ndarray:
    """The weights (k, v), float64, of which a row has at most `most` that are not 0.

    Parameters
    ----------
    vertices : (n, v, 2)
    points_px : (n, k, 2)
        Where the points of the faces are, in the same pixels.
    points : Points
        Which k points they are.
    mirror : int (v,)
        See `mirror_of_vertices`.
    """
    seen, wanted = _normalised(np.asarray(vertices, np.float64), np.asarray(points_px, np.float64))
    mirror = np.asarray(mirror)
    seen, wanted = _with_mirrored(seen, wanted, mirror, np.array(points.mirror))
    pairs = (seen + seen[:, mirror]) / 2                         # of the points in the middle, each half of its weight
    single_fit, pair_fit = _Fit(seen, wanted, ridge), _Fit(pairs, wanted, ridge)
    weights = np.zeros((len(points), seen.shape[1]))
    for i, other in enumerate(points.mirror):
        if i > other:
            weights[i] = weights[other][mirror]
        elif i == other:
            half = pair_fit.weights(i, most // 2)
            weights[i] = (half + half[mirror]) / 2
        else:
            weights[i] = single_fit.weights(i, most)
    return weights


def _normalised(vertices, points_px):
    """Complex (n, v) and (n, k), x + iy, in the mesh's radii from its middle. They need not be upright: weights that
    are the same for x and y make the same error however a face is turned."""
    seen, wanted = vertices @ [1, 1j], points_px @ [1, 1j]
    middle, radius = _middle_and_radius(seen)
    return (seen - middle) / radius, (wanted - middle) / radius


def _in_radii(vertices):
    seen = np.asarray(vertices, np.float64) @ [1, 1j]
    return seen / _middle_and_radius(seen)[1]


def _middle_and_radius(seen):
    """Complex (n, 1), and float64 (n, 1)."""
    middle = seen.mean(axis=1, keepdims=True)
    return middle, np.sqrt(np.mean(np.abs(seen - middle) ** 2, axis=1, keepdims=True))


def _with_mirrored(seen, wanted, mirror, point_mirror):
    return (np.concatenate([seen, -seen[:, mirror].conj()]),
            np.concatenate([wanted, -wanted[:, point_mirror].conj()]))


class _Fit:
    """Sparse least squares of points (n, k) by vertices (n, v), complex."""

    def __init__(self, seen, wanted, ridge):
        seen, wanted = (np.concatenate([each.real, each.imag]) for each in (seen, wanted))
        self._products = seen.T @ seen / len(seen) + ridge * np.eye(seen.shape[1])
        self._towards = seen.T @ wanted / len(seen)              # (v, k)

    def weights(self, point, most):
        """(v,), at most `most` of them not 0."""
        count, chosen = len(self._products), []
        for _ in range(most):
            free = np.setdiff1d(np.arange(count), chosen)
            tried = np.concatenate([np.tile(np.array(chosen, int), (len(free), 1)), free[:, None]], axis=1)
            chosen = [*chosen, int(free[np.argmax(self._solved(point, tried)[1])])]
        found = np.zeros(count)
        found[chosen] = self._solved(point, np.array([chosen]))[0][0]
        return found

    def _solved(self, point, tried):
        """For each of m choices of vertices (m, c) their weights (m, c), which sum to 1, and how much lower than
        without any the squared error is (m,)."""
        count = tried.shape[1]
        products = self._products[tried[:, :, None], tried[:, None]]
        system = np.ones((len(tried), count + 1, count + 1))
        system[:, :count, :count], system[:, count, count] = products, 0
        towards = self._towards[tried, point]
        right = np.concatenate([towards, np.ones((len(tried), 1))], axis=1)
        found = np.linalg.solve(system, right[..., None])[:, :count, 0]
        gains = 2 * (found * towards).sum(axis=1) - np.einsum("mi,mij,mj->m", found, products, found)
        return found, gains
