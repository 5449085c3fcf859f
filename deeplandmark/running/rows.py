"""Rows of results: one face a row, as JSON lines or CSV."""

import csv
import io
import json
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from deeplandmark.work.json_text import parse_json


class Layout(NamedTuple):
    """How rows are written and read: functions of their own for JSON lines and CSV."""
    header: Callable    # (points of a face) -> the first line, "" for none
    rows: Callable      # (Located, number of the frame or None) -> text, whole lines
    pictures: Callable  # (open text file) -> the picture of every row


def json_rows(located, frame=None):
    """The faces of a Located as a str, one JSON object a line.

    `{"picture": path, "box": [left, top, right, bottom], "points": [[x, y], ...], "confidence": [...], "score": number
    or null}`, and `"pose": [pitch, yaw, roll]`, degrees, where it was asked for; a face of a video has `"frame":
    number, "time": seconds, "track": number` after `"picture"`. Pixels with two decimals, seconds with three.
    """
    return "".join(json.dumps(row) + "\n" for row in face_rows(located, frame))


def face_rows(located, frame=None):
    """What `json_rows` writes, a list of dicts, one a face."""
    return [{"picture": located.path, **({} if frame is None else {"frame": frame}), **_in_video(located, i),
             "box": _rounded(located.boxes[i], 2), "points": _rounded(located.points[i], 2),
             "confidence": _rounded(located.confidence[i], 3), "score": _score(located.scores[i]),
             **({} if located.pose is None else {"pose": _rounded(located.pose[i], 1)})}
            for i in range(len(located.boxes))]


def csv_rows(located, frame=None):
    """The faces of a Located as CSV, a str of whole lines; pixels with two decimals.

    `csv_header` says what the columns are.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for i in range(len(located.boxes)):
        writer.writerow([located.path, frame, *_rounded(located.boxes[i], 2), *_rounded(located.points[i].ravel(), 2),
                         *_rounded(located.confidence[i], 3), _score(located.scores[i]),
                         *(_in_video(located, i).get(name) for name in ("time", "track")),
                         *([] if located.pose is None else _rounded(located.pose[i], 1))])
    return text.getvalue()


def csv_header(points, pose=False):
    """The first line (str): x and y of every one of `points` points in order, then their confidences.

    `frame`, `time` and `track` are empty for pictures. With `pose` three columns of degrees end it.
    """
    places = [f"{axis}{i}" for i in range(1, points + 1) for axis in "xy"]
    columns = ["picture", "frame", "left", "top", "right", "bottom", *places,
               *(f"confidence{i}" for i in range(1, points + 1)), "score", "time", "track",
               *(("pitch", "yaw", "roll") if pose else ())]
    return ",".join(columns) + "\n"


def _in_video(located, i):
    """What the row of a face of a video says besides."""
    return {} if located.tracks is None else {"time": round(float(located.time), 3), "track": int(located.tracks[i])}


def _rounded(values, digits):
    return np.round(np.asarray(values, np.float64), digits).tolist()


def _score(score):
    return round(float(score), 3) if np.isfinite(score) else None


def _pictures_of_json(file):
    for line in file:
        yield parse_json(line)["picture"]


def _pictures_of_csv(file):
    reader = csv.DictReader(file)
    for row in reader:
        if None in row.values():
            raise ValueError("a row is cut short")
        yield row["picture"]


JSON_LINES = Layout(lambda points: "", json_rows, _pictures_of_json)
CSV = Layout(csv_header, csv_rows, _pictures_of_csv)
CSV_WITH_POSE = CSV._replace(header=partial(csv_header, pose=True))
