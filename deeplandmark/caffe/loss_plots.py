"""Pictures of loss curves: one for each network and one sheet with all of them."""

import math
import os

import numpy as np

from deeplandmark.caffe.loss_curves import file_stem

# Okabe and Ito's colours, told apart with any colour vision; train and test also differ in width and markers.
TRAIN_COLOUR, SMOOTHED_COLOUR, TEST_COLOUR, ALARM_COLOUR = "#9ecae1", "#0072B2", "#D55E00", "#CC79A7"


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
        paths += _save(_overview(curves, remarks), os.path.join(out_dir, overview), formats)
    return paths


def _overview(curves, remarks):
    columns = min(5, math.ceil(math.sqrt(len(curves))))
    rows = math.ceil(len(curves) / columns)
    figure, axes = _figure(rows, columns, (3.6 * columns, 2.9 * rows + 0.5))
    for axis, curve in zip(axes, curves):
        _draw_curve(axis, curve, remarks.get(curve.name, []), small=True)
    for axis in axes[len(curves):]:
        axis.set_axis_off()
    handles, labels = _all_labels(axes[:len(curves)])
    figure.legend(handles, labels, loc="outside upper center", ncols=4, fontsize=10)
    return figure


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
              label="train, average_loss")
    axis.plot(*_drawable(curve.test_iter, curve.test_loss), color=TEST_COLOUR, linewidth=1.8, marker="o",
              markersize=2.5 if small else 4, label="test")
    _mark_not_finite(axis, curve)
    if _any_positive(curve):
        axis.set_yscale("log")
    axis.grid(True, which="both", color="#dddddd", linewidth=0.5)
    axis.tick_params(labelsize=7 if small else 9)
    axis.locator_params(axis="x", nbins=4 if small else 8)
    axis.set_xlabel("iteration", fontsize=8 if small else 10)
    axis.set_ylabel("loss (log scale)", fontsize=8 if small else 10)
    _title(axis, curve, remarks, small)


def _title(axis, curve, remarks, small):
    title = f"{curve.name}: {curve.final_loss:.3g}"
    if small:
        text = title + (" - unusual" if remarks else "")
    else:
        text = "\n".join([f"{title} after {curve.last_iter} iterations", *remarks])
    axis.set_title(text, fontsize=9 if small else 12, wrap=True, fontweight="bold" if remarks else "normal")
    if remarks:
        for spine in axis.spines.values():
            spine.set(color=ALARM_COLOUR, linewidth=2.5)


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


def _save(figure, stem, formats):
    paths = [f"{stem}.{kind}" for kind in formats]
    for path in paths:
        figure.savefig(path, dpi=120)
    return paths
