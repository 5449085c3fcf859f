"""The report of an evaluation: its numbers as JSON, and the folder `result/` with table and pictures."""
import json
from pathlib import Path

import numpy as np

from deeplandmark.measuring.plotting import save_figure
from deeplandmark.measuring.report_parts import draw_parts, has_parts, parts_as_json
from deeplandmark.measuring.report_pixels import in_pixels
from deeplandmark.measuring.report_table import REJECTED, interocular_summaries, summaries, table
from deeplandmark.work.whole_file import write_text


def as_json(evaluation):
    """{"n": faces, "levels": {"1": {"mean": [k], "failure": [k]}, ...}, "ms_per_face": x}, and more where it is known.

    Errors of "levels", "subsets" and "poses" are fractions of the box width. "interocular" has the same levels in
    distances of the pupils (five points only), "subsets" the same for each folder of pictures, "poses" for each kind
    of pose (five points only), "confidence" the expected calibration error, the reliability diagram's bins and the
    share of failures without the least confident faces; "parts", "faces" and "others" see report_parts.py, "pixels"
    report_pixels.py; "offsets" what was taken off each point (right, down), box widths.
    Network F alone is no level and stands in the text only.
    """
    found = {"n": len(evaluation), "levels": _levels(summaries(evaluation), evaluation),
             "ms_per_face": evaluation.ms_per_face}
    if evaluation.is_usual:
        found["interocular"] = {"levels": _levels(interocular_summaries(evaluation), evaluation)}
    if evaluation.offsets is not None:
        found["offsets"] = [_numbers(offset) for offset in evaluation.offsets]
    if has_parts(evaluation):
        found.update(parts_as_json(evaluation))
    if (pixels := in_pixels(evaluation)) is not None:
        found["pixels"] = pixels._asdict()
    for key, parts in (("subsets", evaluation.subsets), ("poses", evaluation.poses)):
        if parts:
            found[key] = {name: {"n": len(part), "levels": _levels(summaries(part), part)}
                          for name, part in parts.items()}
    if evaluation.looks is not None:
        found["looks"] = {"mean": float(evaluation.looks.mean()), "again": float((evaluation.looks > 1).mean())}
    if evaluation.confidence is not None:
        found["confidence"] = _confidence(evaluation)
    return found


def save_json(evaluation, file):
    """Writes `as_json` to a file, which appears only when whole; its folder is made."""
    _write(Path(file), json.dumps(as_json(evaluation), indent=1, allow_nan=False) + "\n")


def save_report(evaluation, folder, title=""):
    """Writes table.txt, table.json, curves (each as .png and .svg) and sheets of faces into `folder`, which is made.
    Returns their paths. Needs matplotlib."""
    from deeplandmark.measuring import report_confidence, report_curves, report_faces

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "table.txt", table(evaluation, title))
    save_json(evaluation, folder / "table.json")
    figures = {"histograms": report_curves.draw_histograms(evaluation),
               "cumulative": report_curves.draw_cumulative(evaluation)}
    if evaluation.confidence is not None:
        figures["confidence"] = report_confidence.draw_confidence(evaluation)
    if has_parts(evaluation):
        figures["parts"] = draw_parts(evaluation)
    for name, figure in figures.items():
        save_figure(figure, folder / f"{name}.png")
        figure.set_layout_engine("none")                         # the layout found for the PNG is the SVG's, too
        save_figure(figure, folder / f"{name}.svg")
    report_faces.draw_samples(evaluation, folder / "samples.png")
    report_faces.draw_worst(evaluation, folder / "worst.png")
    return [folder / name for name in ("table.txt", "table.json", "samples.png", "worst.png",
                                       *(f"{name}.{suffix}" for name in figures for suffix in ("png", "svg")))]


def _levels(rows, evaluation):
    """Of summaries, those of the levels; without F alone."""
    return {str(i): {"mean": _numbers(row.mean), "failure": _numbers(row.failure)}
            for i, row in enumerate(rows[-evaluation.level_count:], 1)}


def _confidence(evaluation):
    found = evaluation.reliability
    bins = [{"from": edges[0], "to": edges[1], "n": int(count), "confidence": confidence, "right": right}
            for edges, count, confidence, right in zip(found.edges.tolist(), found.count, found.confidence.tolist(),
                                                       found.right.tolist())]
    failure, kept = evaluation.rejection([0.0, REJECTED]).tolist()
    return {"expected_calibration_error": found.expected_calibration_error, "bins": bins, "failure": failure,
            "failure_after_rejection": {f"{REJECTED:g}": kept}}


def _numbers(values):
    """JSON knows no NaN, which the distance of the pupils may give."""
    return [None if np.isnan(value) else float(value) for value in values]


def _write(file, text):
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text(file, text)
