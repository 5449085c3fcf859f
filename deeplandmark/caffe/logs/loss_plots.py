"""Pictures of loss curves: one for each network and one sheet with all of them.

The losses of training and test stand in one panel where they are the same measure; the error has a panel of its own.
"""

import os
from itertools import groupby

import numpy as np

from deeplandmark.caffe.logs.loss_curves import file_stem
from deeplandmark.caffe.logs.loss_tables import error_text
from deeplandmark.work.whole_file import WholeFile

# Okabe and Ito's colours, told apart with any colour vision; the curves also differ in width and markers.
TRAIN_COLOUR, SMOOTHED_COLOUR, TEST_COLOUR, ERROR_COLOUR = "#9ecae1", "#0072B2", "#D55E00", "#009E73"
ALARM_COLOUR = "#CC79A7"
COLUMNS = 5             # of the sheet
START = 0.02            # of a run: the first losses, which may lie above the frame, for the sake of all others
SHEET_COLOURS = 64      # of the sheet as PNG: small enough to be published with the weights
LOSS_TO_ERROR = (2, 1)  # heights of the panels
# Digits that are written at a log axis: the first of these that are enough.
MOST_TICKS = 6
TICKS = (1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 8), np.arange(10, 100) / 10
_HEADING = 11.0     # inches that heading and legend of an overview take


def draw(curves, remarks, out_dir, formats=("png",), overview="overview", percent_of=""):
    """Draw `<name>.<format>` for each LossCurve and one overview sheet; returns the paths.

    Parameters
    ----------
    curves : list of LossCurve
    remarks : dict of name to list of str
        Written into the pictures; see `loss_remarks.unusual`.
    out_dir : path
    formats : sequence of str
        Those of matplotlib: png, svg ...
    overview : str
        Stem of the sheet's file.
    percent_of : str
        What errors in % are a share of, such as "the picture's width".
    """
    os.makedirs(out_dir, exist_ok=True)
    paths = []
    for curve in curves:
        paths += _save(_picture(curve, remarks.get(curve.name, []), percent_of),
                       os.path.join(out_dir, file_stem(curve.name)), formats)
    if curves:
        paths += _save(_overview(curves, remarks, percent_of), os.path.join(out_dir, overview), formats, SHEET_COLOURS)
    return paths


def _picture(curve, remarks, percent_of):
    """The figure of one network."""
    with_error = bool(len(curve.shown_error[1].iters))
    figure, axes = _figure(1, 1, (8, 7 if with_error else 5), with_error)
    _draw_curve(axes[0], curve)
    heading = f"{curve.name} after {curve.last_iter} iterations: {_result(curve, percent_of)}"
    _title(axes[0][0], "\n".join([heading, *remarks]), 12, remarks)
    for axis, label in zip(axes[0], ("loss (log scale)", _error_label(curve, percent_of))):
        axis.set_ylabel(label, fontsize=10)
    axes[0][0].legend(loc="best", fontsize=9)
    axes[0][-1].set_xlabel("iteration", fontsize=10)
    return figure


def _overview(curves, remarks, percent_of):
    """Each level begins a row; the first panels of a row name the axes."""
    rows = [row for _, level in groupby(curves, key=lambda curve: curve.family[0]) for row in _chunks(list(level))]
    columns = max(map(len, rows))
    with_error = any(len(curve.shown_error[1].iters) for curve in curves)
    size = (max(2.9 * columns, _HEADING), (3.0 if with_error else 2.3) * len(rows) + 1.1)
    figure, axes = _figure(len(rows), columns, size, with_error)
    for i, row in enumerate(rows):
        for panels, curve in zip(axes[i * columns:], row):
            _draw_curve(panels, curve, small=True)
            found = remarks.get(curve.name, [])
            number = error_text(curve) or f"{curve.judged[1].last or np.nan:.3g}"
            _title(panels[0], f"{curve.name}   {number}" + (" - unusual" if found else ""), 11, found)
            if curve is row[0]:
                for axis, label in zip(panels, ("loss (log scale)", "error, %" if curve.shown_error[0] else "error")):
                    axis.set_ylabel(label, fontsize=9)
            panels[-1].set_xlabel("iteration" if i + 1 == len(rows) else "", fontsize=9)
        for panels in axes[i * columns + len(row):(i + 1) * columns]:
            for axis in panels:
                axis.set_axis_off()
    handles, labels = _all_labels(axes)
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=11)
    figure.suptitle(_heading(curves, with_error, percent_of), fontsize=13)
    return figure


def _heading(curves, with_error, percent_of):
    """What the sheet shows, in words."""
    if not with_error:
        return f"Losses of {len(curves)} networks over the iterations; in the titles the last one"
    in_percent = any(curve.shown_error[0] for curve in curves)
    unit = f", in % of {percent_of}" if percent_of and in_percent else ""
    return f"Losses and errors of {len(curves)} networks over the iterations; in the titles the last error{unit}"


def _chunks(curves):
    return [curves[i:i + COLUMNS] for i in range(0, len(curves), COLUMNS)]


def _all_labels(axes):
    found = {}
    for axis in (axis for panels in axes for axis in panels):
        for handle, label in zip(*axis.get_legend_handles_labels()):
            found.setdefault(label, handle)
    return list(found.values()), list(found)


def _draw_curve(panels, curve, small=False):
    """Losses into the first of the panels, the error into the second, where there is one."""
    markers = 2.5 if small else 4
    losses = panels[0]
    losses.plot(*_drawable(curve.train_loss), color=TRAIN_COLOUR, linewidth=0.8, label="train, one batch")
    losses.plot(*_drawable(curve.smoothed_loss), color=SMOOTHED_COLOUR, linewidth=1.2,
                label="train, mean over average_loss")
    if len(curve.test_loss.iters):
        losses.plot(*_drawable(curve.test_loss), color=TEST_COLOUR, linewidth=1.8, marker="o", markersize=markers,
                    label="test")
    _finish_axis(losses, curve, (curve.smoothed_loss, curve.test_loss), (curve.train_loss,), small)
    for axis in panels[1:]:
        error = curve.shown_error[1]
        if len(error.iters):
            axis.plot(*_drawable(error), color=ERROR_COLOUR, linewidth=1.8, marker="s", markersize=markers,
                      label="error, test")
        _finish_axis(axis, curve, (error,), (), small)
        losses.tick_params(labelbottom=False)


def _finish_axis(axis, curve, leading, others, small):
    """Scale, frame, ticks. The Series in `leading` decide on the frame."""
    _mark_not_finite(axis, leading)
    if any(len(_drawable(series).values) for series in (*leading, *others)):
        axis.set_yscale("log")
        _leave_out_start(axis, curve, leading)
        _plain_ticks(axis, 2 if small else 3)
    axis.grid(True, which="both", color="#dddddd", linewidth=0.5)
    axis.tick_params(which="both", labelsize=8 if small else 9)
    axis.locator_params(axis="x", nbins=4 if small else 8)
    axis.set_xlim(left=-0.02 * curve.last_iter, right=1.02 * curve.last_iter or 1)


def _plain_ticks(axis, least):
    """0.02, 0.05, 0.1 ... instead of powers of ten: as few as can be, at least so many."""
    from matplotlib import ticker

    low, high = axis.get_ylim()
    powers = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    for digits in TICKS:
        values = np.outer(powers, digits).ravel()
        inside = values[(low <= values) & (values <= high)]
        if len(inside) >= least:
            break
    axis.yaxis.set_major_locator(ticker.FixedLocator(inside[::max(1, -(-len(inside) // MOST_TICKS))]))
    axis.yaxis.set_major_formatter(ticker.FormatStrFormatter("%g"))
    axis.yaxis.set_minor_formatter(ticker.NullFormatter())


def _error_label(curve, percent_of):
    in_percent, _ = curve.shown_error
    if in_percent:
        return f"error, % of\n{percent_of}" if percent_of else "error, %"
    return f"{curve.error_name} (log scale)"


def _result(curve, percent_of):
    """`test loss 0.103, error 1.42 % of the width`."""
    in_percent, error = curve.shown_error
    parts = []
    if len(curve.test_loss.iters) or not len(error.iters):
        what, series = curve.judged
        parts.append(f"{what} {series.last if len(series.iters) else np.nan:.3g}")
    if len(error.iters):
        name = "error" if in_percent else curve.error_name
        parts.append(f"{name} {error_text(curve)}" + (f" of {percent_of}" if in_percent and percent_of else ""))
    return ", ".join(parts)


def _title(axis, text, size, remarks):
    axis.set_title(text, fontsize=size, wrap=True, fontweight="bold" if remarks else "normal")
    if remarks:
        for spine in axis.spines.values():
            spine.set(color=ALARM_COLOUR, linewidth=2.5)


def _leave_out_start(axis, curve, leading):
    """The frame ends above the highest value after START of the run: what begins a hundred times higher leaves room."""
    later = np.concatenate([drawn.values[drawn.iters > START * curve.last_iter] for drawn in map(_drawable, leading)])
    if len(later):
        highest = max(_drawable(series).values.max(initial=0) for series in leading)
        axis.set_ylim(top=min(1.5 * later.max(), 1.1 * highest))


def _mark_not_finite(axis, leading):
    for iters, values in leading:
        bad = iters[~np.isfinite(values)]
        if len(bad):
            axis.axvline(bad[0], color=ALARM_COLOUR, linestyle="--", label="not finite")
            return


def _drawable(series):
    """The part of a Series that a log axis can show: values of 0 and below are left out."""
    iters, values = series
    keep = np.isfinite(values) & (values > 0)
    return type(series)(iters[keep], values[keep])


def _figure(rows, columns, size, with_error):
    """Figure without a window: (figure, list of the panels of each curve: losses, and the error below them)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    figure.get_layout_engine().set(h_pad=0.03, hspace=0)
    FigureCanvasAgg(figure)
    panels = []
    for cell in figure.add_gridspec(rows, columns):
        if with_error:
            grid = cell.subgridspec(2, 1, height_ratios=LOSS_TO_ERROR, hspace=0)
            losses = figure.add_subplot(grid[0])
            panels.append([losses, figure.add_subplot(grid[1], sharex=losses)])
        else:
            panels.append([figure.add_subplot(cell)])
    return figure, panels


def _save(figure, stem, formats, colours=None):
    """The paths written; a PNG may be reduced to so many colours, which takes two thirds off its size."""
    paths = [f"{stem}.{kind}" for kind in formats]
    for path in paths:
        with WholeFile(path, suffix=f".{path.rpartition('.')[2]}") as temporary:
            figure.savefig(temporary, dpi=100)
            if colours and path.endswith(".png"):
                _reduce(temporary, colours)
        figure.set_layout_engine("none")                         # the first file's layout is the others', too
    return paths


def _reduce(path, colours):
    from PIL import Image  # comes with matplotlib

    with Image.open(path) as image:
        reduced = image.convert("RGB").quantize(colours, dither=Image.Dither.NONE)
    reduced.save(path, optimize=True)
