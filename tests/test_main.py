"""`deeplandmark VERB`: the table of verbs, its help, and what it refuses."""
import os
import subprocess
import sys
from pathlib import Path

import pytest

from deeplandmark.__main__ import VERBS, main
from tests.helpers.patience import PATIENCE

ROOT = Path(__file__).parents[1]
NAMES = [verb for verbs in VERBS.values() for verb in verbs]


def test_every_command_is_a_verb():
    """Whatever module of the package can be run is in the table, and the other way round."""
    runnable = {path.stem for path in (ROOT / "deeplandmark").glob("[a-z]*.py") if "\ndef main(" in path.read_text()}
    assert set(NAMES) == runnable | {"caffe"} and len(NAMES) == len(set(NAMES))


def test_help_names_every_verb_in_a_line(capsys):
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert all(sum(line.startswith(f"  {verb} ") for line in lines) == 1 for verb in NAMES)
    assert max(map(len, lines)) <= 100 and "examples:\n  deeplandmark detect" in out


@pytest.mark.parametrize("arguments, status, text", [([], 2, "usage: deeplandmark VERB"),
                                                     (["find"], 2, "deeplandmark: unknown verb find (--help"),
                                                     (["caffe"], 2, "verb")])
def test_what_it_refuses(arguments, status, text, capsys):
    try:
        found = main(arguments)
    except SystemExit as stop:
        found = stop.code
    assert found == status and text in capsys.readouterr().err


@pytest.mark.process
def test_python_m_is_the_same_and_loads_no_library(tmp_path):
    code = ("import runpy, sys; sys.argv = ['deeplandmark', '--help']\n"
            "try: runpy.run_module('deeplandmark', run_name='__main__')\n"
            "except SystemExit as stop: print(stop.code, 'numpy' in sys.modules, 'cv2' in sys.modules)")
    process = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, text=True, capture_output=True, check=True,
                             env={"PYTHONPATH": str(ROOT), "PATH": ""})
    assert process.stdout.splitlines()[-1] == "0 False False"


def test_a_verb_gets_its_arguments_and_gives_its_status(tmp_path, capsys):
    assert main(["synthesize", str(tmp_path / "faces"), "--train", "1", "--test", "1", "--jobs", "1"]) == 0
    assert main(["find-data", "--data", str(tmp_path / "nowhere")]) == 1
    assert "find_data: " in capsys.readouterr().err


@pytest.mark.process
@pytest.mark.parametrize("command", ["deeplandmark --help", "deeplandmark detect --help", "deeplandmark.detect --help",
                                     "deeplandmark plan", "deeplandmark caffe draw_net --help"])
def test_who_reads_its_lines_may_leave(tmp_path, command):
    process = subprocess.Popen([sys.executable, "-m", *command.split()], cwd=tmp_path, text=True,
                               env={"PYTHONPATH": str(ROOT), "PATH": ""}, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    process.stdout.close()                                       # before anything is said
    assert (process.stderr.read(), process.wait(PATIENCE)) == ("", 0)


@pytest.mark.parametrize("verb, threads", [("detect", "1"), ("view_loss", None)])
def test_numpy_starts_no_threads_where_it_has_little_to_do(verb, threads, monkeypatch):
    monkeypatch.setattr(os, "environ", {name: value for name, value in os.environ.items() if "OPENBLAS" not in name})
    with pytest.raises(SystemExit):
        main([verb, "--help"])
    assert os.environ.get("OPENBLAS_NUM_THREADS") == threads
