"""Loss curves as numbers: CSV files, and a table for the terminal."""

import csv
import os

import numpy as np

from deeplandmark.caffe.logs.loss_curves import TRAINING_LOSS, file_stem
from deeplandmark.work.whole_file import open_whole

MOST_ROWS = 150       # of a network in losses.csv, so that the file stays small
SERIES = ("train_loss", "smoothed_loss", "test_loss", "error", "error_percent")
COLUMNS = ("iteration", *SERIES)
SUMMARY = ("iterations", "final_train_loss", "final_test_loss", "best_test_loss", "best_iteration", "final_error",
           "final_error_percent", "finished")
_TESTED = COLUMNS.index("test_loss")


def write_csv(curves, remarks, out_dir):
    """Write a CSV for each LossCurve and two with all of them.

    `<name>.csv` has the columns COLUMNS, empty where there is nothing; `losses.csv` the curves of all networks, at most
    MOST_ROWS rows each, spread evenly; `summary.csv` a row for each, SUMMARY and remarks.
    """
    os.makedirs(out_dir, exist_ok=True)
    together = []
    for curve in curves:
        rows = _rows(curve)
        _write(os.path.join(out_dir, f"{file_stem(curve.name)}.csv"), COLUMNS, rows)
        together += [[curve.name, *row] for row in thinned(rows, MOST_ROWS)]
    _write(os.path.join(out_dir, "losses.csv"), ["network", *COLUMNS], together)
    _write(os.path.join(out_dir, "summary.csv"), ["network", *SUMMARY, "remarks"],
           [[curve.name, *_cells(summary(curve)), "; ".join(remarks.get(curve.name, []))] for curve in curves])


def thinned(rows, most):
    """At most `most` rows: half of them spread evenly over all, half over the tested ones; all when they fit."""
    if len(rows) <= most:
        return rows
    tested = [i for i, row in enumerate(rows) if any(value != "" for value in row[_TESTED:])]
    kept = {*_spread(range(len(rows)), most // 2), *_spread(tested, most // 2)}
    return [rows[i] for i in sorted(kept)]


def summary(curve):
    """The values that SUMMARY names as a dict, None where there is nothing to say.

    `best_iteration` is that of the lowest test loss, or of the lowest error where there is none.
    """
    what, judged = curve.judged
    best_iteration = None if what == TRAINING_LOSS else _lowest(judged)[0]
    values = (curve.last_iter, curve.smoothed_loss.last, curve.test_loss.last, _lowest(curve.test_loss)[1],
              best_iteration, curve.error.last, curve.error_percent.last, "yes" if curve.finished else "no")
    return dict(zip(SUMMARY, values))


def table(curves, remarks):
    """The summary as text, one line for each network, unusual ones with their remarks below."""
    lines = [f"{'network':<12}{'iterations':>12}{'train loss':>12}{'test loss':>12}{'best test':>12}{'best at':>9}"
             f"{'error':>12}"]
    for curve in curves:
        row = summary(curve)
        losses = (row["final_train_loss"], row["final_test_loss"], row["best_test_loss"])
        cells = "".join(f"{'-' if loss is None else format(loss, '.4g'):>12}" for loss in losses)
        best = "-" if row["best_iteration"] is None else row["best_iteration"]
        end = "" if curve.finished else "  not finished"
        lines.append(f"{curve.name:<12}{curve.last_iter:>12}{cells}{best:>9}{error_text(curve) or '-':>12}{end}")
        lines += [f"  unusual: {remark}" for remark in remarks.get(curve.name, [])]
    return "\n".join(lines)


def error_text(curve):
    """The last error of a LossCurve for people: `1.42 %`, or a number without a unit; empty where there is none."""
    in_percent, error = curve.shown_error
    return f"{error.last:.3g}{' %' * in_percent}" if len(error.iters) else ""


def _rows(curve):
    columns = [dict(zip(*getattr(curve, name))) for name in SERIES]
    return [[i, *(column.get(i, "") for column in columns)] for i in sorted(set().union(*columns))]


def _spread(items, most):
    places = np.linspace(0, len(items) - 1, min(most, len(items))).round().astype(int)
    return [items[i] for i in places]


def _lowest(series):
    """(iteration, value) of the lowest finite value; two None where there is none."""
    finite = np.where(np.isfinite(series.values), series.values, np.inf)
    if not np.isfinite(finite).any():
        return None, None
    return int(series.iters[finite.argmin()]), float(finite.min())


def _cells(row):
    return ["" if value is None else value for value in row.values()]


def _write(path, header, rows):
    with open_whole(path, newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
