"""Pictures of loss curves: one for each network and one sheet with all of them."""

import os
from itertools import groupby

import numpy as np

from deeplandmark.caffe.logs.loss_curves import file_stem
from deeplandmark.work.whole_file import WholeFile

# Okabe and Ito's colours, told apart with any colour vision; train and test also differ in width and markers.
TRAIN_COLOUR, SMOOTHED_COLOUR, TEST_COLOUR, ALARM_COLOUR = "#9ecae1", "#0072B2", "#D55E00", "#CC79A7"
COLUMNS = 5             # of the sheet
START = 0.02            # of a run: the first losses, which may lie above the frame, for the sake of all others
SHEET_COLOURS = 64      # of the sheet as PNG: small enough to be published with the weights


def draw(curves, remarks, out_dir, formats=("png",), overview="overview"):
    """Draw `<name>.<format>` for each LossCurve and one overview sheet; returns the paths.

    `remarks` maps names to lists of str (see `loss_curves.unusual`): they are written into the picture.
    """
    os.makedirs(out_dir, exist_ok=True)
    paths = []
    for curve in curves:
        figure, axes = _figure(1, 1, (8, 5))
        _draw_curve(axes[0], curve, remarks.get(curve.name, []))
        axes[0].legend(loc="upper right", fontsize=9)
        paths += _save(figure, os.path.join(out_dir, file_stem(curve.name)), formats)
    if curves:
        paths += _save(_overview(curves, remarks), os.path.join(out_dir, overview), formats, SHEET_COLOURS)
    return paths


def _overview(curves, remarks):
    """Each level begins a row; the first panel of a row names the axes."""
    rows = [row for _, level in groupby(curves, key=lambda curve: curve.family[0]) for row in _chunks(list(level))]
    columns = max(map(len, rows))
    figure, axes = _figure(len(rows), columns, (2.9 * columns, 2.3 * len(rows) + 1.1))
    for i, row in enumerate(rows):
        for axis, curve in zip(axes[i * columns:], row):
            _draw_curve(axis, curve, remarks.get(curve.name, []), small=True)
            axis.set_ylabel("loss (log scale)" if curve is row[0] else "", fontsize=9)
            axis.set_xlabel("iteration" if i + 1 == len(rows) else "", fontsize=9)
        for axis in axes[i * columns + len(row):(i + 1) * columns]:
            axis.set_axis_off()
    handles, labels = _all_labels(axes)
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=11)
    figure.suptitle(f"Losses of {len(curves)} networks over the iterations; in the titles the last test loss",
                    fontsize=13)
    return figure


def _chunks(curves):
    return [curves[i:i + COLUMNS] for i in range(0, len(curves), COLUMNS)]


def _all_labels(axes):
    found = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels()):
            found.setdefault(label, handle)
    return list(found.values()), list(found)


def _draw_curve(axis, curve, remarks, small=False):
    axis.plot(*_drawable(curve.train_iter, curve.train_loss), color=TRAIN_COLOUR, linewidth=0.8,
              label="train, one batch")
    axis.plot(*_drawable(curve.smoothed_iter, curve.smoothed_loss), color=SMOOTHED_COLOUR, linewidth=1.2,
              label="train, mean over average_loss")
    axis.plot(*_drawable(curve.test_iter, curve.test_loss), color=TEST_COLOUR, linewidth=1.8, marker="o",
              markersize=2.5 if small else 4, label="test")
    _mark_not_finite(axis, curve)
    if _any_positive(curve):
        axis.set_yscale("log")
        _leave_out_start(axis, curve)
    axis.grid(True, which="both", color="#dddddd", linewidth=0.5)
    axis.tick_params(which="both", labelsize=8 if small else 9)
    axis.locator_params(axis="x", nbins=4 if small else 8)
    axis.set_xlabel("iteration", fontsize=10)
    axis.set_ylabel("loss (log scale)", fontsize=10)
    _title(axis, curve, remarks, small)


def _title(axis, curve, remarks, small):
    if small:
        text = f"{curve.name}   {curve.final_loss:.3g}" + (" - unusual" if remarks else "")
    else:
        what = "test" if len(curve.test_loss) else "training"
        heading = f"{curve.name}: {what} loss {curve.final_loss:.3g} after {curve.last_iter} iterations"
        text = "\n".join([heading, *remarks])
    axis.set_title(text, fontsize=11 if small else 12, wrap=True, fontweight="bold" if remarks else "normal")
    if remarks:
        for spine in axis.spines.values():
            spine.set(color=ALARM_COLOUR, linewidth=2.5)


def _leave_out_start(axis, curve):
    """The frame ends above the highest loss after START of the run: what begins a hundred times higher leaves room."""
    drawn = [_drawable(curve.smoothed_iter, curve.smoothed_loss), _drawable(curve.test_iter, curve.test_loss)]
    later = np.concatenate([losses[iters > START * curve.last_iter] for iters, losses in drawn])
    if len(later):
        axis.set_ylim(top=1.5 * later.max())


def _mark_not_finite(axis, curve):
    for iters, losses in ((curve.smoothed_iter, curve.smoothed_loss), (curve.test_iter, curve.test_loss)):
        bad = iters[~np.isfinite(losses)]
        if len(bad):
            axis.axvline(bad[0], color=ALARM_COLOUR, linestyle="--", label="not finite")
            return


def _drawable(iters, losses):
    """What a log axis can show; losses of 0 and below are left out."""
    keep = np.isfinite(losses) & (losses > 0)
    return iters[keep], losses[keep]


def _any_positive(curve):
    losses = np.concatenate([curve.train_loss, curve.smoothed_loss, curve.test_loss])
    return bool((np.isfinite(losses) & (losses > 0)).any())


def _figure(rows, columns, size):
    """Figure without a window: (figure, flat list of axes)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, list(np.ravel(figure.subplots(rows, columns, squeeze=False)))


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
