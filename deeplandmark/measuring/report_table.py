"""The table of an evaluation as text."""
from dataclasses import dataclass, replace

import numpy as np

from deeplandmark.faces.metrics import BOX_WIDTH, FAILURE, INTEROCULAR_FAILURE, PUPILS, failure_rate, mean_error
from deeplandmark.measuring.report_parts import has_parts, parts_lines
from deeplandmark.measuring.report_pixels import pixels_lines
from deeplandmark.measuring.results_of_others import ORIGINAL, PAPER, READ_OFF, ROWS, VALIDATION_FACES

REJECTED = 0.05           # share of the faces whose rejection the report speaks of
_LABEL, _COLUMN = 26, 14  # characters
_MOST_COLUMNS = 5         # points that have a column each
_POSES = "by tilt in degrees and by turn of the nose in eye distances"


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
    """As `summaries`, in distances of the pupils."""
    return _summaries(evaluation.first_interocular_errors, evaluation.interocular_errors, INTEROCULAR_FAILURE)


def table(evaluation, title=""):
    """The text: this model beside the original and the paper, with the other normaliser, by part of the face, on
    subsets, by pose, how true its confidence is, and the time."""
    lines = [title] if title else []
    lines += [f"n = {len(evaluation)} faces", *_offsets(evaluation), "",
              f"Mean error in % of the {BOX_WIDTH}; in brackets failures, % of faces above {100 * FAILURE:g} %",
              *_rows(summaries(evaluation), evaluation.names)]
    if evaluation.is_usual:
        lines += _published_rows() + [""] + _notes(evaluation) + _interocular(evaluation)
    if has_parts(evaluation):
        lines += parts_lines(evaluation) + pixels_lines(evaluation)
    lines += _parts(evaluation, evaluation.subsets, "on each folder of pictures")
    lines += _parts(evaluation, evaluation.poses, _POSES) + _confidence(evaluation) + [
        "", f"{evaluation.ms_per_face:.1f} ms per face, mean of one face at a time, without decoding the picture"]
    if evaluation.looks is not None and evaluation.looks.max() > 1:
        lines.append(f"{evaluation.looks.mean():.2f} looks a face; {100 * (evaluation.looks > 1).mean():.1f} % of the "
                     "faces were looked at again")
    if evaluation.problems:
        lines.append(f"{len(evaluation.problems)} bad lines of the list skipped; first: {evaluation.problems[0]}")
    return "\n".join(lines) + "\n"


def _summaries(first_errors, errors, threshold):
    rows = [] if first_errors is None else [_summary("F alone", first_errors, threshold)]
    return rows + [_summary(f"level {i + 1}", errors[:, i], threshold) for i in range(errors.shape[1])]


def _summary(name, errors, threshold):
    # Points that are not visible have no error, nor has any where the two eyes are one point, by that normaliser.
    return Summary(name, mean_error(errors), failure_rate(errors, threshold))


def _rows(found, names, prefix="this model, "):
    if len(names) > _MOST_COLUMNS:  # the table would be too wide
        return ["".ljust(_LABEL) + "mean".rjust(_COLUMN),
                *(_row(prefix + row.name, [], [], 100 * mean_error(row.mean), 100 * mean_error(row.failure))
                  for row in found)]
    heads = [name.replace(" corner", "")[:_COLUMN - 1] for name in names] + ["mean"]
    return ["".ljust(_LABEL) + "".join(head.rjust(_COLUMN) for head in heads),
            *(_row(prefix + row.name, 100 * row.mean, 100 * row.failure, 100 * mean_error(row.mean),
                   100 * mean_error(row.failure)) for row in found)]


def _published_rows():
    return [_row(row.name + ("" if row.measured else " *"), row.mean, row.failure, row.mean_of_all, row.failure_of_all)
            for row in ROWS]


def _row(name, mean, failure, mean_of_all, failure_of_all):
    cells = [_cell(*pair) for pair in zip([*mean, mean_of_all], [*failure, failure_of_all])]
    return name.ljust(_LABEL) + "".join(cell.rjust(_COLUMN) for cell in cells)


def _cell(mean, failure):
    return "-" if np.isnan(mean) else f"{mean:.2f} ({failure:.1f})"


def _notes(evaluation):
    notes = [f"original: {ORIGINAL}", f"* {PAPER};", f"  read off the figure, +-{READ_OFF:g}"]
    if len(evaluation) + len(evaluation.problems) != VALIDATION_FACES:
        notes.append(f"Both hold for the paper's {VALIDATION_FACES} validation pictures, not for this run's faces.")
    return notes


def _offsets(evaluation):
    """What was taken off predictions, and why."""
    if evaluation.offsets is None:
        return []
    of = evaluation.made_of
    heads = [name.replace(" corner", "")[:_COLUMN - 1] for name in evaluation.names]
    return ["", f"The five points are made of the model's {len(of)}. An eye's middle is no pupil: what differs by "
                "definition, the", f"median over this list of each point's offset in % of the {BOX_WIDTH}, is taken "
                "off first:", "".ljust(_LABEL) + "".join(head.rjust(_COLUMN) for head in heads),
            *(name.ljust(_LABEL) + "".join(("-" if np.isnan(value) else f"{100 * value:+.2f}").rjust(_COLUMN)
                                            for value in values)
              for name, values in zip(("to the right", "down"), evaluation.offsets.T))]


def _interocular(evaluation):
    return ["", f"The same in % of the {PUPILS}; in brackets failures, "
                f"% of faces above {100 * INTEROCULAR_FAILURE:g} %",
            *_rows(interocular_summaries(evaluation), evaluation.names)]


def _parts(evaluation, parts, which):
    """The last level on each part of the list, {name: Evaluation}."""
    if not parts:
        return []
    rows = [replace(summaries(part)[-1], name=f"{_short(name)} (n = {len(part)})") for name, part in parts.items()]
    return ["", f"Level {evaluation.level_count} {which}, in % of the {BOX_WIDTH}",
            *_rows(rows, evaluation.names, prefix="")]


def _confidence(evaluation):
    found = evaluation.reliability
    if found is None:
        return []
    failures, kept = 100 * evaluation.rejection([0.0, REJECTED])
    mean, right = (np.average(values, weights=found.count) for values in (found.confidence, found.right))
    return ["", f"Confidence, the probability that a point lies within {100 * FAILURE:g} % of the {BOX_WIDTH}:",
            f"{mean:.3f} on average, true of {right:.3f}; expected calibration error "
            f"{found.expected_calibration_error:.4f}.",
            f"Failures: {failures:.2f} % of all points, {kept:.2f} % without the {100 * REJECTED:g} % least confident "
            "faces."]


def _short(name, most=14):
    return name if len(name) <= most else name[:most - 2] + ".."
