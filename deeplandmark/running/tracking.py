"""Faces followed through a video.

The points of one frame say where to look in the next, a detector is asked now and then.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from deeplandmark.detectors import Detections, intersection_over_union, largest
from deeplandmark.faces.box import BBox
from deeplandmark.faces.box_of_points import boxes_of_points
from deeplandmark.running.faces_in_picture import Located
from deeplandmark.running.one_euro import OneEuroFilter

DETECT_EVERY, DETECT_EVERY_WITHOUT_FACE = 10, 3  # frames
MISSES = 2               # detections in a row that may fail to see a face, once it was seen twice
SAME_FACE = 0.3          # overlap of two boxes of one face in neighbouring frames
CUT = 30.0               # mean difference of two frames, of 255, between which the scene changed
_THUMBNAIL = (32, 24)


@dataclass
class Track:
    """A face that is being followed from frame to frame; box and score as in Detections."""
    box: np.ndarray      # (4,) where to look in the next frame
    score: float         # of its last detection
    smooth: OneEuroFilter
    seen: int = 1        # how many detections saw it
    misses: int = 0      # how many have not, since

    @property
    def is_lost(self):
        """Whether (bool) too many detections in a row have not seen the face."""
        return self.misses > min(MISSES, self.seen - 1)


class FaceTracker:
    """Follows faces through the frames of one video.

    Parameters
    ----------
    finder : FaceFinder
    rate : float
        Frames a second that `locate` will see.
    steady : bool
        Whether points are filtered.
    """

    def __init__(self, finder, rate, steady=True):
        self.finder, self.rate, self.steady = finder, rate, steady
        self._tracks, self._next_detection, self._frame, self._thumbnail = [], 0, 0, None

    def locate(self, path, image):
        """`Located` of the next frame, uint8 (h, w, 3)."""
        if self._is_cut(image):
            self._tracks, self._next_detection = [], self._frame
        if self._frame >= self._next_detection:
            self._detect(image)
            self._next_detection = self._frame + (DETECT_EVERY if self._tracks else DETECT_EVERY_WITHOUT_FACE)
        self._frame += 1
        boxes = np.array([track.box for track in self._tracks], np.float32).reshape(-1, 4)
        scores = np.array([track.score for track in self._tracks], np.float32)
        return self._follow(self.finder.locate(path, image, Detections(boxes, scores)))

    def _detect(self, image):
        """New faces become tracks; tracks that the detector has not seen for a while end."""
        found = largest(self.finder.detector.detect(image), self.finder.max_faces)
        overlap = intersection_over_union([track.box for track in self._tracks], found.boxes)
        for track, overlaps in zip(self._tracks, overlap):
            if overlaps.max(initial=0) >= SAME_FACE:
                track.score, track.seen, track.misses = float(found.scores[overlaps.argmax()]), track.seen + 1, 0
            else:
                track.misses += 1
        new = [i for i in range(len(found.boxes)) if overlap[:, i].max(initial=0) < SAME_FACE]
        self._tracks = [track for track in self._tracks if not track.is_lost]
        self._tracks += [Track(found.boxes[i], float(found.scores[i]), OneEuroFilter(self.rate)) for i in new]
        if self.finder.max_faces is not None:
            del self._tracks[self.finder.max_faces:]

    def _follow(self, located):
        """Steadies the points and prepares the next frame's boxes; drops faces that ran away from their box."""
        next_boxes, points = boxes_of_points(self._five(located.points)), located.points.copy()
        kept = []
        for i, track in enumerate(self._tracks):
            if self.steady:
                points[i] = track.smooth(located.points[i], located.boxes[i, 2] - located.boxes[i, 0])
            track.box = next_boxes[i]
            if self._is_there(track, located.boxes[i], located.image) and not self._is_double(track, kept):
                kept.append(i)
        self._tracks = [self._tracks[i] for i in kept]
        return Located(located.path, located.boxes[kept], points[kept], located.confidence[kept], located.scores[kept],
                       located.image)

    def _five(self, points_px):
        """The usual five of points (n, k, 2), for which boxes were measured; all points of a set that does not tell."""
        known = self.finder.system.points
        return known.to_five(points_px) if known.five else points_px

    def _is_there(self, track, box, image):
        """Whether the points stayed near the box they were looked for in, and in the picture."""
        near = intersection_over_union(box, track.box)[0, 0] >= SAME_FACE
        return near and BBox(*track.box).overlaps(image.shape[1], image.shape[0])

    def _is_double(self, track, kept):
        """Whether an older track has come to follow the same face."""
        others = [self._tracks[i].box for i in kept]
        return intersection_over_union(track.box, others).max(initial=0) >= 2 * SAME_FACE

    def _is_cut(self, image):
        before, self._thumbnail = self._thumbnail, cv2.resize(image, _THUMBNAIL, interpolation=cv2.INTER_AREA)
        return before is not None and float(cv2.absdiff(before, self._thumbnail).mean()) > CUT
