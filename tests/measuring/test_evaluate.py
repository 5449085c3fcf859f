"""Running over a list: errors, skipped lines, the clock, and the command."""
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from deeplandmark import evaluate as command
from deeplandmark.faces import ListError
from deeplandmark.measuring import evaluation
from deeplandmark.measuring.evaluation import evaluate, spread
from deeplandmark.networks import published as default_model
from tests.helpers.fake_cascade import FakeCascade, faces_of, repeated_list, synthetic_list


def test_errors_of_every_level_and_of_f_alone(tmp_path):
    faces = faces_of(synthetic_list(tmp_path, 3))
    cascade = FakeCascade(faces)
    found = evaluate(cascade, faces)
    assert len(found) == 3 and found.level_count == 3 and found.predicted.dtype == np.float32
    expected = np.broadcast_to(np.array([0.04, 0.03, 0.02])[:, None], (3, 3, 5))
    np.testing.assert_allclose(found.errors, expected, atol=1e-6)
    np.testing.assert_allclose(found.first_errors, np.full((3, 5), 0.06), atol=1e-6)
    between = [np.hypot(*(face.landmark_px[1] - face.landmark_px[0])) / face.bbox.width for face in faces]
    np.testing.assert_allclose(found.interocular_errors[:, 2, 0], 0.02 / np.array(between), atol=1e-5)
    assert found.confidence.shape == (3, 5) and found.ms_per_face > 0
    assert cascade.calls == 4  # the first face once more before the clock runs


def test_one_bad_line_in_a_hundred_is_skipped_and_counted(tmp_path):
    faces = faces_of(repeated_list(tmp_path, 101))
    (tmp_path / "cut.png").write_bytes((tmp_path / "0.png").read_bytes()[:500])
    faces[50] = type(faces[50])(tmp_path / "cut.png", *[getattr(faces[50], name) for name in
                                                       ("bbox", "landmark_px", "list_file", "line")])
    found = evaluate(FakeCascade(faces), faces)
    assert len(found) == 100
    (problem,) = found.problems
    assert problem.line == 51 and "cut short" in str(problem)


def test_more_than_one_per_cent_bad_stops_early(tmp_path):
    faces = faces_of(repeated_list(tmp_path, 60))
    (tmp_path / "1.png").unlink()
    cascade = FakeCascade(faces)
    with pytest.raises(ListError, match="already 4 of 60 lines are bad.*testImageList.txt:2: .*no such picture"):
        evaluate(cascade, faces)
    assert cascade.calls < 6
    (tmp_path / "0.png").unlink()
    with pytest.raises(ListError, match="60 of 60 lines are bad.*testImageList.txt:1: .*no such picture"):
        evaluate(cascade, faces)


def test_bad_lines_are_named_whatever_the_limit(tmp_path, fake_load, capsys):
    list_path = repeated_list(tmp_path, 60)
    lines = list_path.read_text().splitlines()
    lines[5], lines[44] = lines[5] + " 7", lines[44].replace("0.png", "missing.png")
    list_path.write_text("\n".join(lines))
    fake_load(list_path)
    for limit, skipped in ((["--limit", "3"], ["6"]), ([], ["6", "45"])):
        assert command.main(["--model", "m", "--data", str(tmp_path), *limit]) == 0
        printed = capsys.readouterr()
        assert [line.split(":")[2] for line in printed.err.splitlines()] == skipped
        assert printed.err.startswith("evaluate: skipped testImageList.txt:6: expected path")
        assert f"{len(skipped)} bad lines of the list skipped" in printed.out


def test_an_empty_list_and_a_point_that_is_not_finite(tmp_path):
    with pytest.raises(ListError, match="no faces"):
        evaluate(FakeCascade([]), [])
    faces = faces_of(synthetic_list(tmp_path, 1))
    with pytest.raises(ListError, match="testImageList.txt:1: .*not finite"):
        evaluate(FakeCascade(faces, (np.nan,)), faces)


def test_after_an_error_no_more_pictures_are_read(tmp_path, monkeypatch):
    faces, read = faces_of(synthetic_list(tmp_path, 1)) * 40, []

    def slow(face, channels=1):
        read.append(face)
        time.sleep(0.1 if len(read) > 1 else 0)
        return np.zeros((9, 9), np.uint8)
    monkeypatch.setattr(evaluation, "face_or_problem", slow)
    try:
        evaluate(FakeCascade(faces, (np.nan,)), faces)
    except ListError:
        pass
    assert len(read) < evaluation._AHEAD


def test_spread_over_the_list():
    assert spread(list(range(10)), 5) == [0, 2, 4, 6, 8] and spread([1, 2], 5) == [1, 2]


@pytest.fixture
def fake_load(monkeypatch):
    def use(list_path):
        monkeypatch.setattr(command, "load", lambda model: FakeCascade(faces_of(list_path), (0.02,)))
    return use


@pytest.mark.slow
def test_the_command(tmp_path, fake_load, capsys):
    list_path = synthetic_list(tmp_path, 3)
    fake_load(list_path)
    assert command.main(["--model", "m", "--data", str(tmp_path), "--json", str(tmp_path / "new" / "t.json"),
                         "--limit", "2", "--out", str(tmp_path / "result")]) == 0
    printed = capsys.readouterr()
    assert printed.err == "" and "n = 2 faces" in printed.out and "paper, level 3" in printed.out
    assert (tmp_path / "result" / "table.txt").read_text() == printed.out
    assert (json.loads((tmp_path / "new" / "t.json").read_text())
            == json.loads((tmp_path / "result/table.json").read_text()))


def test_the_table_goes_into_a_pipe_and_where_a_link_leads(tmp_path, fake_load, capsys):
    fake_load(synthetic_list(tmp_path, 2))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link.json").symlink_to("elsewhere/table.json")
    os.mkfifo(tmp_path / "pipe")
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit((tmp_path / "pipe").read_text)
        for name in ("link.json", "pipe"):
            assert command.main(["--model", "m", "--data", str(tmp_path), "--json", str(tmp_path / name)]) == 0
        piped, linked = json.loads(read.result(timeout=20)), json.loads((tmp_path / "link.json").read_text())
    assert piped["levels"] == linked["levels"] and (tmp_path / "link.json").is_symlink()
    assert os.listdir(tmp_path / "elsewhere") == ["table.json"]


def test_images_of_a_list_elsewhere(tmp_path, fake_load, capsys):
    (tmp_path / "pictures").mkdir()
    list_path = synthetic_list(tmp_path / "pictures", 1)
    fake_load(list_path)
    moved = list_path.rename(tmp_path / "faces.txt")
    fake_load(moved)
    assert command.main(["--model", "m", "--list", str(moved), "--images", str(tmp_path / "pictures")]) == 0
    assert "list faces.txt" in capsys.readouterr().out


@pytest.mark.parametrize("arguments, text", [
    (["--model", "m", "--list", "none.txt"], "none.txt: cannot be read"),
    (["--model", "m", "--data", "none"], "none: not a folder"),
    (["--model", "m", "--data", ".", "--json", "."], "--json .: is a folder"),
    (["--model", "m", "--data", ".", "--json", "0.png/t.json"], "0.png"),
    (["--model", "m", "--data", ".", "--out", "0.png"], "0.png"),
    (["--model", "m", "--list", "none.xml"], "none.xml: cannot be read"),
    (["--model", "m"], "give --list and --images, or --data"),
    (["--data", "."], "neither the package's published weights nor model/1_F.prototxt"),
])
def test_errors_are_one_line(tmp_path, monkeypatch, capsys, arguments, text):
    synthetic_list(tmp_path, 1)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(command.DATA_VARIABLE, raising=False)
    monkeypatch.setattr(default_model.deeplandmark, "__file__", str(tmp_path / "package" / "__init__.py"))
    if "--model" in arguments:
        monkeypatch.setattr(command, "load", lambda model: FakeCascade([]))
    assert command.main(arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("evaluate: ") and text in error and error.count("\n") == 1


def test_default_data_and_model(tmp_path, monkeypatch, fake_load):
    fake_load(synthetic_list(tmp_path, 1))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(command.DATA_VARIABLE, str(tmp_path))
    monkeypatch.setattr(default_model.deeplandmark, "__file__", str(tmp_path / "package" / "__init__.py"))
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "1_F.prototxt").touch()
    assert command.main([]) == 0 and str(default_model.default_model()) == "model"
    published = tmp_path / "package" / "published" / "best"
    published.mkdir(parents=True)
    (published / "1_F.prototxt").touch()
    assert default_model.default_model() == published
