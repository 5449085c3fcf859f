"""Errors by part of the face, for sets of points that have parts: by every normaliser, over faces, beside others."""
from typing import NamedTuple

import numpy as np

from deeplandmark.faces.metrics import (
    BOX_WIDTH,
    OUTER_CORNERS,
    PUPILS,
    area_under_curve,
    cumulative_curve,
    failure_rate,
    interocular_error,
    mean_error,
)
from deeplandmark.faces.points import IBUG_68
from deeplandmark.measuring.plotting import BLUE, GREEN, GREY, ORANGE, VERMILION, new_figure
from deeplandmark.measuring.results_of_others import ON_300W, OTHER_DATA

LIMITS = 0.08, 0.10          # of the distance of the outer eye corners: of failures, and as far as areas reach
ALL = "all"
_LABEL, _GAP = 22, 2         # characters
_WIDEST = 0.2                # of a curve
_LINES = ((BLUE, "-"), (ORANGE, "--"), (GREEN, "-."), (VERMILION, ":"), (GREY, "--"), (BLUE, ":"))


class Normalised(NamedTuple):
    """The last level's errors by one normaliser: its key in JSON, its name, float64 (n, k) fractions of it."""
    key: str
    name: str
    errors: np.ndarray

    @property
    def of_faces(self):
        """The mean over the visible points of each face, (n,)."""
        return mean_error(self.errors, axis=1)

    def mean(self, part):
        """The mean over faces of the mean over those points of a part that are visible; NaN where none is."""
        return mean_error(mean_error(self.errors[:, list(part)], axis=1), axis=0)


def has_parts(evaluation):
    """Whether the points have parts, of which a report can tell."""
    return bool(evaluation.points.parts)


def normalised(evaluation):
    """`Normalised` by the box's width and, as far as the points tell them, the outer eye corners and the pupils, which
    are the means of the points round an eye."""
    points = evaluation.points
    found = [Normalised("box_width", BOX_WIDTH, evaluation.errors[:, -1])]
    for key, name, eyes in (("outer_eye_corners", OUTER_CORNERS, points.outer_corners),
                            ("pupils", PUPILS, points.five[:2])):
        if eyes:
            eyes = [list(np.atleast_1d(eye)) for eye in eyes]
            found.append(Normalised(key, name, interocular_error(evaluation.predicted[:, -1], evaluation.truth, eyes)))
    return found


def parts_as_json(evaluation):
    """"parts": for each part and for all points their number and the mean error by each normaliser; "faces": shares of
    failures and areas under the curve by LIMITS; "others": their rows on 300W. Fractions; null where none is known."""
    measured = normalised(evaluation)
    parts = {name: {"points": len(part), **{each.key: _number(each.mean(part)) for each in measured}}
             for name, part in _parts(evaluation).items()}
    found = {"parts": parts}
    by_corners = _by_corners(measured)
    if by_corners is not None:
        errors = by_corners.of_faces
        found["faces"] = {"normaliser": by_corners.name, "n": int((~np.isnan(errors)).sum()), "limits": {
            f"{limit:g}": {"area_under_curve": _number(area_under_curve(errors, limit)),
                           "failure": _number(failure_rate(errors, limit))} for limit in LIMITS}}
    if evaluation.points == IBUG_68:
        found["others"] = [{"name": row.name, "data": OTHER_DATA, "normaliser": OUTER_CORNERS if row.normaliser_is_told
                            else None, **{key: round(getattr(row, key) / 100, 6) for key in row.SUBSETS}}
                           for row in ON_300W]
    return found


def parts_lines(evaluation):
    """Lines of text: the table by part, that over faces, and that of others."""
    measured = normalised(evaluation)
    heads = [each.name for each in measured]
    lines = ["", f"Level {evaluation.level_count} by part of the face, mean error in % of the", _line("", heads, heads)]
    for name, part in _parts(evaluation).items():
        cells = [_text(100 * each.mean(part), 2) for each in measured]
        lines.append(_line(f"{name} ({len(part)} points)", cells, heads))
    by_corners = _by_corners(measured)
    if by_corners is None:
        return lines
    errors = by_corners.of_faces
    heads = ("area under the curve", "failures, % of faces above")
    lines += ["", f"Faces by their mean error in % of the {by_corners.name} (n = {(~np.isnan(errors)).sum()})",
              _line("", heads, heads)]
    lines += [_line(f"up to {100 * limit:g} %", (_text(area_under_curve(errors, limit), 3),
                                                 _text(100 * failure_rate(errors, limit), 1)), heads)
              for limit in LIMITS]
    return lines + (_others(100 * np.float64(mean_error(errors))) if evaluation.points == IBUG_68 else [])


def draw_parts(evaluation):
    """A panel for each normaliser: the share of faces whose mean error over a part, and over all points, goes up to
    x %; by the outer eye corners with LIMITS, areas and failures. A figure; needs matplotlib."""
    measured = normalised(evaluation)
    figure, (axes,) = new_figure(1, len(measured), (5 * len(measured), 5), sharey=True)
    x = np.linspace(0, _WIDEST, 201)
    for axis, each in zip(axes, measured):
        for i, (name, part) in enumerate(_parts(evaluation).items()):
            errors = mean_error(each.errors[:, list(part)], axis=1)
            if np.isnan(errors).all():
                continue
            colour, dash = _LINES[i % len(_LINES)]
            style = {"color": "black", "linewidth": 2} if name == ALL else {"color": colour, "linestyle": dash}
            axis.plot(100 * x, 100 * cumulative_curve(errors, x), label=name, **style)
        axis.set(xlim=(0, 100 * _WIDEST), ylim=(0, 101), xlabel=f"mean error of a face, % of the {each.name}")
        axis.grid(color="#dddddd", linewidth=0.5)
        if each.key == "outer_eye_corners":
            _mark_limits(axis, each.of_faces)
    axes[0].set_ylabel("% of faces")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=8, fontsize=10)
    figure.suptitle(f"Share of {len(evaluation)} faces with a mean error up to x %, by part of the face", fontsize=11)
    return figure


def _mark_limits(axis, errors):
    lines = ["all points:   area  failures"]
    for limit in LIMITS:
        axis.axvline(100 * limit, color=VERMILION, linestyle="--", linewidth=1)
        lines.append(f"{100 * limit:.0f} %".ljust(12) + _text(area_under_curve(errors, limit), 3).rjust(6)
                     + (_text(100 * failure_rate(errors, limit), 1) + " %").rjust(10))
    axis.text(0.97, 0.05, "\n".join(lines), transform=axis.transAxes, ha="right", va="bottom", fontsize=8,
              family="monospace", bbox={"facecolor": "white", "edgecolor": "#cccccc", "alpha": 0.9})


def _others(ours):
    """Rows of others, whose pictures are not ours."""
    heads = ("common", "challenge", "full", "this list")
    rows = [("this model", ("-", "-", "-", _text(ours, 2)))]
    rows += [(f"{row.name}, {OTHER_DATA}" + ("" if row.normaliser_is_told else " *"),
              tuple(f"{getattr(row, key):.2f}" for key in row.SUBSETS) + ("-",)) for row in ON_300W]
    label = max(len(name) for name, _ in rows)
    sources = dict.fromkeys(row.source for row in ON_300W)
    return ["", f"Others on 300W, which is {OTHER_DATA}: mean error in % of the {OUTER_CORNERS}",
            _line("", heads, heads, label), *(_line(name, cells, heads, label) for name, cells in rows),
            *(f"  {source}" for source in sources), "* by which distance its errors are divided is told nowhere"]


def _parts(evaluation):
    return {**evaluation.points.parts, ALL: tuple(range(len(evaluation.points)))}


def _by_corners(measured):
    return next((each for each in measured if each.key == "outer_eye_corners"), None)


def _line(label, cells, heads, width=_LABEL):
    return label.ljust(width) + "".join(cell.rjust(max(len(head), 9) + _GAP) for cell, head in zip(cells, heads))


def _text(value, digits):
    return "-" if np.isnan(value) else f"{value:.{digits}f}"


def _number(value):
    return None if np.isnan(value) else float(value)
