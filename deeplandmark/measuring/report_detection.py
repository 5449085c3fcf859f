"""How many faces a detector finds at so many false boxes, as text and as a curve beside those of others."""
from __future__ import annotations

import csv
from dataclasses import dataclass

from deeplandmark.faces.errors import ListError
from deeplandmark.measuring.detection import FOUND

FALSE_BOXES = (0, 1, 5, 10, 20, 50, 100)
_COLUMNS = ("name", "false_boxes", "recall")


@dataclass(frozen=True)
class RecallOfOthers:
    """Somebody else's result on the same list: recall (0..1) at so many false boxes."""
    name: str
    false_boxes: float
    recall: float


def read_others(path):
    """The rows of a CSV file with the columns name, false_boxes and recall (0..1): a list of RecallOfOthers.

    Raises
    ------
    ListError
        Naming the line that cannot be read.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise ListError(f"{path}: cannot be read ({error.strerror})") from None
    found = []
    for number, row in enumerate(rows, 2):
        try:
            found.append(RecallOfOthers(row["name"], float(row["false_boxes"]), float(row["recall"])))
        except (KeyError, TypeError, ValueError):
            raise ListError(f"{path}:{number}: expected {', '.join(_COLUMNS)}") from None
    return found


def detection_table(result, false_boxes=FALSE_BOXES, others=()):
    """The figures of a `DetectionCurve` as text.

    Parameters
    ----------
    result : DetectionCurve
    false_boxes : sequence of int
        For each of them the recall at the threshold that lets no more through.
    others : list of RecallOfOthers
    """
    count, boxes = len(result.places), sum(map(len, result.boxes))
    false = sum(int((~right).sum()) for right in result.right)
    lines = [f"pictures                          {count}", f"labelled faces                    {result.faces}",
             f"boxes                             {boxes}, {false} on no labelled face ({false / count:.3f} a picture)"]
    if result.faces:
        lines.append(f"faces found                       {result.recall():.1%} (overlap of at least {FOUND})")
        if result.shifts is not None:
            moved = ", ".join(f"{shift:.3f}" for shift in result.shifts)
            lines.append(f"boxes moved to the list's kind    left, top, right, bottom by {moved} of the sides, "
                         "medians of this list")
        for most in false_boxes:
            beside = "; ".join(f"{other.name} {other.recall:.1%}" for other in others if other.false_boxes == most)
            lines.append(f"found at {most:4d} false boxes         {result.recall(most):.1%}"
                         + (f"   ({beside})" if beside else ""))
    lines.append(f"detection                         {1000 * result.seconds / count:.1f} ms of one core a picture")
    return "\n".join(lines)


def draw_recall(result, others=()):
    """Figure: recall over the number of false boxes (needs matplotlib)."""
    from deeplandmark.measuring.plotting import BLUE, VERMILION, new_figure
    figure, axes = new_figure(1, 1, (6.4, 4.4))
    axis, (false, found, _) = axes[0][0], result.curve()
    axis.step([0, *false], [0, *(found / max(1, result.faces))], where="post", color=BLUE, label="this detector")
    for other in others:
        axis.plot(other.false_boxes, other.recall, "D", color=VERMILION)
        axis.annotate(other.name, (other.false_boxes, other.recall), (4, -10), textcoords="offset points", fontsize=9)
    axis.set_xscale("symlog", linthresh=10)
    axis.set(xlabel=f"false boxes in {len(result.places)} pictures", ylim=(0, 1.02),
             ylabel=f"share of the {result.faces} faces that are found", title="Recall over false boxes")
    axis.grid(alpha=0.3)
    axis.legend(loc="lower right")
    return figure


def stage_lines(stages):
    """Text of (name, DetectionCurve of the windows that a stage lets through)."""
    return [f"after {name}                           {found.recall():.1%} of the faces in "
            f"{sum(map(len, found.boxes)) / len(found.places):.1f} windows a picture" for name, found in stages]
