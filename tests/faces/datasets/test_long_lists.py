"""Lists that are read a face at a time: memory does not grow with their length."""
import tracemalloc

import numpy as np
import pytest

from deeplandmark.faces import Annotation, BBox
from deeplandmark.faces.datasets.formats import FORMATS
from deeplandmark.faces.datasets.read_faces import each_face
from deeplandmark.faces.points import FIVE_POINTS
from deeplandmark.work.on_disk import on_disk


@pytest.mark.parametrize("name, file", [("list", "list.txt"), ("csv", "list.csv")])
def test_memory_is_that_of_a_short_list(tmp_path, name, file):
    write = next(row for row in FORMATS if row.name == name).write
    rng, peaks = np.random.default_rng(5), []
    for count in (500, 500, 5000):                      # what is only there once is made by the first
        faces = [Annotation(tmp_path / f"{i}.jpg", BBox(10, 20, 110, 120), rng.uniform(0, 120, (5, 2)), "", 1)
                 for i in range(count)]
        write(tmp_path / file, faces, FIVE_POINTS)
        del faces
        tracemalloc.start()
        with on_disk(each_face(tmp_path / file, FIVE_POINTS, []), tmp_path) as kept:
            assert sum(1 for _ in kept) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] - peaks[1] < 4500 * 100             # bytes a face; as a list they take ten times as much
