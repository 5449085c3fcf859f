"""The report of an evaluation: the table as text and as JSON, and the folder `result/` with its pictures."""
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deeplandmark.cascade.metrics import BOX_WIDTH, FAILURE, INTEROCULAR, INTEROCULAR_FAILURE, failure_rate
from deeplandmark.cascade.published import ORIGINAL, PAPER, READ_OFF, ROWS, VALIDATION_FACES
from deeplandmark.faces import POINT_NAMES

_LABEL, _COLUMN = 26, 14  # characters


@dataclass(frozen=True)
class Summary:
    """Mean error (k,) and share of failures (k,) of one level, both as fractions of one normaliser."""
    name: str
    mean: np.ndarray
    failure: np.ndarray


def summaries(evaluation):
    """A Summary of F alone (where known) and of every level, in box widths."""
    return _summaries(evaluation.first_errors, evaluation.errors, FAILURE)


def interocular_summaries(evaluation):
    """As `summaries`, in distances between the eyes."""
    return _summaries(evaluation.first_interocular_errors, evaluation.interocular_errors, INTEROCULAR_FAILURE)


def as_json(evaluation):
    """{"n": faces, "levels": {"1": {"mean": [k], "failure": [k]}, ...}, "ms_per_face": x}; fractions of the box width.
    Network F alone is no level and stands in the text only."""
    levels = {str(i): {"mean": level.mean.tolist(), "failure": level.failure.tolist()}
              for i, level in enumerate(_summaries(None, evaluation.errors, FAILURE), 1)}
    return {"n": len(evaluation), "levels": levels, "ms_per_face": evaluation.ms_per_face}


def table(evaluation, title=""):
    """The text: this cascade beside the original and the paper, then with the other normaliser, then the time."""
    points = evaluation.truth.shape[1]
    lines = [title] if title else []
    lines += [f"n = {len(evaluation)} faces", "",
              f"Mean error in % of the {BOX_WIDTH}; in brackets failures, % of faces above {100 * FAILURE:g} %",
              *_rows(summaries(evaluation), points)]
    if points == len(POINT_NAMES):
        lines += _published_rows() + [""] + _notes(evaluation)
    lines += ["", f"The same in % of the {INTEROCULAR}; in brackets failures, "
                  f"% of faces above {100 * INTEROCULAR_FAILURE:g} %",
              *_rows(interocular_summaries(evaluation), points), "",
              f"{evaluation.ms_per_face:.1f} ms per face, mean of one face at a time, without decoding the picture"]
    if evaluation.problems:
        lines.append(f"{len(evaluation.problems)} bad lines of the list skipped; first: {evaluation.problems[0]}")
    return "\n".join(lines) + "\n"


def save_json(evaluation, file):
    """Writes `as_json` to a file, which appears only when whole."""
    _write(Path(file), json.dumps(as_json(evaluation), indent=1, allow_nan=False) + "\n")


def save_report(evaluation, folder, title=""):
    """Writes table.txt, table.json, histograms.png, cumulative.png, samples.png and worst.png into `folder`, which is
    made. Returns their paths. Needs matplotlib."""
    from deeplandmark.cascade import report_curves, report_faces

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "table.txt", table(evaluation, title))
    save_json(evaluation, folder / "table.json")
    report_curves.draw_histograms(evaluation, folder / "histograms.png")
    report_curves.draw_cumulative(evaluation, folder / "cumulative.png")
    report_faces.draw_samples(evaluation, folder / "samples.png")
    report_faces.draw_worst(evaluation, folder / "worst.png")
    return [folder / name for name in ("table.txt", "table.json", "histograms.png", "cumulative.png", "samples.png",
                                       "worst.png")]


def point_names(count):
    """Names for `count` points; points 1, 2, ... when they are not the usual five."""
    return POINT_NAMES if count == len(POINT_NAMES) else tuple(f"point {i + 1}" for i in range(count))


def _summaries(first_errors, errors, threshold):
    rows = [] if first_errors is None else [_summary("F alone", first_errors, threshold)]
    return rows + [_summary(f"level {i + 1}", errors[:, i], threshold) for i in range(errors.shape[1])]


def _summary(name, errors, threshold):
    # Faces whose two eyes are one point have no inter-ocular error; with the box width every error is a number.
    known = errors[~np.isnan(errors).any(axis=1)]
    if not len(known):
        return Summary(name, np.full(errors.shape[1], np.nan), np.full(errors.shape[1], np.nan))
    return Summary(name, known.mean(axis=0), failure_rate(known, threshold))


def _rows(found, points):
    if points > len(POINT_NAMES):  # the table would be too wide
        return ["".ljust(_LABEL) + "mean".rjust(_COLUMN),
                *(_row(f"this cascade, {row.name}", [], [], 100 * row.mean.mean(), 100 * row.failure.mean())
                  for row in found)]
    heads = [name.replace(" corner", "") for name in point_names(points)] + ["mean"]
    return ["".ljust(_LABEL) + "".join(head.rjust(_COLUMN) for head in heads),
            *(_row(f"this cascade, {row.name}", 100 * row.mean, 100 * row.failure, 100 * row.mean.mean(),
                   100 * row.failure.mean()) for row in found)]


def _published_rows():
    return [_row(row.name + ("" if row.measured else " *"), row.mean, row.failure, row.mean_of_all, row.failure_of_all)
            for row in ROWS]


def _row(name, mean, failure, mean_of_all, failure_of_all):
    cells = [_cell(*pair) for pair in zip([*mean, mean_of_all], [*failure, failure_of_all])]
    return name.ljust(_LABEL) + "".join(cell.rjust(_COLUMN) for cell in cells)


def _cell(mean, failure):
    return f"{mean:.2f} ({failure:.1f})"


def _notes(evaluation):
    notes = [f"original: {ORIGINAL}", f"* {PAPER};", f"  read off the figure, +-{READ_OFF:g}"]
    if len(evaluation) + len(evaluation.problems) != VALIDATION_FACES:
        notes.append(f"Both hold for the paper's {VALIDATION_FACES} validation pictures, not for this run's faces.")
    return notes


def _write(file, text):
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}.part")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, file)
