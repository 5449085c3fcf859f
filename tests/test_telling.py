"""What commands tell while they work: --quiet, --verbose, and the standard logging of programs that use the package."""
import importlib
import logging
import os
import subprocess
import sys

import numpy as np
import pytest

from deeplandmark.__main__ import MODULES, VERBS
from deeplandmark.detect import main as detect
from deeplandmark.faces.picture import write_picture
from deeplandmark.faces.synthetic import draw_face
from deeplandmark.work.progress import Progress

LOGGER = logging.getLogger("deeplandmark")
COMMANDS = [verb for verbs in VERBS.values() for verb in verbs if verb not in MODULES]


@pytest.fixture
def pictures(tmp_path):
    """A folder with a face and what is no picture."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    write_picture(folder / "face.png", draw_face(np.random.default_rng(1))[0])
    (folder / "bad.png").write_bytes(b"no picture")
    (folder / "notes.heic").write_bytes(b"x")
    return folder


def lines(capsys, pictures, *flags):
    """(status, the lines on stderr without the folder's name) of `detect`."""
    status = detect([str(pictures), "--json", str(pictures.parent / "rows.jsonl"), *flags])
    return status, capsys.readouterr().err.replace(f"{pictures.parent}/", "").splitlines()


def test_as_usual(pictures, capsys):
    status, told = lines(capsys, pictures)
    assert status == 1 and len(told) == 3
    assert "1 .heic" in told[0] and "bad.png" in told[1] and told[2].startswith("detect: 2 pictures: 1 face in 1")


@pytest.mark.parametrize("flag", ["--quiet", "-q"])
def test_quiet_leaves_what_is_bad(pictures, capsys, flag):
    status, (told,) = lines(capsys, pictures, flag)
    assert status == 1 and told.startswith("detect: pictures/bad.png")
    (pictures / "bad.png").unlink()
    assert lines(capsys, pictures, flag) == (0, [])


@pytest.mark.parametrize("flag", ["--verbose", "-v"])
def test_verbose_names_models_and_files(pictures, capsys, flag):
    _, told = lines(capsys, pictures, flag)
    assert any("a cascade, by" in line for line in told) and any("a model for ONNX Runtime" in line for line in told)
    assert "rows.jsonl: written" in told


def test_a_name_that_is_no_text(pictures, capfd):
    """Also on a stderr that takes no such letters."""
    strict = open(2, "w", encoding="utf-8", errors="strict", closefd=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", strict)
        assert detect([os.fsdecode(bytes(pictures) + b"/no\xff.png")]) == 1
        strict.flush()
    assert "no\\udcff.png" in capfd.readouterr().err


def test_not_both(pictures, capsys):
    with pytest.raises(SystemExit):
        detect([str(pictures), "-q", "-v"])
    assert "not allowed with" in capsys.readouterr().err


def test_afterwards_all_is_as_it_was(pictures, capsys):
    before = LOGGER.level, LOGGER.propagate, list(LOGGER.handlers)
    lines(capsys, pictures, "-v")
    with pytest.raises(SystemExit):
        detect(["-q", "--nonsense"])
    assert (LOGGER.level, LOGGER.propagate, LOGGER.handlers) == before


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_them(name, capsys):
    with pytest.raises(SystemExit):
        importlib.import_module(f"deeplandmark.{name}").main(["--help"])
    assert "-q, --quiet" in (text := capsys.readouterr().out) and "-v, --verbose" in text


def test_a_program_hears_of_progress_where_it_listens(caplog, capsys):
    assert list(Progress("faces", 2).over("ab")) == ["a", "b"]
    Progress("faces").say("a remark")
    assert not caplog.records
    with caplog.at_level(logging.INFO, "deeplandmark"):
        clock = iter(range(0, 1000, 100))
        list(Progress("faces", 3, clock=lambda: next(clock)).over("abc"))
    assert caplog.messages == ["1 of 3 faces", "2 of 3 faces, 0.6 a minute, about 1 min 40 s left"]
    assert capsys.readouterr() == ("", "")


@pytest.mark.process
def test_importing_sets_no_handler():
    code = ("import logging, deeplandmark, deeplandmark.detect, deeplandmark.models, deeplandmark.work.progress\n"
            "assert not logging.root.handlers and not logging.getLogger('deeplandmark').handlers\n"
            "assert logging.getLogger('deeplandmark').level == logging.NOTSET")
    subprocess.run([sys.executable, "-c", code], check=True)
