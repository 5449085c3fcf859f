"""Faces followed through a video.

The points of one frame say where to look in the next, a detector is asked now and then. A face that is no longer
followed is remembered for a while by where it was going: behind another face, it has its number again when it comes
out.
"""

from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from deeplandmark.detectors import Detections, intersection_over_union, largest
from deeplandmark.faces.box_of_points import boxes_of_points
from deeplandmark.faces.upright import frames_of_points
from deeplandmark.running.one_euro import OneEuroFilter

DETECT_EVERY, DETECT_EVERY_WITHOUT_FACE = 1 / 3, 0.1    # seconds; the second also while a face is remembered
MISSES = 2               # detections in a row that may fail to see a face, once it was seen twice
SAME_FACE = 0.3          # overlap of two boxes of one face in neighbouring frames
CUT = 30.0               # mean difference of two frames, of 255, between which the scene changed
DOUBT, DOUBTFUL = 0.3, 3    # confidence of no face, and for how many frames in a row a track may have it
GROWTH = 1.5             # times its size at its last detection beyond which a box follows no face any more
REMEMBERED = 2.0         # seconds
_THUMBNAIL = (32, 24)
_SETTLED = 0.15          # seconds over which the speed of a face is averaged


@dataclass
class Track:
    """A face that is being followed from frame to frame; box and score as in Detections."""
    number: int
    box: np.ndarray      # (4,) where to look in the next frame
    score: float         # of its last detection
    smooth: OneEuroFilter
    time: float          # seconds, of its last frame
    angle: float = 0.0   # degrees, how far it is turned: see Frames
    seen: int = 1        # how many detections saw it
    misses: int = 0      # how many have not, since
    doubts: int = 0      # frames in a row with a confidence below DOUBT
    side: float = 0.0    # of its box, at its last detection
    velocity: np.ndarray = field(default_factory=lambda: np.zeros(2))    # pixels a second

    @property
    def is_lost(self):
        """Whether (bool) too many detections in a row have not seen the face."""
        return self.misses > min(MISSES, self.seen - 1)

    def off(self, box, time):
        """How far a box (4,) is from where the face was going, in widths of the box (float)."""
        expected = _middle(self.box) + self.velocity * (time - self.time)
        return float(np.linalg.norm(_middle(box) - expected) / (box[2] - box[0]))

    def move(self, box, angle, time):
        """Takes the box (4,) and the angle of a frame's points."""
        if time > self.time:
            share = 1 - np.exp((self.time - time) / _SETTLED)
            self.velocity = self.velocity + share * ((_middle(box) - _middle(self.box)) / (time - self.time)
                                                     - self.velocity)
        self.box, self.angle, self.time = box, angle, time


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
        self._tracks, self._remembered, self._count = [], [], 0
        self._next_detection, self._frame, self._time, self._thumbnail = 0.0, 0, 0.0, None

    def locate(self, path, image, time=None):
        """`Located` of the next frame, uint8 (h, w, 3), with its `time` and the numbers of its `tracks`; its time is
        in seconds, and by default as the rate has it."""
        before, self._time = self._time, self._frame / self.rate if time is None else time
        if self._time > before:
            for track in self._tracks:
                track.smooth.rate = 1 / (self._time - before)
        if self._is_cut(image):
            self._tracks, self._remembered, self._next_detection = [], [], self._time
        self._remembered = [track for track in self._remembered if self._time - track.time <= REMEMBERED]
        if self._time + 0.5 / self.rate >= self._next_detection:
            self._detect(image)
            is_calm = self._tracks and not self._remembered
            self._next_detection = self._time + (DETECT_EVERY if is_calm else DETECT_EVERY_WITHOUT_FACE)
        self._frame += 1
        boxes = np.array([track.box for track in self._tracks], np.float32).reshape(-1, 4)
        scores = np.array([track.score for track in self._tracks], np.float32)
        angles = np.array([track.angle for track in self._tracks])
        return self._follow(self.finder.locate(path, image, Detections(boxes, scores), angles))

    def _detect(self, image):
        """New faces become tracks, or go on with those that are remembered; tracks that the detector has not seen for a
        while end."""
        found = largest(self.finder.detector.detect(image), self.finder.max_faces)
        angles = np.zeros(len(found.boxes)) if found.points is None else frames_of_points(found.points).angles
        overlap = intersection_over_union([track.box for track in self._tracks], found.boxes)
        for track, overlaps in zip(self._tracks, overlap):
            if overlaps.max(initial=0) >= SAME_FACE:
                best = overlaps.argmax()
                track.score, track.seen, track.misses = float(found.scores[best]), track.seen + 1, 0
                track.side = _side(found.boxes[best])
            else:
                track.misses += 1
        new = [i for i in range(len(found.boxes)) if overlap[:, i].max(initial=0) < SAME_FACE]
        self._end([track.is_lost for track in self._tracks])
        self._tracks += [self._begun(found.boxes[i], float(found.scores[i]), float(angles[i])) for i in new]
        if self.finder.max_faces is not None:
            del self._tracks[self.finder.max_faces:]

    def _begun(self, box, score, angle):
        """The Track of a face that is not followed: the remembered one that was going there, or a new one."""
        likely = [track for track in self._remembered if track.off(box, self._time) < 1]
        if likely:
            track = min(likely, key=lambda each: each.off(box, self._time))
            self._remembered = [each for each in self._remembered if each is not track]
            return replace(track, box=box, score=score, angle=angle, smooth=OneEuroFilter(self.rate), time=self._time,
                           seen=track.seen + 1, misses=0, doubts=0, side=_side(box))
        self._count += 1
        return Track(self._count, box, score, OneEuroFilter(self.rate), self._time, angle, side=_side(box))

    def _follow(self, located):
        """Steadies the points and prepares the next frame's boxes; ends tracks whose face has gone."""
        five, points = self._five(located.points), located.points.copy()
        boxes = boxes_of_points(five)
        angles = frames_of_points(five).angles if five.shape[1] == 5 else np.zeros(len(boxes))
        off = [track.off(box, self._time) if _side(box) > 0 else np.inf for track, box in zip(self._tracks, boxes)]
        gone = [not self._is_there(*each, located.image) for each in zip(self._tracks, boxes, *(
            getattr(located, name) for name in ("boxes", "points", "confidence")))]
        for i, track in enumerate(self._tracks):
            if self.steady:
                points[i] = track.smooth(located.points[i], located.boxes[i, 2] - located.boxes[i, 0])
        gone = self._without_doubles(boxes, off, gone)
        for i, track in enumerate(self._tracks):
            if not gone[i]:
                track.move(boxes[i], float(angles[i]), self._time)
        numbers = np.array([track.number for track in self._tracks], int)
        kept = np.flatnonzero(~np.array(gone, bool))
        self._end(gone)
        return replace(located, boxes=located.boxes[kept], points=points[kept], confidence=located.confidence[kept],
                       scores=located.scores[kept], tracks=numbers[kept], time=self._time,
                       pose=None if located.pose is None else located.pose[kept])

    def _five(self, points_px):
        """The usual five of points (n, k, 2), for which boxes were measured; all points of a set that does not tell."""
        known = self.finder.system.points
        return known.to_five(points_px) if known.five else points_px

    def _is_there(self, track, next_box, box, points, confidence, image):
        """Whether the points stayed near the box (4,) they were looked for in, most of them in the picture, are
        believed, and make a box not much larger than at the last detection."""
        track.doubts = track.doubts + 1 if confidence.mean() < DOUBT else 0
        height, width = image.shape[:2]
        inside = ((points >= -0.5) & (points < [width - 0.5, height - 0.5])).all(axis=1).mean() > 0.5
        near = intersection_over_union(box, next_box)[0, 0] >= SAME_FACE
        return bool(near and inside and _side(next_box) <= GROWTH * track.side and track.doubts < DOUBTFUL)

    def _without_doubles(self, boxes, off, gone):
        """`gone` with those tracks that have come to follow another one's face: of two in one place the one that is
        further from where it was going, or else the newer."""
        gone, overlap = list(gone), intersection_over_union(boxes, boxes)
        for i in range(len(boxes)):
            for j in range(i):
                if not (gone[i] or gone[j]) and overlap[i, j] >= 2 * SAME_FACE:
                    gone[j if off[j] > off[i] + 0.05 else i] = True
        return gone

    def _end(self, gone):
        """Goes on without the tracks that are gone (bool each), but remembers those that were seen more than once."""
        ended = [track for track, is_gone in zip(self._tracks, gone) if is_gone]
        self._remembered += [track for track in ended if track.seen > 1]
        self._tracks = [track for track, is_gone in zip(self._tracks, gone) if not is_gone]

    def _is_cut(self, image):
        before, self._thumbnail = self._thumbnail, cv2.resize(image, _THUMBNAIL, interpolation=cv2.INTER_AREA)
        return before is not None and float(cv2.absdiff(before, self._thumbnail).mean()) > CUT


def _middle(box):
    return (box[:2] + box[2:]) / 2


def _side(box):
    return float(box[2] - box[0])
