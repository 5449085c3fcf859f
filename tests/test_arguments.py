"""Wrong arguments of the commands: refused in one line before any work is done."""
import importlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deeplandmark.faces.picture import write_picture
from deeplandmark.find_data import main as find_data
from tests.helpers.patience import PATIENCE

ROOT = Path(__file__).parents[1]
COMMANDS = ("ablate", "align", "annotate", "benchmark", "calibrate", "completion", "convert", "detect", "evaluate",
            "evaluate_detection", "export", "find_data", "fit_boxes", "generate", "label", "plan", "prepare",
            "restyle", "serve", "synthesize", "train", "train_detector", "view_loss", "worst")


def refusal(command, *arguments):
    """The last line on stderr of a command that argparse stops."""
    main = importlib.import_module(f"deeplandmark.{command}").main
    with pytest.raises(SystemExit) as stopped:
        main(list(arguments))
    return stopped.value.code


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples(command, capsys):
    assert refusal(command, "--help") == 0
    assert f"examples:\n  deeplandmark {command}" in capsys.readouterr().out


@pytest.mark.parametrize("arguments, text", [
    ("generate --seed abc", "'abc' is not a whole number"), ("generate --seed -1", "-1 is not at least 0"),
    ("generate --effort inf", "inf is not above 0"), ("generate --effort 0", "0 is not above 0"),
    ("generate --levels x", "x is not a list of levels such as 2,3"), ("prepare 1 --copies 0", "0 is not at least 1"),
    ("prepare 1 --jobs 0", "0 is not at least 1"), ("prepare 4", "invalid choice"),
    ("train 1 --jobs -1", "-1 is not at least 1"), ("benchmark --rounds 0", "0 is not at least 1"),
    ("find_data --synthetic-train 0", "0 is not at least 1"),
    ("synthesize faces --seed x", "'x' is not a whole number"),
    ("evaluate --limit 0", "0 is not at least 1")])
def test_wrong_values(arguments, text, capsys):
    assert refusal(*arguments.split()) == 2
    assert text in capsys.readouterr().err.splitlines()[-1]


def test_a_sheet_of_an_unknown_kind(tmp_path):
    import numpy as np
    with pytest.raises(OSError, match="sheet.text.*no pictures of this kind"):
        write_picture(tmp_path / "sheet.text", np.zeros((4, 4), np.uint8))
    with pytest.raises(OSError, match="cannot be written"):
        write_picture(tmp_path / "nowhere" / "sheet.png", np.zeros((4, 4), np.uint8))


@pytest.mark.parametrize("command", ["synthesize faces --train 3000 --test 1 --jobs 2",
                                     "prepare 1 --data faces --frozen --copies 300 --jobs 2"])
@pytest.mark.process
@pytest.mark.slow
def test_ctrl_c_is_one_line_and_leaves_nobody(tmp_path, command):
    if command.startswith("prepare"):
        subprocess.run([sys.executable, "-m", "deeplandmark.synthesize", "faces", "--train", "200", "--test", "1"],
                       cwd=tmp_path, env=environment(), check=True, capture_output=True)
    process = subprocess.Popen([sys.executable, "-m", f"deeplandmark.{command.split()[0]}", *command.split()[1:]],
                               cwd=tmp_path, env=environment(), text=True, stderr=subprocess.PIPE,
                               start_new_session=True, preexec_fn=listen)
    time.sleep(4)
    os.killpg(process.pid, signal.SIGINT)                         # as a terminal does: to everybody
    _, err = process.communicate(timeout=PATIENCE)                      # ends when nobody holds the pipe any more
    assert process.returncode == 130, err
    assert len(err.splitlines()) == 1 and ": interrupted; " in err


def environment():
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def listen():
    signal.signal(signal.SIGINT, signal.default_int_handler)      # a shell's background jobs ignore it


def test_a_download_that_was_killed_while_it_was_unpacked(tmp_path, monkeypatch, capsys):
    """dataset/train holds a part of the pictures, dataset/train.zip all of them."""
    import zipfile
    monkeypatch.delenv("DEEPLANDMARK_DATA", raising=False)
    monkeypatch.setattr("deeplandmark.find_data.OFFICIAL_PICTURES", 2)
    with zipfile.ZipFile(tmp_path / "train.zip", "w") as archive:
        for name in ("train", "test"):
            archive.writestr(f"{name}ImageList.txt", f"{name}.jpg 1 5 1 5 1 1 2 2 3 3 4 4 5 5\r\n")
            archive.writestr(f"{name}.jpg", name)
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "train.jpg").write_text("train")
    assert find_data(["--dataset", str(tmp_path), "--offline"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "train") and (tmp_path / "train" / "test.jpg").exists()
    (tmp_path / "train.zip").unlink()
    (tmp_path / "train" / "test.jpg").unlink()
    assert find_data(["--dataset", str(tmp_path), "--offline"]) == 1
    assert f"give other pictures with --data, or remove {tmp_path / 'train'}" in capsys.readouterr().err
