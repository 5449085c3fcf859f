"""Error histograms and cumulative error curves of an evaluation (needs matplotlib).

The functions return figures; errors are fractions of the width of the face box, drawn in per cent.
"""
import numpy as np

from deeplandmark.faces.metrics import BOX_WIDTH, FAILURE, cumulative_curve, failure_rate, mean_error
from deeplandmark.measuring.plotting import BLUE, GREEN, GREY, ORANGE, VERMILION, new_figure
from deeplandmark.measuring.results_of_others import VALIDATION_FACES, row

_FIRST, _LEVELS, _LIMIT = GREY, (ORANGE, BLUE, GREEN), VERMILION
_FIRST_DASH, _DASHES = ":", ("--", "-.", "-")  # curves differ in more than their colours
_MARKERS = {"original": "s", "paper": "D"}
_WIDEST = 10.0   # per cent; what lies beyond is counted in the last bar
_MOST_POINTS = 8  # more are drawn as their mean only


def draw_histograms(evaluation):
    """One row a level, one column a point: how many faces have which error."""
    errors = 100 * evaluation.errors
    names = evaluation.names
    if errors.shape[2] > _MOST_POINTS:
        errors, names = mean_error(errors, axis=2)[..., None], ("mean of all points",)
    levels, columns = errors.shape[1:]
    figure, axes = new_figure(levels, columns, (2.7 * columns + 0.6, 2.3 * levels + 0.8), sharey="row")
    for i in range(levels):
        for j, name in enumerate(names):
            _histogram(axes[i][j], errors[:, i, j], f"level {i + 1}, {name}", _LEVELS[i % 3])
        axes[i][0].set_ylabel("faces")
    for axis in axes[-1]:
        axis.set_xlabel("error, % of box width")
    figure.suptitle(f"Errors of {len(evaluation)} faces in % of the {BOX_WIDTH}; dashed: the limit of a failure, "
                    f"{100 * FAILURE:g} %; last bar: {_WIDEST:g} % and more", fontsize=11, wrap=True)
    return figure


def draw_cumulative(evaluation):
    """One panel for all points together and one for each point: the share of faces up to each error, at every level,
    with the shares of the original and the paper at the limit of a failure as text."""
    names = evaluation.names
    panels = [("all points", slice(None), None)]
    if len(names) <= _MOST_POINTS:
        panels += [(name, slice(j, j + 1), j) for j, name in enumerate(names)]
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure, axes = new_figure(rows, columns, (4.4 * columns, 3.7 * rows + 0.9))
    for axis, (name, points, j) in zip(axes.ravel(), panels):
        _cumulative(axis, evaluation, points)
        axis.set_title(name, fontsize=11)
        if evaluation.is_usual:
            _published_text(axis, evaluation, points, j)
            _published_marks(axis, evaluation.level_count, j)
    for axis in axes.ravel()[len(panels):]:
        axis.set_axis_off()
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=7, fontsize=10)
    title = f"Share of {len(evaluation)} faces with an error up to x % of the {BOX_WIDTH}"
    if evaluation.is_usual:
        title += (f"; in the frames the share up to {100 * FAILURE:g} %,\nbeside the original's and the paper's on the "
                  f"paper's {VALIDATION_FACES} validation pictures")
    figure.suptitle(title, fontsize=11)
    return figure


def _histogram(axis, errors, title, colour):
    bins = np.linspace(0, _WIDEST, 41)
    errors = errors[~np.isnan(errors)]
    axis.hist(np.minimum(errors, _WIDEST - 1e-9), bins=bins, color=colour)
    axis.axvline(100 * FAILURE, color=_LIMIT, linestyle="--", linewidth=1)
    axis.set_title(title, fontsize=10)
    text = f"mean {errors.mean():.2f} %\nfailures {100 * failure_rate(errors / 100):.1f} %"
    axis.text(0.97, 0.95, text, transform=axis.transAxes, ha="right", va="top", fontsize=9)
    axis.set_xlim(0, _WIDEST)
    axis.tick_params(labelsize=8)


def _cumulative(axis, evaluation, points):
    x = np.linspace(0, _WIDEST, 201)
    if evaluation.first_errors is not None:
        axis.plot(x, 100 * cumulative_curve(evaluation.first_errors[:, points], x / 100), color=_FIRST,
                  linestyle=_FIRST_DASH, label="network F alone")
    for i in range(evaluation.level_count):
        axis.plot(x, 100 * cumulative_curve(evaluation.errors[:, i, points], x / 100), color=_LEVELS[i % 3],
                  linestyle=_DASHES[i % 3], label=f"level {i + 1}")
    axis.axvline(100 * FAILURE, color=_LIMIT, linestyle="--", linewidth=1, label="limit of a failure")
    axis.set(xlim=(0, _WIDEST), ylim=(0, 101), xlabel="error, % of box width", ylabel="% of faces")
    axis.grid(color="#dddddd", linewidth=0.5)


def _published_text(axis, evaluation, points, j):
    """A small table in the panel's empty corner: the share of faces up to the limit of a failure."""
    lines = [f"up to {100 * FAILURE:g} %:   ours   orig.   paper"]
    ours = [("F", evaluation.first_errors, 0)] + [(f"level {i + 1}", evaluation.errors[:, i], i + 1)
                                                  for i in range(evaluation.level_count)]
    for name, errors, level in ours:
        share = np.nan if errors is None else 100 * (1 - failure_rate(errors[:, points], axis=None))
        cells = [share, _published_share("original", max(level, 1), j), _published_share("paper", level, j)]
        if name == "level 1" and evaluation.first_errors is not None:
            cells[1] = None  # the original's level 1 is its F alone
        lines.append(name.ljust(8) + "".join(_share_text(cell) for cell in cells))
    axis.text(0.97, 0.05, "\n".join(lines), transform=axis.transAxes, ha="right", va="bottom", fontsize=8,
              family="monospace", bbox={"facecolor": "white", "edgecolor": "#cccccc", "alpha": 0.9})


def _published_marks(axis, level, j):
    """The original's and the paper's share at the limit of a failure, at the level this cascade ends with."""
    for who, marker in _MARKERS.items():
        share = _published_share(who, level, j)
        if share is not None:
            axis.plot(100 * FAILURE, share, marker, color=_LIMIT, markerfacecolor="white", linestyle="none", zorder=3,
                      label=f"{who}, level {level}")


def _share_text(share):
    return "-".rjust(8) if share is None or np.isnan(share) else f"{share:.1f}".rjust(8)


def _published_share(who, level, j):
    found = row(who, level)
    if found is None:
        return None
    return 100 - (found.failure_of_all if j is None else found.failure[j])
