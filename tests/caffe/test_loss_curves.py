"""Which curves are pointed out, and that pictures and CSV are written."""

import csv
import math
import re
import shutil
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import cv2
import numpy as np
import pytest

from deeplandmark import view_loss
from deeplandmark.caffe.logs import loss_plots, loss_tensorboard
from deeplandmark.caffe.logs.loss_curves import read_curve, read_folder
from deeplandmark.caffe.logs.loss_remarks import unusual
from deeplandmark.caffe.logs.loss_tables import thinned

LOGS = Path(__file__).parents[1] / "data/caffe/logs"
HEADER = "I20261121 00:35:46.183374 18697 solver.cpp:239] "


def write_log(folder, name, loss, iterations=range(0, 2100, 100), test=None):
    """A log whose training loss is loss(iteration), its test loss 1.1 times that or test(iteration), its error in % 30
    times the test loss."""
    test = test or (lambda i: 1.1 * loss(i))
    lines = ["Solving net"]
    for i in iterations:
        lines += [f"Iteration {i}, Testing net (#0)", f"    Test net output #0: error = {test(i) ** 2:g}",
                  f"    Test net output #1: error_percent = {30 * test(i):g}",
                  f"    Test net output #2: loss = {test(i):g} (* 1 = {test(i):g} loss)",
                  f"Iteration {i} (1 iter/s, 1s/100 iters), loss = {loss(i):g}",
                  f"    Train net output #0: loss = {loss(i):g}"]
    path = folder / f"{name}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{HEADER}{line}\n" for line in lines))


def good(iter):
    return 0.05 * math.exp(-iter / 700) + 0.002


@pytest.fixture
def level2(tmp_path):
    for name in ("2_LE1", "2_LE2", "2_RE1", "2_RE2", "2_N1"):
        write_log(tmp_path, name, good)
    return tmp_path


@pytest.mark.parametrize("loss, remark", [
    (lambda i: float("nan") if i > 900 else good(i), "not finite at iteration 1000"),
    (lambda i: good(i) * (1 + (i / 800) ** 6), "diverged"),
    (lambda i: 0.05 if i < 300 else 0.03 + 1e-6 * (i % 3), "flat"),
    (lambda i: 0.05 + 0.001 * math.sin(i), "not going down"),
    (lambda i: 4 * good(i), "x the median of level 2"),
])
def test_unusual(level2, loss, remark):
    write_log(level2, "2_N2", loss)
    curves, _ = read_folder(level2)
    remarks = unusual(curves)
    assert list(remarks) == ["2_N2"]
    assert remark in remarks["2_N2"][0]


def test_twins_are_compared_where_a_level_is_small(tmp_path):
    write_log(tmp_path, "3_LE1", good)
    write_log(tmp_path, "3_LE2", lambda i: 3 * good(i))
    assert "sibling" in unusual(read_folder(tmp_path)[0])["3_LE2"][0]


def test_nothing_to_say_about_good_ones(level2):
    assert unusual(read_folder(level2)[0]) == {}


@pytest.mark.slow
def test_command(level2, tmp_path, capsys):
    write_log(level2, "sub/2_N2", lambda i: float("nan") if i else 0.1)
    (level2 / "empty.log").write_text("")
    out = tmp_path / "out"
    assert view_loss.main([str(level2), "--out", str(out), "--svg"]) == 0
    captured = capsys.readouterr()
    assert "empty.log" in captured.err
    assert "unusual: training loss not finite at iteration 100" in captured.out
    assert cv2.imread(str(out / "2_LE1.png")).shape[0] > 300
    assert cv2.imread(str(out / "overview.png")).shape[1] > 600
    ElementTree.parse(out / "2_N2.svg")
    rows = list(csv.DictReader((out / "2_LE1.csv").open()))
    assert len(rows) == 21 and float(rows[0]["test_loss"]) == pytest.approx(0.0572)
    assert float(rows[0]["smoothed_loss"]) == float(rows[0]["train_loss"]) == pytest.approx(0.052)
    assert float(rows[0]["error_percent"]) == pytest.approx(30 * 0.0572)
    assert float(rows[0]["error"]) == pytest.approx(0.0572 ** 2, rel=1e-5)
    summary = {row["network"]: row for row in csv.DictReader((out / "summary.csv").open())}
    assert float(summary["2_LE1"]["final_error_percent"]) == pytest.approx(30 * 1.1 * good(2000), rel=1e-4)
    assert f"{30 * 1.1 * good(2000):.3g} %" in captured.out and "of the box width" in captured.out
    assert summary["2_N2"]["remarks"] and not summary["2_LE1"]["remarks"]
    together = list(csv.DictReader((out / "losses.csv").open()))
    assert len(together) == 6 * 21
    assert [{k: row[k] for k in rows[0]} for row in together if row["network"] == "2_LE1"] == rows


def test_a_long_run_is_thinned_but_true():
    """Of 1,000 rows, every 100th tested, at most 50 stay: half from all, half from the tested ones, none changed."""
    rows = [[i, i / 2, i / 3, i / 4 if i % 100 == 0 else ""] for i in range(1000)]
    kept = thinned(rows, 50)
    assert 25 <= len(kept) <= 50 and kept[0] == rows[0] and kept[-1] == rows[-1]
    assert all(row == rows[row[0]] for row in kept) and [row[0] for row in kept] == sorted({row[0] for row in kept})
    assert [row for row in kept if row[-1] != ""] == rows[::100]
    assert thinned(rows[:50], 50) == rows[:50]


def test_the_sheet_begins_a_row_with_each_level_and_leaves_the_start_out(tmp_path):
    for name in ("1_F", "2_LE1", "2_LE2", "2_RE1", "2_RE2", "2_N1", "2_N2"):
        write_log(tmp_path, name, lambda i: 50.0 if i == 0 else good(i))
    figure = loss_plots._overview(read_folder(tmp_path)[0], {}, "the box width")
    shown = [axis for axis in figure.axes if axis.get_title()]
    assert len(figure.axes) == 30 and [axis.get_title().split()[0] for axis in shown][:2] == ["1_F", "2_LE1"]
    rows = {round(axis.get_subplotspec().get_topmost_subplotspec().rowspan.start) for axis in shown}
    assert rows == {0, 1, 2} and all(1.1 * good(100) < axis.get_ylim()[1] < 1 for axis in shown)
    errors = [panel for axis, panel in zip(figure.axes, figure.axes[1:]) if axis in shown]
    assert all(30 * 1.1 * good(100) < panel.get_ylim()[1] < 30 for panel in errors)
    assert all(axis.get_title().endswith(f"{30 * 1.1 * good(2000):.3g} %") for axis in shown)


def test_what_stands_in_one_panel_can_be_compared(tmp_path):
    """Training and test loss above, the error below, each with its own numbers."""
    write_log(tmp_path, "1_F", good)
    curve = read_folder(tmp_path)[0][0]
    figure = loss_plots._picture(curve, [], "the box width")
    losses, error = figure.axes
    drawn = {line.get_label(): line.get_ydata() for line in losses.get_lines()}
    assert list(drawn) == ["train, one batch", "train, mean over average_loss", "test"]
    np.testing.assert_allclose(drawn["test"], 1.1 * drawn["train, one batch"], rtol=1e-5)
    np.testing.assert_allclose(error.get_lines()[0].get_ydata(), 30 * drawn["test"], rtol=1e-5)
    assert error.get_ylabel() == "error, % of\nthe box width" and "% of the box width" in losses.get_title()


@pytest.mark.parametrize("test, remark", [
    (lambda i: good(i) if i < 1000 else good(1000) + 4e-6 * (i - 1000), "over-fitting: since iteration 1000"),
    (lambda i: 1.3 * good(i), None), (lambda i: good(max(i, 300)) + 1e-4 * math.sin(i), None),
])
def test_over_fitting(tmp_path, test, remark):
    """Only where the test loss rises while the training loss falls: neither a gap nor a rest is over-fitting."""
    write_log(tmp_path, "2_N2", good, test=test)
    found = unusual(read_folder(tmp_path)[0]).get("2_N2", [""])
    assert found[0].startswith(remark) if remark else "over-fitting" not in found[0]


@pytest.mark.parametrize("loss, by_heart", [(good, True), (lambda i: 0.05, False)])
def test_what_is_learned_by_heart_from_the_start(tmp_path, loss, by_heart):
    write_log(tmp_path, "2_N2", loss, test=lambda i: 0.05 + 0.001 * math.sin(i))
    remark, = unusual(read_folder(tmp_path)[0])["2_N2"]
    assert ("over-fitting: the training loss is 0.0048" in remark) == by_heart


def test_a_rise_of_both_is_no_over_fitting(tmp_path):
    write_log(tmp_path, "2_N2", lambda i: good(i) * (1 + (i / 800) ** 6))
    assert unusual(read_folder(tmp_path)[0])["2_N2"][0].startswith("diverged")


def test_an_old_log_of_ours_has_its_error_alone(tmp_path, capsys):
    """Its training loss is SmoothL1, its one test output half a squared distance: never on one axis."""
    curve = read_curve(LOGS / "1_EN_error_alone.log")
    assert not len(curve.test_loss.iters) and not len(curve.error_percent.iters)
    assert curve.error.iters[-1] == 400 and curve.error.last == 0.0118983 and curve.smoothed_loss.last == 0.291335
    shutil.copy(LOGS / "1_EN_error_alone.log", tmp_path / "1_EN.log")
    assert view_loss.main([str(tmp_path)]) == 0
    assert "no test loss in 1 logs" in capsys.readouterr().out
    losses, error = loss_plots._picture(curve, [], "the box width").axes
    assert [line.get_label() for line in losses.get_lines()] == ["train, one batch", "train, mean over average_loss"]
    assert len(error.get_lines()) == 1 and "%" not in error.get_ylabel() + losses.get_title()
    row = list(csv.DictReader((tmp_path / "curves/1_EN.csv").open()))[-1]
    assert (row["iteration"], row["test_loss"], row["error"], row["error_percent"]) == ("400", "", "0.0118983", "")


def test_the_originals_error_is_its_loss(tmp_path):
    """By the log's nets: `loss` in TRAIN and `error` in TEST are one measure where both are EuclideanLoss."""
    text = (LOGS / "1_EN_error_alone.log").read_text()
    (tmp_path / "1_EN.log").write_text(re.sub(r'"SmoothL1Loss"|  smooth_l1_loss_param \{\n.*\n  \}\n',
                                              lambda found: '"EuclideanLoss"' if found[0][0] == '"' else "", text))
    curve = read_curve(tmp_path / "1_EN.log")
    assert curve.test_loss.last == 0.0118983 and not len(curve.error.iters)
    (tmp_path / "1_EN.log").write_text(text.replace('"EuclideanLoss"', '"SmoothL1Loss"'))  # of another sigma
    assert not len(read_curve(tmp_path / "1_EN.log").test_loss.iters)


def test_a_log_of_real_caffe_has_both_losses_in_one_measure():
    curve = read_curve(LOGS / "train.log")
    assert curve.test_loss.values.tolist() == [0.116888, 0.0952044, 0.0698708, 0.0440172]
    assert not len(curve.error.iters) and not len(curve.error_percent.iters) and curve.finished
    assert len(loss_plots._picture(curve, [], "the box width").axes) == 1


def test_a_log_that_tests_something_else_shows_it(tmp_path):
    """An accuracy alone: drawn under its name, and not judged as if less were better."""
    write_log(tmp_path, "net", good)
    text = (tmp_path / "net.log").read_text()
    text = re.sub(r"(.*Test net output #0): error = \S+\n.*\n.*\n", r"\1: accuracy = 0.9\n", text)
    (tmp_path / "net.log").write_text(text)
    curve = read_curve(tmp_path / "net.log")
    assert curve.error_name == "accuracy" and curve.error.last == 0.9 and curve.judged[0] == "training loss"
    assert loss_plots._picture(curve, [], "").axes[1].get_ylabel() == "accuracy (log scale)"
    assert unusual([curve]) == {}


def test_tensorboard_reads_what_was_logged(level2, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    runs = tmp_path / "runs"
    curves, _ = read_folder(level2)
    for _ in range(2):                                           # the second call replaces what the first one wrote
        loss_tensorboard.write_tensorboard(curves, str(runs))
    assert sorted(path.name for path in runs.iterdir()) == ["2_LE1", "2_LE2", "2_N1", "2_RE1", "2_RE2"]
    run = EventAccumulator(str(runs / "2_N1"))
    run.Reload()
    curve = next(curve for curve in curves if curve.name == "2_N1")
    for tag, (iters, losses) in (("loss/test", curve.test_loss), ("loss/train", curve.smoothed_loss),
                                 ("loss/train_batch", curve.train_loss), ("error/test", curve.error),
                                 ("error_percent/test", curve.error_percent)):
        assert [event.step for event in run.Scalars(tag)] == iters.tolist()
        np.testing.assert_allclose([event.value for event in run.Scalars(tag)], losses, rtol=1e-6)


def test_without_tensorboard_it_is_said_how_to_get_it(level2, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    assert view_loss.main([str(level2), "--out", str(tmp_path), "--tensorboard", str(tmp_path / "runs")]) == 1
    assert 'pip install ".[train,tensorboard]"' in capsys.readouterr().err


def test_the_same_stem_in_two_folders(tmp_path):
    write_log(tmp_path, "a/2_LE1", good)
    write_log(tmp_path, "b/2_LE1", good)
    assert [curve.name for curve in read_folder(tmp_path)[0]] == ["a/2_LE1", "b/2_LE1"]


def test_no_log(tmp_path, capsys):
    assert view_loss.main([str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("view_loss: ")
