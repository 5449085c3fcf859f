"""Sets of points told by the vertices of a face mesh: all 468, a choice of 88, and 68 by a sparse linear map.

The map lies in mesh_map.json, which `python -m docs.fit_mesh_map` makes anew:

    {"mirror": [vertex of each vertex in a mirrored picture ...],
     "68": [{vertex: weight, ...} of each point ...]}
"""
from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from deeplandmark.faces.points import FACE_88, IBUG_68, Points

FILE = Path(__file__).parent / "mesh_map.json"
# The vertices that FACE_88's points are, a line a group.
VERTICES_88 = tuple(map(int, """
    234 93 132 58 172 136 150 149 176 148 152 377 400 378 379 365 397 288 361 323 454
    33 160 159 157 133 154 145 163
    263 387 386 384 362 381 374 390
    70 63 105 66 107 65 52 53
    300 293 334 296 336 295 282 283
    168 197 5 1 48 278 64 294 98 327 97 326 2
    61 40 37 0 267 270 291 321 314 17 84 91 78 80 82 13 312 310 308 318 14 88""".split()))
COUNTS = ("68", "88", "468")


def points_of(count: str) -> Points:
    """The Points that one of COUNTS stands for."""
    return {"68": IBUG_68, "88": FACE_88}[count] if count != "468" else _mesh_points()


def points_from_mesh(vertices: ArrayLike, points: Points) -> np.ndarray:
    """The points of faces, float64 (n, k, 2), by their vertices (n, 468, 2), in the same units.

    Raises
    ------
    ValueError
        For a set that the mesh does not tell; the usual five are made of its 68 points.
    """
    vertices = np.asarray(vertices, np.float64)
    if len(points) == vertices.shape[-2]:
        return vertices
    if points == FACE_88:
        return vertices[..., VERTICES_88, :]
    if points == IBUG_68:
        return np.einsum("kv,...vc->...kc", _weights(), vertices)
    raise ValueError(f"a mesh tells {', '.join(COUNTS)} points, not these {len(points)}")


def as_text(mirror, weights) -> str:
    """The text of mesh_map.json, of a mirror (v,) and weights (68, v)."""
    rows = [{str(vertex): round(float(row[vertex]), 4) for vertex in np.flatnonzero(row)} for row in weights]
    lines = ",\n  ".join(json.dumps(row) for row in rows)
    return f'{{"mirror": {json.dumps([int(vertex) for vertex in mirror])},\n "68": [\n  {lines}]}}\n'


@cache
def _table():
    return json.loads(FILE.read_text(encoding="utf-8"))


@cache
def _weights():
    """(68, 468)."""
    table = _table()
    weights = np.zeros((len(table["68"]), len(table["mirror"])))
    for row, given in zip(weights, table["68"]):
        for vertex, weight in given.items():
            row[int(vertex)] = weight
    return weights / weights.sum(axis=1, keepdims=True)              # they were rounded


@cache
def _mesh_points():
    mirror = tuple(_table()["mirror"])
    five = tuple(tuple(VERTICES_88[i] for i in part) for part in FACE_88.five)
    return Points(tuple(f"v{i}" for i in range(len(mirror))), mirror, five=five)
