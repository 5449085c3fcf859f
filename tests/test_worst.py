"""`deeplandmark worst`: which faces a model is furthest off on, and the list without them."""
import csv

import numpy as np
import pytest

from deeplandmark import worst
from deeplandmark.faces import read_colour
from deeplandmark.faces.datasets.formats import format_to_write
from deeplandmark.faces.datasets.read_faces import read_faces
from deeplandmark.faces.points import IBUG_68
from tests.helpers.fake_cascade import FakeCascade, faces_of, synthetic_list

FAR = 3      # the face whose labels are wrong


@pytest.fixture
def listed(tmp_path, monkeypatch):
    """(list of 6 faces, its faces); the model finds all but one."""
    path = synthetic_list(tmp_path, 6)
    faces = faces_of(path)
    model = FakeCascade(faces, offsets=(0.02,))
    model.truth[tuple(faces[FAR].bbox.as_array())] = faces[FAR].landmark_px + 0.3 * faces[FAR].bbox.width
    monkeypatch.setattr(worst, "load", lambda folder: model)
    return path, faces


def test_a_sheet_the_errors_and_the_list_without_the_worst(listed, tmp_path, capsys):
    path, faces = listed
    sheet, errors, keep = tmp_path / "worst.png", tmp_path / "errors.csv", tmp_path / "kept.txt"
    assert worst.main(["model", str(path), "--sheet", str(sheet), "--most", "2", "--errors", str(errors),
                       "--drop-above", "0.1", "--keep", str(keep)]) == 0
    out = capsys.readouterr().out
    assert "6 faces: mean error" in out and "kept.txt: 5 of 6 faces" in out and "1 dropped" in out
    rows = list(csv.DictReader(errors.open()))
    assert rows[0]["picture"].endswith(f"{FAR}.png") and len(rows) == 6
    assert float(rows[0]["error"]) == pytest.approx(0.3 * 2 ** 0.5, abs=0.03)
    assert [float(row["error"]) for row in rows[1:]] == pytest.approx([0.02] * 5, abs=1e-3)
    assert read_colour(sheet).shape[1] > 400
    kept = faces_of(keep)
    assert [face.path for face in kept] == [face.path for i, face in enumerate(faces) if i != FAR]


@pytest.mark.parametrize("name", ["kept.csv", "kept.json", "kept.xml", "kept"])
def test_the_list_keeps_all_its_points_in_any_format(listed, tmp_path, name):
    """A model of five points on a list of 68."""
    path, faces = listed
    random = np.random.default_rng(4)
    many = []
    for face in faces:
        places = face.bbox.reproject(random.uniform(0, 1, (68, 2)))
        for i, part in enumerate(IBUG_68.five):
            places[list(part)] = face.landmark_px[i]
        many.append(type(face)(face.path, face.bbox, places, "", face.line))
    source = tmp_path / "many.csv"
    format_to_write(source).write(source, many, IBUG_68)
    keep = tmp_path / name
    assert worst.main(["model", str(source), "--drop-above", "0.1", "--keep", str(keep)]) == 0
    kept = read_faces(keep, IBUG_68, tmp_path)[0]
    assert len(kept) == 5
    assert sorted(face.path.name for face in kept) == [f"{i}.png" for i in range(6) if i != FAR]
    assert kept[0].landmark_px == pytest.approx(many[0].landmark_px, abs=0.51)


@pytest.mark.parametrize("arguments, text", [
    ("--drop-above 0.1", "--drop-above F and --keep FILE are told together"),
    ("--keep kept.csv", "--drop-above F and --keep FILE are told together"),
    ("--drop-above 0 --keep kept.csv", "0 is not above 0"),
    ("--sheet nowhere/worst.png", "there is no folder nowhere")])
def test_wrong_arguments(arguments, text, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        worst.main(["model", "list.txt", *arguments.split()])
    assert text in capsys.readouterr().err


def test_nothing_left_is_an_error(listed, tmp_path, capsys):
    assert worst.main(["model", str(listed[0]), "--drop-above", "0.001", "--keep", str(tmp_path / "kept.csv")]) == 1
    assert "--drop-above 0.001 leaves no face" in capsys.readouterr().err
    assert worst.main(["model", str(listed[0]), "--drop-above", "0.1", "--keep", str(tmp_path / "kept.what")]) == 1
    assert "kept.what: which format?" in capsys.readouterr().err
