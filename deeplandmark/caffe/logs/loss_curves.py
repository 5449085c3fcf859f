"""Loss curves of a folder of training logs: read them, judge them, write CSV. Drawing is in `loss_plots`."""

import csv
import glob
import os
import re
from dataclasses import dataclass

import numpy as np

from deeplandmark.caffe.errors import CaffeError, FileFormatError
from deeplandmark.caffe.logs.parse_log import parse_log
from deeplandmark.work.whole_file import open_whole

DIVERGED = 2.0        # last loss this many times the lowest, and above the first one
NOT_FALLING = 0.95    # last test loss as a fraction of the first one, at least
STUCK = 2.5           # test loss as a multiple of the median of its level, or of its sibling's
MOST_ROWS = 150       # of a network in losses.csv, so that the file stays small
FLAT = 0.005          # a test loss that moves less than this fraction over three quarters of the run is flat
_NAME = re.compile(r"(?P<level>\d+)_(?P<point>[A-Za-z]+)(?P<number>\d*)$")


@dataclass
class LossCurve:
    """Losses of one network; iterations and losses are arrays of equal length (n,), possibly empty.

    `smoothed_loss` is the displayed one (mean over average_loss iterations), `train_loss` that of one batch,
    `test_loss` the mean over test_iter batches.
    """

    name: str
    train_iter: np.ndarray
    train_loss: np.ndarray
    smoothed_iter: np.ndarray
    smoothed_loss: np.ndarray
    test_iter: np.ndarray
    test_loss: np.ndarray
    finished: bool

    @property
    def family(self):
        """(level, point) for a name such as `2_LE1`; (None, name) for one that does not follow the pattern."""
        match = _NAME.match(os.path.basename(self.name))
        return (match["level"], match["point"]) if match else (None, self.name)

    @property
    def final_loss(self):
        """Last test loss, or last smoothed training loss where nothing was tested; NaN when there is neither."""
        losses = self.test_loss if len(self.test_loss) else self.smoothed_loss
        return float(losses[-1]) if len(losses) else float("nan")

    @property
    def last_iter(self):
        return int(max([0, *self.smoothed_iter[-1:], *self.test_iter[-1:]]))


def read_curve(path, name=None):
    """LossCurve of one log, Caffe's or ours; FileFormatError when it is not one."""
    log = parse_log(path)
    train, test = (_loss_column(log, phase) for phase in ("train", "test"))
    name = name or os.path.splitext(os.path.basename(path))[0]
    return LossCurve(name, *train, *log.column("train", "smoothed_loss"), *test, log.finished)


def _loss_column(log, phase):
    """The output that is the loss: one called `loss` or `error`, else the first."""
    names = log.names(phase)
    chosen = next((name for name in ("loss", "error") if name in names), names[0] if names else "loss")
    return log.column(phase, chosen)


def read_folder(folder):
    """Curves of every `*.log` below a folder, in natural order, and {path: reason} for logs that could not be read.

    The file's stem is the network's name; its folder is put in front where two logs share a stem.
    FileFormatError when there is no log at all.
    """
    paths = sorted(glob.glob(os.path.join(glob.escape(os.fspath(folder)), "**", "*.log"), recursive=True), key=_natural)
    if not paths:
        raise FileFormatError(f"{folder}: no *.log file below it")
    stems = [os.path.splitext(os.path.basename(path))[0] for path in paths]
    curves, unreadable = [], {}
    for path, stem in zip(paths, stems):
        unique = stems.count(stem) == 1
        name = stem if unique else os.path.splitext(os.path.relpath(path, folder))[0]
        try:
            curves.append(read_curve(path, name))
        except CaffeError as error:
            unreadable[path] = str(error)
    return curves, unreadable


def _natural(text):
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", text)]


def unusual(curves):
    """What is unusual about each of several curves.

    Returns
    -------
    dict of name to list of str
        Only the names that have something to say for themselves.
    """
    remarks = {curve.name: _alone(curve) or _among_siblings(curve, curves) for curve in curves}
    return {name: found for name, found in remarks.items() if found}


def _alone(curve):
    """Remarks that need no other curve."""
    for what, iters, losses in (("training", curve.smoothed_iter, curve.smoothed_loss),
                                ("training", curve.train_iter, curve.train_loss),
                                ("test", curve.test_iter, curve.test_loss)):
        bad = np.flatnonzero(~np.isfinite(losses))
        if len(bad):
            return [f"{what} loss not finite at iteration {iters[bad[0]]}"]
    what, losses = ("test", curve.test_loss) if len(curve.test_loss) > 1 else ("training", curve.smoothed_loss)
    if len(losses) < 2:
        return []
    if losses[-1] > DIVERGED * losses.min() and losses[-1] > losses[0]:
        return [f"diverged: {what} loss went from {losses.min():.3g} to {losses[-1]:.3g}"]
    if since := _flat_since(curve.test_iter, curve.test_loss):
        return [f"test loss flat at {losses[-1]:.3g} since iteration {since}: the output may be a constant"]
    if losses[-1] >= NOT_FALLING * losses[0]:
        return [f"not going down: {what} loss {losses[0]:.3g} at first, {losses[-1]:.3g} at last"]
    return []


def _flat_since(iters, losses):
    """Iteration from which the last three quarters of the tests (8 or more) hardly move; None when they move."""
    tail = losses[len(losses) // 4:]
    if len(tail) < 8 or np.ptp(tail) > FLAT * abs(np.median(tail)):
        return None
    return int(iters[len(losses) // 4])


def _among_siblings(curve, curves):
    """Remarks on a final loss that is far above those of the same level, or of the same point at that level."""
    level, _ = curve.family
    finals = {c.name: c.final_loss for c in curves if c.family[0] == level and np.isfinite(c.final_loss)}
    if level is None or curve.name not in finals:
        return []
    median = float(np.median(list(finals.values())))
    if len(finals) >= 3 and curve.final_loss > STUCK * median > 0:
        ratio = curve.final_loss / median
        return [f"stuck: final loss {curve.final_loss:.3g} is {ratio:.1f} x the median of level {level}"]
    twins = [finals[c.name] for c in curves if c.family == curve.family and c is not curve and c.name in finals]
    if twins and curve.final_loss > STUCK * min(twins) > 0:
        ratio = curve.final_loss / min(twins)
        return [f"stuck: final loss {curve.final_loss:.3g} is {ratio:.1f} x that of its sibling network"]
    return []


def write_csv(curves, remarks, out_dir):
    """Write `<name>.csv` for each curve (iteration, train_loss, smoothed_loss, test_loss), `losses.csv` with the curves
    of all networks, at most MOST_ROWS rows each, spread evenly, and `summary.csv`."""
    os.makedirs(out_dir, exist_ok=True)
    together = []
    for curve in curves:
        rows = _rows(curve)
        _write(os.path.join(out_dir, f"{file_stem(curve.name)}.csv"), COLUMNS, rows)
        together += [[curve.name, *row] for row in thinned(rows, MOST_ROWS)]
    _write(os.path.join(out_dir, "losses.csv"), ["network", *COLUMNS], together)
    _write(os.path.join(out_dir, "summary.csv"), ["network", *SUMMARY, "remarks"],
           [[curve.name, *summary(curve), "; ".join(remarks.get(curve.name, []))] for curve in curves])


COLUMNS = ("iteration", "train_loss", "smoothed_loss", "test_loss")


def _rows(curve):
    columns = [dict(zip(curve.train_iter, curve.train_loss)), dict(zip(curve.smoothed_iter, curve.smoothed_loss)),
               dict(zip(curve.test_iter, curve.test_loss))]
    return [[i, *(column.get(i, "") for column in columns)] for i in sorted(set().union(*columns))]


def thinned(rows, most):
    """At most `most` rows: half of them spread evenly over all, half over those with a test loss; all when they fit."""
    if len(rows) <= most:
        return rows
    tested = [i for i, row in enumerate(rows) if row[-1] != ""]
    kept = {*_spread(range(len(rows)), most // 2), *_spread(tested, most // 2)}
    return [rows[i] for i in sorted(kept)]


def _spread(items, most):
    places = np.linspace(0, len(items) - 1, min(most, len(items))).round().astype(int)
    return [items[i] for i in places]


SUMMARY = ("iterations", "final_train_loss", "final_test_loss", "best_test_loss", "best_iteration", "finished")


def summary(curve):
    """One row of the table: the values that SUMMARY names, empty strings where there is nothing to say."""
    finite = np.where(np.isfinite(curve.test_loss), curve.test_loss, np.inf)
    best = int(finite.argmin()) if len(finite) and np.isfinite(finite).any() else None
    return [curve.last_iter, _last(curve.smoothed_loss), _last(curve.test_loss),
            "" if best is None else float(finite[best]), "" if best is None else int(curve.test_iter[best]),
            "yes" if curve.finished else "no"]


def table(curves, remarks):
    """The summary as text, one line for each network, unusual ones with their remarks below."""
    lines = [f"{'network':<12}{'iterations':>12}{'train loss':>12}{'test loss':>12}{'best test':>12}{'best at':>9}"]
    for curve in curves:
        iterations, *losses, best_iteration, finished = summary(curve)
        cells = "".join(f"{loss:>12.4g}" if loss != "" else f"{'-':>12}" for loss in losses)
        end = "" if finished == "yes" else "  not finished"
        lines.append(f"{curve.name:<12}{iterations:>12}{cells}{best_iteration:>9}{end}")
        lines += [f"  unusual: {remark}" for remark in remarks.get(curve.name, [])]
    return "\n".join(lines)


def file_stem(name):
    """Name of a network as part of a file name."""
    return re.sub(r"[^\w.-]+", "_", name)


def _last(losses):
    return float(losses[-1]) if len(losses) else ""


def _write(path, header, rows):
    with open_whole(path, newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
