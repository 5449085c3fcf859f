"""Log lines and their reader: Caffe's own logs, resumed logs, logs of runs that were killed."""

import math
import re
import shutil
from pathlib import Path

import pytest

from deeplandmark.caffe.errors import FileFormatError
from deeplandmark.caffe.logs.log import Log, loss_note
from deeplandmark.caffe.logs.parse_log import _Reader, parse_log, write_csv
from deeplandmark.caffe.tools.command_line import main

LOGS = Path(__file__).parents[1] / "data/caffe/logs"
HEADER = "I20261121 00:35:46.183374 18697 solver.cpp:239] "


def run(first, last, loss=1.0, every=10):
    """Lines of a run that displays every 10 iterations."""
    lines = [f"{HEADER}Solving net"]
    for i in range(first, last + 1, every):
        lines += [f"{HEADER}Iteration {i} (1 iter/s, 1s/10 iters), loss = {loss}",
                  f"{HEADER}    Train net output #0: loss = {loss} (* 1 = {loss} loss)",
                  f"{HEADER}Iteration {i}, lr = 0.1"]
    return "\n".join(lines) + "\n"


def parsed(tmp_path, text):
    path = tmp_path / "x.log"
    path.write_text(text)
    return parse_log(path)


def test_line_format(tmp_path, capfd):
    with Log(tmp_path / "sub/x.log") as log:
        log.info("solver.cpp:289", "Solving net")
    line = (tmp_path / "sub/x.log").read_text()
    assert re.fullmatch(r"I\d{8} \d\d:\d\d:\d\d\.\d{6} +\d+ solver\.cpp:289\] Solving net\n", line)
    assert capfd.readouterr().err == line


def test_glog_minloglevel_silences_the_terminal_alone(tmp_path, capfd, monkeypatch):
    monkeypatch.setenv("GLOG_minloglevel", "2")
    with Log(tmp_path / "x.log") as log:
        log.info("solver.cpp:289", "Solving net")
    assert capfd.readouterr().err == ""
    assert "Solving net" in (tmp_path / "x.log").read_text()


@pytest.mark.parametrize("before, kept", [
    ("one\ntwo\n", "one\ntwo\n"),
    ("one\nloss = 0.1", "one\n"),
    ("loss = 0.1", ""),
    ("", ""),
    ("one\n" + "x" * 10000, "one\n"),
])
def test_appending_cuts_a_half_line(tmp_path, before, kept):
    path = tmp_path / "x.log"
    path.write_text(before)
    Log(path, stderr=False).close()
    assert path.read_text() == kept


def test_loss_note():
    assert loss_note(0.5, 0.25) == " (* 0.5 = 0.125 loss)"
    assert loss_note(0, 0.25) == ""


def test_log_of_real_caffe():
    log = parse_log(LOGS / "train.log")
    assert log.finished
    assert [row["NumIters"] for row in log.train] == [0, 10, 20, 30, 40, 50, 60]
    assert [row["LearningRate"] for row in log.train] == [0.02, 0.02, 0.02, 0.01, 0.01, 0.005, 0.005]
    iterations, losses = log.column("test", "loss")
    assert iterations.tolist() == [0, 20, 40, 60]
    assert losses.tolist() == [0.116888, 0.0952044, 0.0698708, 0.0440172]
    assert log.column("train", "smoothed_loss")[1][-1] == 0.0301383
    assert log.train[0]["Seconds"] == pytest.approx(0.002185)


def test_what_the_nets_outputs_measure():
    """As the log tells their layers: type and settings, whatever name and place."""
    assert parse_log(LOGS / "train.log").measures[("test", "loss")] == 'type: "EuclideanLoss"\n'
    measures = parse_log(LOGS / "1_EN_error_alone.log").measures
    assert measures[("test", "error")] == 'type: "EuclideanLoss"\n'
    assert measures[("train", "loss")].split() == "type: \"SmoothL1Loss\" smooth_l1_loss_param { sigma: 10 }".split()


@pytest.mark.parametrize("net", ["name: \"a\"\nlayer {\n  name: \"lo", "", "no prototxt: {{{\n"])
def test_a_definition_that_is_cut_short_hides_no_iteration(tmp_path, net):
    log = parsed(tmp_path, f"{HEADER}Initializing net from parameters: \n{net}\n" + run(0, 20))
    assert log.column("train", "loss")[0].tolist() == [0, 10, 20] and log.measures == {}
    bare = f"Initializing net from parameters: \n{net}\n" + run(0, 20).replace(HEADER, "")
    assert parsed(tmp_path, bare).column("train", "loss")[0].tolist() == [0, 10, 20]


def test_csv_like_that_of_caffes_tool(tmp_path, capsys):
    shutil.copy(LOGS / "train.log", tmp_path)
    assert main(["parse_log", str(tmp_path / "train.log"), str(tmp_path / "out")]) == 0
    rows = (tmp_path / "out/train.log.train").read_text().splitlines()
    assert rows[0] == "NumIters,Seconds,LearningRate,loss"
    assert len(rows) == 7 and rows[1].startswith("0,") and rows[1].endswith(",0.02,0.10721")
    assert len((tmp_path / "out/train.log.test").read_text().splitlines()) == 5
    assert main(["parse_log", str(tmp_path / "nothing.log"), str(tmp_path)]) == 1
    assert "nothing.log" in capsys.readouterr().err


def test_a_resumed_run_supersedes_what_it_repeats(tmp_path):
    log = parsed(tmp_path, run(0, 50, 1.0) + run(30, 70, 2.0))
    iterations, losses = log.column("train", "loss")
    assert iterations.tolist() == [0, 10, 20, 30, 40, 50, 60, 70]
    assert losses.tolist() == [1.0] * 3 + [2.0] * 5


def test_rows_between_the_snapshot_and_the_next_display_are_dropped_too(tmp_path):
    log = parsed(tmp_path, run(0, 90, 1.0, every=10) + run(40, 60, 2.0, every=20))
    assert log.column("train", "loss")[0].tolist() == [0, 10, 20, 30, 40, 60]


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_line_cut_by_a_kill_is_left_out(tmp_path, cut):
    whole = run(0, 20, 0.123456)
    glued = parsed(tmp_path, whole[:-cut] + run(10, 30, 0.5))
    assert set(glued.column("train", "loss")[1]) <= {0.123456, 0.5}
    assert glued.column("train", "loss")[0].tolist() == [0, 10, 20, 30]
    alone = parsed(tmp_path, whole[:-cut])
    assert set(alone.column("train", "loss")[1]) == {0.123456}


@pytest.mark.parametrize("damaged", [
    f"{HEADER.replace('46.183374', '99.5')}Iteration 20, loss = 1.0\n", f"{HEADER}Iteration {'9' * 30}, loss = 1.0\n",
    f"{HEADER}Iteration {'9' * 5000}, loss = 1.0\n", f"{HEADER.replace('20261121', '20261399')}x\n",
    f"{HEADER}    Train net output #0: loss = . (* 1 = . loss)\n"])
def test_a_damaged_line_says_nothing(tmp_path, damaged):
    log = parsed(tmp_path, run(0, 10) + damaged + run(30, 40).split("\n", 1)[1])
    assert {row["NumIters"] for row in log.train} - {20} == {0, 10, 30, 40}


def test_a_log_of_many_runs_is_gone_through_once():
    """Counted: the rows that are looked at for every run that begins."""
    seen = []

    class Rows(dict):
        def __iter__(self):
            seen.extend(range(len(self)))
            return super().__iter__()
    reader = _Reader()
    reader._rows, reader._rates = {"Train": Rows(), "Test": Rows()}, Rows()
    for start in range(0, 3000, 10):
        for line in run(start, start).splitlines():
            reader.read(line)
    assert len(reader._rows["Train"]) == 300 and len(seen) == 0


def test_nan_and_infinity_are_numbers_here(tmp_path):
    log = parsed(tmp_path, run(0, 0, "-nan") + run(10, 10, "inf") + run(20, 20, "1e-05"))
    values = log.column("train", "loss")[1]
    assert math.isnan(values[0]) and math.isinf(values[1]) and values[2] == 1e-5


def test_vectors_and_several_test_nets(tmp_path):
    lines = ["Solving net", "Iteration 0, Testing net (#0)", "    Test net output #0: prob = 0.1",
             "    Test net output #1: prob = 0.2", "Iteration 0, Testing net (#1)",
             "    Test net output #0: prob = 0.3"]
    log = parsed(tmp_path, "".join(f"{HEADER}{line}\n" for line in lines))
    assert {k: v for k, v in log.test[0].items() if "prob" in k} == {"prob": 0.1, "prob_1": 0.2, "net1_prob": 0.3}
    write_csv(log, tmp_path, "x")
    assert (tmp_path / "x.train").read_text() == "NumIters,Seconds,LearningRate\n"


def test_old_glog_leaves_out_the_year(tmp_path):
    text = run(0, 10).replace("I20261121", "I0723").replace("\r", "")
    assert parsed(tmp_path, text).column("train", "loss")[0].tolist() == [0, 10]


def test_windows_line_ends(tmp_path):
    assert parsed(tmp_path, run(0, 10).replace("\n", "\r\n")).column("train", "loss")[1].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("text", ["", "hello\n", "Iteration 5"])
def test_not_a_log(tmp_path, text):
    with pytest.raises(FileFormatError, match="training log"):
        parsed(tmp_path, text)


def test_a_line_of_a_hundred_thousand_iterations_is_gone_through_once(tmp_path):
    (tmp_path / "a.log").write_text("I0101 10:00:00.0 1 solver.cpp:239] " + "Iteration 1 " * 100_000 + "\n")
    with pytest.raises(FileFormatError, match="no iteration found"):
        parse_log(tmp_path / "a.log")
