"""The report of a `Robustness`: text, JSON, and a chart (needs matplotlib)."""
import json
from itertools import groupby
from pathlib import Path

from deeplandmark.faces.metrics import BOX_WIDTH, FAILURE
from deeplandmark.measuring.plotting import BLUE, VERMILION, new_figure, save_figure
from deeplandmark.work.whole_file import write_text

_LABEL, _COLUMN, _PANELS = 20, 14, 5


def table(found, title=""):
    """The text: a row a change."""
    heads = ("strength", "error (fail.)", "confidence")
    lines = [*([title] if title else []), f"n = {found.errors.shape[1]} faces, each changed in one way at a time", "",
             f"Mean error in % of the {BOX_WIDTH}; in brackets failures, % of points above {100 * FAILURE:g} %; "
             "mean confidence", "".ljust(_LABEL) + "".join(head.rjust(_COLUMN) for head in heads)]
    for kind, rows in groupby(found.rows, lambda row: row[0].kind):
        for i, (change, error, failure, confidence) in enumerate(rows):
            cells = f"{change.strength}", f"{100 * error:.2f} ({100 * failure:.1f})", f"{confidence:.3f}"
            lines.append(("" if i else kind).ljust(_LABEL) + "".join(cell.rjust(_COLUMN) for cell in cells))
    if found.problems:
        lines.append(f"{len(found.problems)} bad lines of the list skipped; first: {found.problems[0]}")
    return "\n".join(lines) + "\n"


def as_json(found):
    """{"n": faces, "changes": [{"kind", "strength", "mean", "failure", "confidence"}, ...]}, errors as fractions of the
    box width."""
    return {"n": found.errors.shape[1],
            "changes": [{"kind": change.kind, "strength": change.strength, "mean": error, "failure": failure,
                         "confidence": confidence} for change, error, failure, confidence in found.rows]}


def save_json(found, file):
    """Writes `as_json` to a file, which appears only when whole."""
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    write_text(file, json.dumps(as_json(found), indent=1) + "\n")


def save_report(found, folder, title=""):
    """Writes robustness.txt, .json, .png and .svg into `folder`, which is made. Needs matplotlib."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "robustness.txt", table(found, title))
    save_json(found, folder / "robustness.json")
    figure = draw(found, title)
    save_figure(figure, folder / "robustness.png")
    save_figure(figure, folder / "robustness.svg")


def draw(found, title=""):
    """A figure with a panel for each kind of change: failures at each strength, as bars, and mean errors above them;
    the line is the face as it is."""
    rows = list(found.rows)
    kinds = [(kind, list(part)) for kind, part in groupby(rows[1:], lambda row: row[0].kind)]
    count = -(-len(kinds) // _PANELS)
    figure, axes = new_figure(count, _PANELS, (3.2 * _PANELS, 3.2 * count + 0.6), sharey=True)
    for axis, (kind, part) in zip(axes.ravel(), kinds):
        strengths = [f"{change.strength}" for change, *_ in part]
        bars = axis.bar(strengths, [max(100 * failure, 0.05) for _, _, failure, _ in part], color=BLUE)
        axis.bar_label(bars, [f"{100 * error:.2f}" for _, error, _, _ in part], fontsize=8)
        axis.axhline(100 * rows[0][2], color=VERMILION, linestyle="--", linewidth=1)
        axis.set(title=kind, yscale="log", ylim=(0.05, 250))
    for axis in axes.ravel()[len(kinds):]:
        axis.set_axis_off()
    for axis in axes[:, 0]:
        axis.set_ylabel(f"points above {100 * FAILURE:g} %, %")
    figure.suptitle(f"{title}: failures of {found.errors.shape[1]} faces, each changed in one way at a time; numbers: "
                    f"mean error in % of the {BOX_WIDTH}; dashed: failures of the faces as they are", fontsize=11,
                    wrap=True)
    return figure
