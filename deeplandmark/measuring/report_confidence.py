"""How far confidences can be trusted, and what rejecting faces by them is worth, as a figure (needs matplotlib)."""
import numpy as np

from deeplandmark.faces.metrics import BOX_WIDTH, FAILURE
from deeplandmark.measuring.plotting import BLUE, GREEN, GREY, ORANGE, new_figure
from deeplandmark.measuring.report_table import REJECTED

_MOST_REJECTED = 0.3   # share of the faces


def draw_confidence(evaluation):
    """Three panels: reliability diagram, how often which confidence is given, failures left after rejecting faces."""
    figure, ((diagram, counts, rejection),) = new_figure(1, 3, (15, 5))
    found = evaluation.reliability
    _diagram(diagram, found)
    _counts(counts, found)
    _rejection(rejection, evaluation)
    figure.suptitle(f"Confidence of {evaluation.confidence.size} points in {len(evaluation)} faces: the probability "
                    f"that a point lies within {100 * FAILURE:g} % of the {BOX_WIDTH}", fontsize=12)
    return figure


def _diagram(axis, found):
    axis.plot([0, 1], [0, 1], color=GREY, linestyle="--", label="perfectly calibrated")
    low, high = _interval(found.right, found.count)
    axis.errorbar(found.confidence, found.right, [found.right - low, high - found.right], color=BLUE, marker="o",
                  linestyle="none", capsize=3, label="measured, 95 % interval")
    axis.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel="mean confidence of a bin",
             ylabel="share of its points that is right",
             title=f"reliability; expected calibration error {found.expected_calibration_error:.4f}")
    axis.legend(loc="lower right")
    axis.grid(color="#dddddd", linewidth=0.5)


def _counts(axis, found):
    left, right = found.edges.T
    axis.bar(left, found.count, width=right - left, align="edge", color=BLUE, edgecolor="white")
    axis.set(xlim=(0, 1), yscale="log", xlabel="confidence", ylabel="points (log scale)", title="points in each bin")
    axis.set_ylim(bottom=0.5)
    axis.grid(axis="y", color="#dddddd", linewidth=0.5)


def _rejection(axis, evaluation):
    x = np.linspace(0, _MOST_REJECTED, 121)
    ours, best = evaluation.rejection(x), evaluation.best_rejection(x)
    axis.axhline(100 * ours[0], color=GREY, linestyle=":", label="faces rejected at random")
    axis.plot(100 * x, 100 * ours, color=BLUE, label="least confident faces first")
    axis.plot(100 * x, 100 * best, color=GREEN, linestyle="-.", label="worst faces first: the best there can be")
    axis.axvline(100 * REJECTED, color=ORANGE, linestyle="--", linewidth=1)
    (kept,) = evaluation.rejection([REJECTED])
    axis.set(xlim=(0, 100 * _MOST_REJECTED), xlabel="faces rejected, %", ylabel="failures among the points kept, %",
             title=f"failures: {100 * ours[0]:.2f} %; {100 * kept:.2f} % with {100 * REJECTED:g} % rejected")
    axis.set_ylim(bottom=0)
    axis.legend()
    axis.grid(color="#dddddd", linewidth=0.5)


def _interval(share, count, z=1.96):
    """Wilson's interval of a share of `count` points: within 0..1, and of some width where the share is 0 or 1."""
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return np.minimum(middle - half, share), np.maximum(middle + half, share)
