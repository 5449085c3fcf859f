"""Reads training logs, Caffe's and ours, into arrays; `deeplandmark caffe parse_log LOG OUT_DIR` writes CSV.

A log may hold several runs appended to one another: where a run goes on from an earlier iteration, what the run before
it had logged from there on is superseded. A line cut short by a kill is left out.
"""

import bisect
import csv
import os
import re
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

import numpy as np

from deeplandmark.caffe.errors import FileFormatError, PrototxtError
from deeplandmark.caffe.files.prototxt import parse_text
from deeplandmark.caffe.proto import caffe_pb2
from deeplandmark.work.whole_file import open_whole

_HEADER = re.compile(r"[IWEF](\d{8}|\d{4}) (\d\d):(\d\d):(\d\d\.\d+) +\d+ [\w.]+:\d+\] ")
_RUN = re.compile(r"\] Solving ")
_ITERATION = re.compile(r"Iteration (\d{1,15})(?!\d)")     # a longer one is a damaged line
_DISPLAY = re.compile(r"Iteration \d+(?:(?!Iteration).)*?, loss = (\S+)")     # goes through a line once
_RATE = re.compile(r"Iteration \d+, lr = (\S+)")
_OUTPUT = re.compile(r"(Train|Test) net output #(\d+): (\S+) = (\S+)")
_TEST_NET = re.compile(r"Testing net \(#(\d+)\)")
_NET = "Initializing net from parameters:"
_OF_PLACE = ("name", "bottom", "top", "include", "exclude", "loss_weight", "propagate_down", "phase")


@dataclass
class TrainingLog:
    """What a log holds, iteration by iteration.

    train, test : list of dict, in the order of iterations
        `NumIters`, `Seconds` (of training so far, pauses between runs left out), `LearningRate`, and each output of
        the net under its name. Train rows also have `smoothed_loss`, the displayed loss. A name that occurs several
        times (a vector top) gets a number: `prob`, `prob_1`, ... Outputs of a second test net begin with `net1_`.
    finished : bool
        Whether `Optimization Done.` follows the last iteration.
    measures : dict of ("train" or "test", name) -> str
        What the layer computes that has this top, type and settings, where the log tells the nets' definitions. Two
        outputs can be compared where the texts are equal.
    """

    train: list = field(default_factory=list)
    test: list = field(default_factory=list)
    finished: bool = False
    measures: dict = field(default_factory=dict)

    def column(self, phase, name):
        """(iterations, values) of one column of `train` or `test` as two arrays, rows without it left out."""
        rows = [row for row in getattr(self, phase) if name in row]
        return (np.array([row["NumIters"] for row in rows], int), np.array([row[name] for row in rows], float))

    def names(self, phase):
        """Names of the outputs in `train` or `test`, in the order of their first occurrence."""
        plain = ("NumIters", "Seconds", "LearningRate", "smoothed_loss")
        return list(dict.fromkeys(name for row in getattr(self, phase) for name in row if name not in plain))


def parse_log(path):
    """Read the log at `path` into a TrainingLog. FileFormatError when it cannot be read or holds no iteration."""
    try:
        with open(path, encoding="utf-8", errors="replace", newline="") as file:
            text = file.read()
    except OSError as error:
        raise FileFormatError(f"{path}: {error.strerror}") from None
    reader = _Reader()
    for line in _whole_lines(text):
        reader.read(line)
    log = reader.result()
    if not log.train and not log.test:
        raise FileFormatError(f"{path}: no iteration found, is it a training log?")
    return log


def _whole_lines(text):
    """Lines that were written to their end: the last one counts only with its newline, and one that another header
    interrupts (a run was killed and the next one appended) gives just what follows that header."""
    lines = text.split("\n")
    for line in lines[:-1]:
        headers = [match.start() for match in _HEADER.finditer(line)]
        yield line[headers[-1]:] if headers else line


class _Reader:
    """Takes the lines of a log one by one."""

    def __init__(self):
        self._rows = {"Train": {}, "Test": {}}
        self._rates = {}
        self._iteration, self._now = None, None
        self._fresh_run = True
        self._run_start, self._seconds_before, self._seconds = None, 0.0, 0.0
        self._test_net, self._filled = 0, set()
        self._finished = False
        self._net, self._measures = None, {}

    def read(self, line):
        header = _HEADER.match(line)
        if self._net is not None and not header:
            self._net.append(line)
            return
        self._end_net()
        self._read_time(header)
        if header and _NET in line:
            self._net = []
        iteration = _ITERATION.search(line)
        if _RUN.search(line):
            self._begin_run()
        elif "Optimization Done." in line:
            self._finished = True
        elif output := _OUTPUT.search(line):
            self._read_output(*output.groups())
        elif iteration:
            self._read_iteration(int(iteration.group(1)), line)

    def result(self):
        train, test = ([rows[i] for i in sorted(rows)] for rows in self._rows.values())
        rate_at = self._rates_by_iteration()
        for row in train + test:
            row["LearningRate"] = rate_at(row["NumIters"])
        return TrainingLog(train, test, self._finished, self._measures)

    def _rates_by_iteration(self):
        """Callable iteration -> rate; where none was logged (a test between displays, the end), the last before it."""
        known = sorted(self._rates)

        def rate_at(iteration):
            place = bisect.bisect_right(known, iteration)
            return self._rates[known[place - 1]] if place else float("nan")
        return rate_at

    def _end_net(self):
        """Takes the definition of a net that has been read; one that was cut short says nothing."""
        if self._net is None:
            return
        lines, self._net = self._net, None
        try:
            net = parse_text("\n".join(lines), caffe_pb2.NetParameter())
        except PrototxtError:
            return
        phase = "test" if net.state.phase == caffe_pb2.TEST else "train"
        if phase == "train":
            self._measures = {}                                  # a run begins with its training net
        for layer in net.layer:
            for top in layer.top:
                self._measures.setdefault((phase, top), _measure(layer))

    def _begin_run(self):
        self._fresh_run = True
        self._seconds_before, self._run_start = self._seconds, self._now

    def _read_time(self, header):
        self._now = (_time_of(header) if header else None) or self._now
        if self._now and self._run_start:
            self._seconds = self._seconds_before + max(0.0, (self._now - self._run_start).total_seconds())

    def _read_iteration(self, iteration, line):
        if self._fresh_run or (self._iteration is not None and iteration < self._iteration):
            self._drop_from(iteration)
        self._fresh_run, self._finished = False, False
        self._iteration = iteration
        if tested := _TEST_NET.search(line):
            self._test_net = int(tested.group(1))
            self._filled.clear()
        elif display := _DISPLAY.search(line):
            self._filled.clear()
            _set_number(self._row("Train"), "smoothed_loss", display.group(1))
        elif rate := _RATE.search(line):
            _set_number(self._rates, iteration, rate.group(1))

    def _drop_from(self, iteration):
        for rows in (*self._rows.values(), self._rates):
            while rows and next(reversed(rows)) >= iteration:    # they lie in the order of their iterations
                rows.popitem()

    def _read_output(self, phase, index, name, value):
        if self._iteration is None:
            return
        name = f"net{self._test_net}_{name}" if phase == "Test" and self._test_net else name
        unique, count = name, 0
        while unique in self._filled:
            count += 1
            unique = f"{name}_{count}"
        self._filled.add(unique)
        _set_number(self._row(phase), unique, value)

    def _row(self, phase):
        empty = {"NumIters": self._iteration, "Seconds": self._seconds, "LearningRate": float("nan")}
        return self._rows[phase].setdefault(self._iteration, empty)


def _measure(layer):
    """Type and settings of a LayerParameter as text, without its name and place in the net."""
    settings = type(layer)()
    settings.CopyFrom(layer)
    for name in _OF_PLACE:
        settings.ClearField(name)
    return str(settings)


def _set_number(row, key, text):
    try:
        row[key] = float(text)
    except ValueError:
        pass  # a damaged line says nothing


def _time_of(header):
    """datetime of a header; old glog leaves out the year, where any will do because only differences count."""
    day, hour, minute, second = header.groups()
    date = _date_of(day)
    try:
        return date and date.replace(hour=int(hour), minute=int(minute), second=int(float(second)),
                                     microsecond=round(float(second) % 1 * 1e6) % 1000000)
    except ValueError:                                           # 99 seconds: a damaged line says nothing
        return None


@lru_cache(maxsize=1000)
def _date_of(day):
    """datetime of yyyymmdd or mmdd, None for a day that does not exist: a log has few days and many lines."""
    try:
        return datetime.strptime(day if len(day) == 8 else f"2020{day}", "%Y%m%d")
    except ValueError:
        return None


def write_csv(log, out_dir, stem, delimiter=","):
    """Write `<stem>.train` and `<stem>.test` as Caffe's parse_log.py does; returns the two paths."""
    os.makedirs(out_dir, exist_ok=True)
    paths = []
    for phase in ("train", "test"):
        path = os.path.join(out_dir, f"{stem}.{phase}")
        names = log.names(phase)
        columns = ["NumIters", "Seconds", "LearningRate", *names]
        with open_whole(path, newline="") as file:
            writer = csv.DictWriter(file, columns, delimiter=delimiter, extrasaction="ignore", lineterminator="\n")
            writer.writeheader()
            writer.writerows(row for row in getattr(log, phase) if any(name in row for name in names))
        paths.append(path)
    return paths
