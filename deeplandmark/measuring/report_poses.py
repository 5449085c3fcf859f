"""The report of poses: drawn heads, and a list of faces by what its points tell; as text and as JSON."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from deeplandmark.faces.datasets.annotation import Problem
from deeplandmark.faces.datasets.read_faces import read_faces, read_labels
from deeplandmark.faces.errors import ListError
from deeplandmark.faces.points import FIVE_POINTS, HEAD_AXES, IBUG_68
from deeplandmark.measuring.evaluation import spread
from deeplandmark.measuring.head_poses import ANGLES, TURNED, Angles, Sides, compared, on_faces
from deeplandmark.work.whole_file import write_text

# By how many points of a list each of two things is told: poses, and the nose's side with the line through the eyes.
_TOLD_BY = {HEAD_AXES: (len(HEAD_AXES), len(IBUG_68)), FIVE_POINTS: (len(FIVE_POINTS), len(IBUG_68))}


def of_list(system: Any, path: Path, folder: str | None = None,
            limit: int | None = None) -> tuple[dict[str, Angles | Sides], list[Problem]]:
    """({name: what is told by it}, bad lines and pictures) of a list of faces.

    Parameters
    ----------
    system : System that finds HEAD_AXES
    path : of the list
    folder : where its pictures' names start, by default the list's own
    limit : only so many faces, spread over it

    Raises
    ------
    ListError
        If it cannot be read, or its points tell nothing of a pose.
    """
    count, found, bad = read_labels(path, len(HEAD_AXES), folder).count, {}, []
    for points, what in ((HEAD_AXES, "poses of its points"), (FIVE_POINTS, "five points")):
        if count in _TOLD_BY[points]:
            faces, problems = read_faces(path, points, folder)
            angles, labels, more = on_faces(system, faces if limit is None else spread(faces, limit))
            found[f"{path.name}, {what}"] = compared(angles, labels)
            bad = problems + more
    if not found:
        raise ListError(f"{path}: {count} points tell no pose; 68 or the usual five do")
    return found, bad


def as_json(found: dict[str, Angles | Sides]) -> dict[str, dict]:
    """Of each: n, and mean_error, pitch_error, yaw_error, roll_error in degrees; or how many are turned, the share of
    them with yaw to the side of the nose, and how far roll is from the line through the eyes, degrees."""
    return {name: _numbers(measured) for name, measured in found.items()}


def table(found: dict[str, Angles | Sides]) -> str:
    """A line of each, for people."""
    return "".join(_line(name, row) for name, row in as_json(found).items())


def save_json(found: dict[str, Angles | Sides], file: str | Path) -> None:
    """Writes `as_json` to a file."""
    write_text(file, json.dumps(as_json(found), indent=1) + "\n")


def save_report(found: dict[str, Angles | Sides], folder: str | Path) -> None:
    """Writes poses.txt and poses.json into a folder."""
    write_text(Path(folder, "poses.txt"), table(found))
    save_json(found, Path(folder, "poses.json"))


def _numbers(measured):
    if isinstance(measured, Angles):
        means = measured.errors.mean(axis=0)
        return {"n": len(measured.found), "mean_error": round(float(means.mean()), 3),
                **{f"{name}_error": round(float(value), 3) for name, value in zip(ANGLES, means)}}
    return {"n": len(measured.found), "turned": int(measured.turned.sum()),
            "same_side": None if np.isnan(measured.agreement) else round(measured.agreement, 5),
            "roll_to_eyes": round(float(measured.roll_errors.mean()), 3)}


def _line(name, row):
    if "mean_error" in row:
        each = ", ".join(f"{angle} {row[f'{angle}_error']:.2f}" for angle in ANGLES)
        return f"{name}: {row['n']:,} heads, mean absolute error {row['mean_error']:.2f} degrees ({each})\n"
    side = "none" if row["same_side"] is None else f"{100 * row['same_side']:.2f} %"
    return (f"{name}: {row['n']:,} heads, {row['turned']:,} turned by more than {TURNED:g} degrees, {side} of them to "
            f"the nose's side; roll {row['roll_to_eyes']:.2f} degrees beside the line through the eyes\n")
