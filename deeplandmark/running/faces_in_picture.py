"""Pictures through a detector and a system that finds points."""

import os
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from deeplandmark.detectors import Detections, largest
from deeplandmark.faces.box import beyond_picture
from deeplandmark.faces.errors import FacesError
from deeplandmark.faces.many_pictures import NOT_USABLE, PIXELS_HELD, TOGETHER
from deeplandmark.faces.picture_input import uint8_picture
from deeplandmark.models import angles_option, looks_option
from deeplandmark.running.head_poses import head_poses
from deeplandmark.work.in_order import in_chunks


@dataclass(frozen=True)
class Located:
    """The faces of a picture, or why it could not be read.

    Attributes
    ----------
    path : str
    boxes : float32 (n, 4), left, top, right, bottom, pixels: what the system was given
    points : float32 (n, k, 2), pixels, x then y
    confidence : float32 (n, k), 0..1
    scores : float32 (n,), the detector's; NaN for a box that was given
    image : uint8 (h, w, 3), blue green red, upright
    problem : str or None
    tracks : int (n,) or None
        Of a frame of a video: numbers, from 1, of the faces that are followed.
    time : float or None
        Of a frame of a video, seconds.
    pose : float32 (n, 3) or None
        Pitch, yaw and roll, degrees, where they are asked for.
    matrices : float64 (n, 2, 3) or None
        From the picture to crops, where faces are aligned.
    """
    path: str
    boxes: np.ndarray = None
    points: np.ndarray = None
    confidence: np.ndarray = None
    scores: np.ndarray = None
    image: np.ndarray = None
    problem: str = None
    tracks: np.ndarray = None
    time: float = None
    pose: np.ndarray = None
    matrices: np.ndarray = None


class Seen(NamedTuple):
    """A picture that a detector has looked at: what was given, its pixels and the boxes, or the error."""
    picture: Any
    image: np.ndarray = None
    found: Detections = None
    error: Exception = None


class FaceFinder:
    """A detector and a system that finds points, together. May be used by several threads at once.

    Parameters
    ----------
    system : System (see models/)
    detector : anything with `detect(image)` -> Detections
    max_faces : int or None
        Only the largest ones.
    level : int or None
        The last level to run, of a system that has levels; None is the system's own choice.
    boxes : {absolute path of a picture: [box, ...]} or None
        Boxes given for each picture; the detector is then not asked.
    looks : 1, 2 or "auto"
        How often a face is looked at, of a system that may look again.
    pose : System or None
        What finds the ends of heads' axes, HEAD_AXES of faces/points.py, where poses are asked for.

    Raises
    ------
    ValueError
        For 2 looks of a system that looks once.
    """

    def __init__(self, system, detector, max_faces=None, level=None, boxes=None, looks="auto", pose=None):
        self.system, self.detector, self.max_faces, self.pose = system, detector, max_faces, pose
        self.boxes = None if boxes is None else {str(path): own for path, own in boxes.items()}
        self._real_folder = lru_cache(os.path.realpath)
        self._options = {**({} if level is None else {"level": level}), **looks_option(system, looks)}

    def find(self, pictures, opened=uint8_picture):
        """(Seen, its Faces with scores or why there are none) of each of some pictures, in order: paths or pictures in
        memory, or what else `opened` makes pictures of. Small faces of several pictures go through the networks
        together; few pictures are in memory, however many there are."""
        looked_at = (self._look(picture, opened) for picture in pictures)
        for group in in_chunks(looked_at, TOGETHER, _pixels, PIXELS_HELD):
            usable = [(seen.image, seen.found.boxes, *angles_option(self.system, seen.found.points).values())
                      for seen in group if seen.error is None]
            answers = iter(self.system.locate_group(usable, **self._options))
            for seen in group:
                answer = seen.error or next(answers)
                if not isinstance(answer, Exception):
                    answer = self._with_pose(replace(answer, scores=seen.found.scores), seen.image)
                yield seen, answer

    def read(self, paths, opened=uint8_picture):
        """`Located` of each of some picture files, in order; see `find`."""
        for seen, faces in self.find(paths, opened):
            if not isinstance(faces, Exception):
                yield Located(seen.picture, faces.boxes, faces.points, faces.confidence, faces.scores, seen.image,
                              pose=faces.pose)
            else:
                named = isinstance(faces, FacesError)            # as an error of a file or a detector is
                yield Located(seen.picture, problem=f"{faces}" if named else f"{seen.picture}: {faces}")

    def locate(self, path, image, found, angles):
        """`Located` of a picture in memory, uint8 (h, w, 3), with these `Detections`, turned by `angles` (n,), degrees
        as in `Frames`."""
        options = {"angles": angles} if hasattr(self.system, "looks") else {}
        faces = self._with_pose(self.system.locate(image, found.boxes, **self._options, **options), image)
        return Located(path, found.boxes, faces.points, faces.confidence, found.scores, image, pose=faces.pose)

    def faces_of(self, image, found):
        """`Faces` of a picture in memory, uint8 (h, w) or (h, w, 3), with these `Detections`."""
        options = {**self._options, **angles_option(self.system, found.points)}
        return self._with_pose(self.system.locate(image, found.boxes, **options), image)

    def head_poses(self, image, boxes, points_px):
        """The `HeadPose` of faces with boxes (n, 4) and points (n, k, 2) in a picture in memory, by the system for
        poses."""
        return head_poses(self.pose, image, boxes, points_px, self.system.points)

    def _with_pose(self, faces, image):
        if self.pose is None:
            return faces
        return replace(faces, pose=self.head_poses(image, faces.boxes, faces.points).angles.astype(np.float32))

    def _look(self, picture, opened):
        try:
            image = opened(picture)
        except NOT_USABLE as error:
            return Seen(picture, error=error)
        try:
            found = self.detector.detect(image) if self.boxes is None else self._given(picture)
        except FacesError as error:
            return Seen(picture, error=error)
        problem = beyond_picture(found.boxes[np.isnan(found.scores)], image.shape[1], image.shape[0])  # those given
        if problem is not None:
            return Seen(picture, error=ValueError(problem))
        return Seen(picture, image, largest(found, self.max_faces))

    def _given(self, path):
        """`Detections` of the boxes that were given for a picture."""
        folder, name = os.path.split(path)
        here = os.path.join(self._real_folder(folder), name)
        boxes = self.boxes.get(os.path.realpath(here) if os.path.islink(here) else here, ())
        return Detections.of(boxes, np.full(len(boxes), np.nan))


def _pixels(seen):
    """Those of the picture that is held."""
    return 0 if seen.image is None else seen.image.shape[0] * seen.image.shape[1]
