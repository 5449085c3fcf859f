"""`deeplandmark annotate`, with a mesh that sees discs (helpers/fake_mesh.py)."""
import csv
import sys

import cv2
import numpy as np
import pytest

from deeplandmark import annotate
from deeplandmark.annotating.mesh_points import points_from_mesh, points_of
from deeplandmark.detectors import Detections
from deeplandmark.faces import Annotation, write_list
from deeplandmark.faces.datasets.formats import FORMATS
from deeplandmark.faces.datasets.read_faces import read_faces
from deeplandmark.faces.points import FACE_88, IBUG_68
from tests.helpers.fake_mesh import box_of, fake_mesh, picture_of, vertices_of

CORNERS = [[(60, 80), (110, 82)], [(180, 150), (240, 190)]]     # of the faces of the first picture
SEED = 5


class FindsDiscs:
    """A detector that knows where the faces are, and takes something in every picture for one more."""

    def detect(self, image):
        boxes = [box_of(corners).as_array() for corners in CORNERS] + [[0, 200, 60, 260]]
        return Detections.of(boxes, [3, 2, 1]) if image.max() else Detections.of(np.zeros((0, 4)), [])


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    folder = tmp_path / "pictures"
    (folder / "more").mkdir(parents=True)
    assert cv2.imwrite(str(folder / "a.png"), picture_of(CORNERS))
    assert cv2.imwrite(str(folder / "more" / "b.png"), picture_of([]))
    monkeypatch.setattr(annotate, "load_face_mesh", lambda file: fake_mesh())
    monkeypatch.setattr(annotate, "detector_of", lambda options: FindsDiscs())
    return folder


@pytest.fixture
def listed(tmp_path, monkeypatch):
    """A list of 24 faces with five points set by hand; those of the last are somewhere else."""
    print("seed", SEED)
    random, faces = np.random.default_rng(SEED), []
    for i in range(24):
        corners = random.uniform([[50, 80], [150, 80]], [[90, 130], [200, 130]])
        assert cv2.imwrite(str(tmp_path / f"{i}.png"), picture_of([corners], (240, 260)))
        five = IBUG_68.to_five(points_from_mesh(vertices_of(corners)[None], IBUG_68))[0]
        faces.append(Annotation(tmp_path / f"{i}.png", box_of(corners), five + (40 if i == 23 else 0), "", i))
    write_list(tmp_path / "list.txt", faces)
    monkeypatch.setattr(annotate, "load_face_mesh", lambda file: fake_mesh())
    return tmp_path / "list.txt"


@pytest.mark.parametrize("to", [row.name for row in FORMATS if row.name not in ("wflw", "celeba")])
@pytest.mark.parametrize("count", ["68", "88"])
def test_every_format(pictures, tmp_path, capsys, to, count):
    out = tmp_path / "out"
    assert annotate.main([str(pictures), str(out), "--points", count, "--to", to]) == 0
    text = capsys.readouterr().out
    assert f"2 faces of {count} points" in text and "1 that the mesh takes for none left out" in text
    points = points_of(count)
    faces, problems = read_faces(out, points, pictures if to == "pts" else None)
    assert not problems and len(faces) == 2
    for face, corners in zip(sorted(faces, key=lambda face: face.bbox.left), CORNERS):
        wanted = points_from_mesh(vertices_of(corners)[None], points)[0]
        assert np.abs(face.landmark_px - wanted).max() < 3                 # imglab holds whole pixels
        assert to == "pts" or face.path.samefile(pictures / "a.png")
        if to in ("csv", "list"):
            assert face.bbox.as_array() == pytest.approx(box_of(corners).as_array(), abs=0.01)


def test_all_vertices_with_their_names(pictures, tmp_path):
    out = tmp_path / "mesh.json"
    assert annotate.main([str(pictures / "a.png"), str(out), "--points", "468", "--max-faces", "1"]) == 0
    (face,) = read_faces(out, points_of("468"))[0]
    assert face.landmark_px.shape == (468, 2)
    assert face.landmark_px == pytest.approx(vertices_of(CORNERS[1]), abs=2)       # the larger face


def test_boxes_of_a_file_and_bad_pictures(pictures, tmp_path, capsys):
    boxes = tmp_path / "boxes.csv"
    left, top, right, bottom = box_of(CORNERS[1]).as_array()
    boxes.write_text(f"picture,left,top,right,bottom\n{pictures / 'a.png'},{left},{top},{right},{bottom}\n")
    (pictures / "broken.jpg").write_bytes(b"no picture")
    out = tmp_path / "labels.csv"
    assert annotate.main([str(pictures), str(out), "--boxes-file", str(boxes)]) == 1
    assert "annotate: skipped" in (error := capsys.readouterr().err) and "broken.jpg" in error
    (face,) = read_faces(out, IBUG_68)[0]
    assert face.bbox.as_array() == pytest.approx([left, top, right, bottom], abs=0.01)
    assert annotate.main([str(pictures / "a.png"), str(tmp_path / "no.png"), str(out)]) == 1
    assert "annotate: skipped" in (error := capsys.readouterr().err) and "no.png: no such picture" in error


def test_faces_of_a_list_keep_their_boxes(listed, tmp_path):
    out = tmp_path / "labels.csv"
    assert annotate.main(["--list", str(listed), str(out), "--points", "88"]) == 0
    faces, given = read_faces(out, FACE_88)[0], read_faces(listed)[0]
    assert [face.path for face in faces] == [face.path for face in given]
    assert all(face.bbox.as_array() == pytest.approx(one.bbox.as_array()) for face, one in zip(faces, given))


def test_corrected_by_hand_set_points(listed, tmp_path, capsys):
    out, left_out = tmp_path / "labels.csv", tmp_path / "left_out.csv"
    arguments = ["--list", str(listed), str(out), "--correct", "--left-out", str(left_out)]
    assert annotate.main(arguments) == 0
    assert "1 faces left out (more than 5 %)" in capsys.readouterr().out
    faces = read_faces(out, IBUG_68)[0]
    assert len(faces) == 23 and all(face.path.name != "23.png" for face in faces)
    given = read_faces(listed)[0]
    assert all(np.abs(IBUG_68.to_five(face.landmark_px) - one.landmark_px).max() < 4 for face, one in zip(faces, given))
    (row,) = csv.DictReader(left_out.open())
    assert row["picture"].endswith("23.png") and float(row["error"]) > 0.2
    assert annotate.main([*arguments, "--most-off", "5"]) == 0
    assert len(read_faces(out, IBUG_68)[0]) == 24


def test_too_few_to_be_compared(listed, tmp_path, capsys):
    lines = listed.read_text().splitlines()
    listed.write_text("\n".join(lines[:5]))
    assert annotate.main(["--list", str(listed), str(tmp_path / "out.csv"), "--correct"]) == 1
    assert "5 faces are too few to compare the labels with: at least 20" in capsys.readouterr().err


@pytest.mark.parametrize("arguments, text", [
    ("out.csv", "name pictures and OUT, or --list LIST and OUT"),
    ("a.png out.csv --list list.txt", "name pictures and OUT, or --list LIST and OUT"),
    ("a.png out.csv --correct", "--correct needs --list"),
    ("--list list.txt out.csv --left-out x.csv", "--left-out is told with --correct alone"),
    ("--list list.txt out.csv --boxes-file x.csv", "the boxes are those of --list"),
    ("a.png out.csv --points 5", "invalid choice"), ("a.png out.csv --to wflw", "invalid choice")])
def test_arguments_that_do_not_go_together(arguments, text, capsys):
    with pytest.raises(SystemExit):
        annotate.main(arguments.split())
    assert text in capsys.readouterr().err


@pytest.mark.parametrize("arguments, text", [
    ("a.png labels.what", "labels.what: which format?"),
    ("a.png nowhere/labels.csv", "there is no folder nowhere"),
    ("a.png labels.csv --mesh nowhere.tflite", "nowhere.tflite: no such file")])
def test_what_is_refused_before_any_work(arguments, text, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert annotate.main(arguments.split()) == 1
    assert text in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_nothing_found(pictures, tmp_path, capsys):
    assert annotate.main([str(pictures / "more"), str(tmp_path / "out.csv")]) == 1
    assert "annotate: no face to label in what was named" in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()


def test_without_the_extra(tmp_path, capsys, monkeypatch):
    (tmp_path / "mesh.tflite").write_bytes(b"x")
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    assert annotate.main(["a.png", str(tmp_path / "out.csv"), "--mesh", str(tmp_path / "mesh.tflite")]) == 1
    assert 'mesh.tflite needs ai-edge-litert: pip install ".[annotate]"' in capsys.readouterr().err


@pytest.mark.parametrize("stopped_after", [0, 1, 7])
def test_a_stopped_run_goes_on(listed, tmp_path, monkeypatch, capsys, stopped_after):
    command = ["--list", str(listed), str(tmp_path / "out.csv"), "--correct", "--threads", "1"]
    assert annotate.main(command) == 0
    expected = (tmp_path / "out.csv").read_bytes()
    (tmp_path / "out.csv").unlink()
    looked = []

    def once(file):
        mesh = fake_mesh()
        find = mesh.find

        def counted(image, boxes):
            if stopped_after is not None and len(looked) == stopped_after:
                raise KeyboardInterrupt
            looked.append(1)
            return find(image, boxes)
        monkeypatch.setattr(mesh, "find", counted)
        return mesh
    monkeypatch.setattr(annotate, "load_face_mesh", once)
    assert annotate.main(command) == 130 and "--resume" in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()
    assert (tmp_path / "out.csv.part").exists() == (stopped_after > 0)
    with (tmp_path / "out.csv.part").open("ab") as file:
        file.write(b'{"of": "list.txt:9", "fac')               # cut off by a kill
    stopped_after, done = None, len(looked)
    assert annotate.main([*command, "--resume"]) == 0
    assert len(looked) == 24 and done < 24 and (tmp_path / "out.csv").read_bytes() == expected
    assert not (tmp_path / "out.csv.part").exists()


def test_pictures_are_gone_on_with_as_they_were_asked_for(pictures, tmp_path, monkeypatch, capsys):
    command = [str(pictures), str(tmp_path / "out.csv"), "--threads", "1"]
    assert annotate.main(command) == 0
    expected = (tmp_path / "out.csv").read_bytes()
    monkeypatch.setattr(annotate.Path, "unlink", lambda *_, **__: None)         # as if it had been killed just then
    assert annotate.main(command) == 0
    monkeypatch.undo()
    monkeypatch.setattr(annotate, "load_face_mesh", lambda file: None)          # nobody is asked again
    monkeypatch.setattr(annotate, "detector_of", lambda options: None)
    capsys.readouterr()
    assert annotate.main([*command, "--resume", "--min-face", "0.5"]) == 1
    assert "not of the same pictures, boxes and detector" in capsys.readouterr().err
    assert annotate.main([*command, "--resume"]) == 0 and (tmp_path / "out.csv").read_bytes() == expected
