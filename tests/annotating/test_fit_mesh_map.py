"""`python -m docs.fit_mesh_map`, with a mesh that sees discs."""
import json

import cv2
import numpy as np
import pytest

from deeplandmark.annotating.mesh_points import points_from_mesh
from deeplandmark.faces import Annotation, write_list
from deeplandmark.faces.datasets.table import write_table
from deeplandmark.faces.points import FACE_88, IBUG_68
from docs import fit_mesh_map
from tests.helpers.fake_mesh import box_of, fake_mesh, picture_of, vertices_of

SEED = 2


def test_a_map_and_how_far_labels_lie_beside(tmp_path, monkeypatch, capsys):
    """Labels two pixels too far to the right and one too far down are found out by the hand-set points."""
    print("seed", SEED)
    random, many, hand = np.random.default_rng(SEED), [], []
    for i in range(16):
        corners = random.uniform([[60, 80], [150, 80]], [[90, 130], [200, 130]])
        path = tmp_path / f"Person_{'ABCD'[i // 4]}_{i:02d}.png"
        assert cv2.imwrite(str(path), picture_of([corners], (240, 260)))
        vertices = vertices_of(corners)[None]
        many.append(Annotation(path, box_of(corners), points_from_mesh(vertices, IBUG_68)[0] + [2, 1], "", i))
        five = FACE_88.to_five(points_from_mesh(vertices, FACE_88))[0]
        hand.append(Annotation(path, box_of(corners), five, "", i))
    for face, own in zip(many, hand):                                 # the five of the 68 are those of the mesh
        for i, part in enumerate(IBUG_68.five):
            face.landmark_px[list(part)] = own.landmark_px[i] + [2, 1]
    write_table(tmp_path / "many.csv", many, IBUG_68)
    write_list(tmp_path / "hand.txt", hand)
    monkeypatch.setattr(fit_mesh_map, "load_face_mesh", lambda file: fake_mesh())
    monkeypatch.setattr(fit_mesh_map, "FILE", tmp_path / "map.json")
    assert fit_mesh_map.main([str(tmp_path / "many.csv"), str(tmp_path / "hand.txt"), "--write"]) == 0
    out = capsys.readouterr().out
    beside = [line.split(" by ")[1].split() for line in out.splitlines() if "lie beside" in line]
    sides = np.mean([face.bbox.width for face in many])
    assert [float(start) + float(slope) * sides for start, _, slope, *_ in beside] == [
        pytest.approx(2, abs=0.6), pytest.approx(1, abs=0.6)]
    assert "16 faces, 4 of them of held-back people" in out and "vertices of a point: at most 6" in out
    table = json.loads((tmp_path / "map.json").read_text())
    assert len(table["68"]) == 68 and len(table["mirror"]) == 468
