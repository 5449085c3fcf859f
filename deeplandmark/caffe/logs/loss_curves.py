"""Loss curves of a folder of training logs. `loss_remarks` judges them, `loss_tables` and `loss_plots` show them."""

import glob
import os
import re
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from deeplandmark.caffe.errors import CaffeError, FileFormatError
from deeplandmark.caffe.logs.parse_log import parse_log

ERROR, ERROR_PERCENT = "error", "error_percent"     # test outputs that are shown beside the losses
TRAINING_LOSS = "training loss"
_NAME = re.compile(r"(?P<level>\d+)_(?P<point>[A-Za-z]+)(?P<number>\d*)$")


class Series(NamedTuple):
    """Values over iterations: two arrays of equal length (n,), possibly empty."""

    iters: np.ndarray
    values: np.ndarray

    @property
    def last(self):
        """The last value, or None."""
        return float(self.values[-1]) if len(self.values) else None


@dataclass
class LossCurve:
    """What the log of one network says of its losses, each a Series.

    Attributes
    ----------
    train_loss, smoothed_loss : Series
        Training loss of one batch, and the displayed one, a mean over average_loss iterations.
    test_loss : Series
        Mean over test_iter batches of a test output that is computed as the training loss is; empty where there is
        none, so that whatever is here can be compared with the training loss.
    error, error_percent : Series
        Test outputs in other measures: `error`, and `error_percent`, which is in %.
    error_name : str
        What the log calls `error`: another name where a log has nothing else to show.
    finished : bool
    """

    name: str
    train_loss: Series
    smoothed_loss: Series
    test_loss: Series
    error: Series
    error_percent: Series
    error_name: str
    finished: bool

    @property
    def family(self):
        """(level, point) for a name such as `2_LE1`; (None, name) for one that does not follow the pattern."""
        match = _NAME.match(os.path.basename(self.name))
        return (match["level"], match["point"]) if match else (None, self.name)

    @property
    def judged(self):
        """(what it is, Series) of that by which the network is judged: test loss, else error, else training loss."""
        choices = [("test loss", self.test_loss), ("test error in %", self.error_percent), ("test error", self.error)]
        if self.error_name != ERROR:                             # accuracies are better when they are larger
            choices.pop()
        return next(((what, series) for what, series in choices if len(series.iters)),
                    (TRAINING_LOSS, self.smoothed_loss))

    @property
    def shown_error(self):
        """(is it in %, Series) of the error that is shown beside the losses, which may be empty."""
        return (True, self.error_percent) if len(self.error_percent.iters) else (False, self.error)

    @property
    def last_iter(self):
        ends = (series.iters[-1:] for series in (self.smoothed_loss, self.test_loss, self.error, self.error_percent))
        return int(max([0, *np.concatenate(list(ends))]))


def read_curve(path, name=None):
    """LossCurve of one log, Caffe's or ours; FileFormatError when it is not one."""
    log = parse_log(path)
    loss = _training_loss(log)
    outputs = log.names("test")
    same = [output for output in outputs if _same_measure(log, loss, output)]
    test_loss = loss if loss in same else same[0] if same else ""
    others = [output for output in outputs if output not in (test_loss, ERROR_PERCENT)]
    error = ERROR if ERROR in others or test_loss or ERROR_PERCENT in outputs or not others else others[0]
    return LossCurve(name or os.path.splitext(os.path.basename(path))[0], Series(*log.column("train", loss)),
                     Series(*log.column("train", "smoothed_loss")), Series(*log.column("test", test_loss)),
                     Series(*log.column("test", error if error in others else "")),
                     Series(*log.column("test", ERROR_PERCENT)), error, log.finished)


def _training_loss(log):
    """The output of the training net that is the loss: one called `loss` or `error`, else the first."""
    names = log.names("train")
    return next((name for name in ("loss", ERROR) if name in names), names[0] if names else "loss")


def _same_measure(log, train, test):
    """Whether two outputs are computed alike: by what the log tells of their layers, else by their names."""
    known = log.measures.get(("train", train)), log.measures.get(("test", test))
    return train == test if None in known else known[0] == known[1]


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


def file_stem(name):
    """Name of a network as part of a file name."""
    return re.sub(r"[^\w.-]+", "_", name)
