"""From an upload to the answer: read the form, decode, find faces, find their points. Runs in a worker's process."""
import time

import numpy as np

from deeplandmark.models import angles_option, looks_option
from deeplandmark.running.head_poses import head_poses
from deeplandmark.web.limits import Refusal
from deeplandmark.web.picture import check_boxes, decode
from deeplandmark.web.upload import parse_upload


class Finder:
    """Answers uploads, one at a time.

    Parameters
    ----------
    system : System (see models/)
    detectors : callable (min_face=None, thorough=False) -> detector, as `load_detector` of one kind gives it
        Asked for each upload without boxes.
    limits : Limits
    looks : 1, 2 or "auto"
        How often a face is looked at, of systems that may look again.
    others : dict of str to System
        Further ones that an upload may ask for, by how many points they find.
    pose : System or None
        What finds the ends of heads' axes (HEAD_AXES of faces/points.py).
    """

    def __init__(self, system, detectors, limits, looks="auto", others=None, pose=None):
        self.limits, self._detectors, self._looks = limits, detectors, looks
        self._system, self._others, self._pose = system, others or {}, pose
        self._systems = {**self._others, str(len(system.points)): system}
        for each in self._systems.values():
            looks_option(each, looks)                            # the error of one that looks once, before any upload

    def answer(self, content_type, body):
        """What `find` gives for a request's body, bytes; raises Refusal."""
        return self.find(parse_upload(content_type, body, self.limits))

    def find(self, upload):
        """The answer to an Upload, ready for JSON: see `openapi.py`. Raises Refusal 422 for a picture it cannot use."""
        started = time.perf_counter()
        image = decode(upload.data, self.limits.pixels)
        system = self._asked_for(upload.points)
        options = {**looks_option(system, self._looks),
                   **({"level": upload.level} if hasattr(system, "levels") else {})}
        if upload.boxes is None:
            detector = self._detectors(min_face=upload.min_face, thorough=upload.thorough)
            detected = detector.detect(image).chosen(slice(self.limits.faces))
            boxes, scores = detected
            options |= angles_option(system, detected.points)
        else:
            boxes, scores = upload.boxes, [None] * len(upload.boxes)
            check_boxes(boxes, image.shape[1], image.shape[0], self.limits.covered * self.limits.pixels)
        found = system.locate(image, boxes, **options)
        poses = None if self._pose is None else \
            head_poses(self._pose, image, found.boxes, found.points, system.points).angles
        return {"faces": [_face(found, i, boxes[i], score, None if poses is None else poses[i])
                          for i, score in enumerate(scores)],
                "ms": round(1000 * (time.perf_counter() - started), 1),
                "width": image.shape[1], "height": image.shape[0]}

    def model(self):
        """What the page must know of the model, the others and the limits, ready for JSON."""
        return {**_described(self._system),
                "others": {name: _described(system) for name, system in self._others.items()},
                "limits": {"bytes": self.limits.bytes, "pixels": self.limits.pixels, "faces": self.limits.faces}}

    def _asked_for(self, points):
        if points is None:
            return self._system
        if points not in self._systems:
            raise Refusal(422, f"field 'points' must be {' or '.join(sorted(self._systems, key=int))}, "
                               f"found {points[:40]!r}")
        return self._systems[points]


def _described(system):
    """Of a system, for the page. One without levels has a single one."""
    settings, levels = system.settings, getattr(system, "levels", [1])
    return {"points": list(settings.points.names),
            "names": list(settings.points.shown),
            "lines": [list(line) for line in settings.points.lines],
            "levels": list(levels),
            "half_sides": {str(level): settings.half_side(level) for level in levels if level > 1}}


def _face(found, i, box, score, pose):
    return {"box": _rounded(box, 2), "points": _rounded(found.points[i], 2),
            "confidence": _rounded(found.confidence[i], 4), "score": None if score is None else _rounded(score, 4),
            "pose": None if pose is None else _rounded(pose, 1),
            "levels": _rounded(found.levels[i] if hasattr(found, "levels") else found.points[i:i + 1], 2)}


def _rounded(values, digits):
    return np.round(np.asarray(values, np.float64), digits).tolist()
