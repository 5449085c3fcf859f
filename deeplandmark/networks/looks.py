"""Looking at faces again: upright, in the box that the first answer says, and what all looks say together.

Networks are trained on faces that stand nearly upright in boxes of the training list's kind. A first answer from
another box, or of a tilted face, is less exact, but good enough to say where the face is (faces/upright.py); there the
whole system looks again, this time at the face mirrored: what a network errs by is partly of a side, and goes out of
the mean. Of two answers the mean counts, points and confidence alike, each by the odds of its face's
confidence,

    share of the new one = o' / (o' + o),   o = c / (1 - c),   c the mean confidence of the face's points,

unless the earlier look was taken in a frame far off the face and is less sure: it has only told where to look, and is
made up for by one more. A face that it is not sure of even then is looked at turned by 90, 180 and 270
degrees; the most confident of these goes on in the same way, and counts if its odds are UNLIKELY times as high as those
of the answer before: few faces are upside down in a picture, and a network may be sure of an upright one as if it were
(of a thousand held-back faces one had such an answer with a confidence of 0.94, 37 % off, instead of one of 0.69).

The numbers below were chosen by the wide cascade on the held-back faces of the training list. There the mean of two
looks by their odds has 1.010 % (0.60) where one has 1.026 % (0.62), and its confidence is as true as that of one look
without being fitted anew. A second look that is not mirrored has 1.009 % (0.62) there; of the small cascade 1.021 %
(0.66) instead of 1.016 % (0.68), and of the 68 points five, 1.63 % (1.48) instead of 1.59 % (1.24).
"""
from typing import NamedTuple

import cv2
import numpy as np

from deeplandmark.faces.augment import apply
from deeplandmark.faces.blank import blank
from deeplandmark.faces.points import FIVE_POINTS
from deeplandmark.faces.upright import (
    BOX,
    PATCH,
    Frames,
    cut_upright,
    frames_of_boxes,
    frames_of_points,
    matrices,
    misfit,
    patch_box,
)
from deeplandmark.networks.answers import Answers
from deeplandmark.networks.windows import around

LOOKS = 1, 2, "auto"
MOST = 3                    # looks in a row
FITS, OFF = 1.5, 2          # misfit of a frame in which there is little to gain; of one whose answer does not count
TURNS = np.array([90, 180, 270])
UNLIKELY = 10               # how much higher the odds of an answer found turned must be than of the one before
TILTED = 15                 # degrees: a face known to be turned by more is cut upright for the first look
REACH, MOST_KEPT = 2.5, 1_000_000   # boxes about a face in which it is looked for; pixels kept of one of many pictures


class Manner(NamedTuple):
    """How a system looks again.

    Attributes
    ----------
    sure, lost : float
        Confidence of a face that needs no second look, and below which it is looked at turned; 0 where confidence tells
        nothing of a face.
    side : int
        Of upright patches, pixels (see `faces.upright.patch_side`).
    """
    sure: float = 0.0
    lost: float = 0.0
    side: int = PATCH


def checked_looks(looks, known):
    """What was asked for, of those that a system knows: 1 for "auto" where there is only that.

    Raises
    ------
    ValueError
        For looks that there are not.
    """
    if looks not in LOOKS:
        raise ValueError(f"looks is 1, 2 or 'auto', found {looks!r}")
    if looks == 2 and looks not in known:
        raise ValueError("looks=2: the points of this model do not say which of them make the usual five, by which a "
                         "face is cut out upright")
    return looks if looks in known else 1


def checked_angles(angles, count):
    """Angles as float64 (n,), zeros for None. Raises ValueError for others than of so many boxes."""
    if angles is None:
        return np.zeros(count)
    angles = np.asarray(angles, np.float64)
    if angles.shape != (count,) or not np.isfinite(angles).all():
        raise ValueError(f"angles are (n,), finite, of n = {count} boxes; found shape {angles.shape}")
    return angles


def look_at(engine, pictures, level, looks, manner):
    """What looks find in some pictures.

    Parameters
    ----------
    engine : with `settings` (ModelSettings), and for one picture or several
        run(image, boxes, level) -> (levels, spread, confidence, first, ...) as in `Answers`
        run_many(list of (image, boxes), level) -> list of these
    pictures : list of (uint8 (h, w), boxes float64 (n, 4), angles float64 (n,), degrees as in `Frames`)
    level : int
    looks : 1, 2 or "auto"
    manner : Manner

    Returns
    -------
    list of (Answers, number of looks at each face, int (n,)), one a picture
    """
    boxes, angles = (np.concatenate([picture[i] for picture in pictures]) for i in (1, 2))
    angles = np.where(np.abs((angles + 180) % 360 - 180) > TILTED, angles, 0)
    if looks == 1 and not angles.any():                          # faces as they are, once
        answers, counts = _run(engine, [picture[:2] for picture in pictures], level), np.ones(len(boxes), int)
    else:
        images = [image for image, own, _ in pictures for _ in own]
        faces = _Faces(engine, level, images, frames_of_boxes(boxes, angles), manner)
        faces.begin(faces.look_first(pictures))
        if looks != 1 and len(images):
            faces.look_further(at_all=looks == 2)
        answers, counts = faces.answers, faces.looks
    if len(pictures) == 1:
        return [(answers, counts)]
    parts = [np.split(array, _stops(pictures)) for array in (*answers, counts)]
    return [(Answers(*answers), looks) for *answers, looks in zip(*parts)]


def look_at_many(engine, pictures, level, looks, manner):
    """As `look_at`, for an iterable of pictures, which are taken one at a time: no more of each is kept than is around
    its faces, and of small ones the faces go through the networks together."""
    results, parts, corners = [], [], []
    for image, boxes, angles in pictures:
        part, corner = around(image, boxes, REACH)
        if part.size > MOST_KEPT:
            results.append(look_at(engine, [(image, boxes, angles)], level, looks, manner)[0])
            continue
        results.append(None)
        parts.append((part if part.size > image.size / 2 else part.copy(), boxes - np.tile(corner, 2), angles))
        corners.append(corner)
    together = iter(look_at(engine, parts, level, looks, manner) if parts else ())
    moved = ((answers.moved(corner), count) for (answers, count), corner in zip(together, corners))
    return [next(moved) if result is None else result for result in results]


class _Faces:
    """n faces at work.

    Attributes
    ----------
    images : list of n pictures
    boxes : Frames, those that were given
    frames : Frames, in which each was looked at last
    answers : Answers
    looks : int (n,), how many each had
    """

    def __init__(self, engine, level, images, boxes, manner):
        self._engine, self._level, self.images, self.boxes, self._manner = engine, level, images, boxes, manner
        self._points = engine.settings.points

    def begin(self, answers):
        """With the answers of a first look in the boxes."""
        self.answers = Answers(*(np.array(array, np.float64) for array in answers))
        self.frames = Frames(*map(np.array, self.boxes))
        self.looks = np.ones(len(self.images), int)

    def chosen(self, faces):
        """_Faces of some of these, by their numbers."""
        some = _Faces(self._engine, self._level, [self.images[face] for face in faces], self.boxes.chosen(faces),
                      self._manner)
        some.begin(self.answers.chosen(faces))
        return some

    def look_further(self, at_all):
        """Again at those that can gain by it, or once at all; at those that are lost then, turned."""
        self._look_until_it_fits(at_all)
        lost = np.flatnonzero(self.answers.sure < self._manner.lost)
        if len(lost):
            self._look_turned(lost)

    def _look_until_it_fits(self, at_all=False):
        wanted = at_all | (self.answers.sure < self._manner.sure)
        for look in range(1, MOST):
            points = self.answers.levels[:, -1]
            frames = frames_of_points(points if self._points == FIVE_POINTS else self._points.to_five(points))
            off = misfit(self.frames, frames)
            again = np.flatnonzero((off > FITS) | wanted)
            again = again[frames.chosen(again).usable] if len(again) else again
            if not len(again):
                break
            frames, off = frames.chosen(again), off[again]
            mirrored = look % 2 == 1                             # every other one
            new, old = self.look(again, frames, mirrored), self.answers.chosen(again)
            odds, before = _odds(new.sure), _odds(old.sure)
            share = np.where((off > OFF) & (odds > before), 1, odds / (odds + before))
            self._take(again, old.mixed(new, share), frames, 1)
            wanted = np.isin(np.arange(len(self.images)), again[off > OFF])

    def _look_turned(self, lost):
        """At some faces, by their numbers, in the boxes that were given, turned."""
        boxes = self.boxes.chosen(np.repeat(lost, len(TURNS)))
        boxes = boxes._replace(angles=boxes.angles + np.tile(TURNS, len(lost)))
        turned = _Faces(self._engine, self._level, [self.images[face] for face in lost for _ in TURNS], boxes,
                        self._manner)
        turned.begin(turned.look(range(len(boxes.angles)), boxes))
        best = turned.answers.sure.reshape(len(lost), len(TURNS)).argmax(axis=1)
        turned = turned.chosen(best + len(TURNS) * np.arange(len(lost)))
        turned._look_until_it_fits()
        self.looks[lost] += turned.looks - 1 + len(TURNS)
        better = (turned.answers.sure > self._manner.lost) & (
            _odds(turned.answers.sure) > UNLIKELY * _odds(self.answers.sure[lost]))
        self._take(lost[better], turned.answers.chosen(better), turned.frames.chosen(better), 0)

    def _take(self, faces, answers, frames, looks):
        for arrays, new in ((self.answers, answers), (self.frames, frames)):
            for array, own in zip(arrays, new):
                array[faces] = own
        self.looks[faces] += looks

    def look_first(self, pictures):
        """A first look, in the boxes of some pictures as they are; at faces that are known to be turned, upright."""
        turned = np.flatnonzero(self.boxes.angles)
        if not len(turned):
            return self._run([picture[:2] for picture in pictures])
        upright = np.split(self.boxes.angles == 0, _stops(pictures))
        answers = self._run([(image, boxes[own]) for (image, boxes, _), own in zip(pictures, upright)])
        whole = Answers(*(np.empty((len(self.images), *array.shape[1:])) for array in answers))
        for array, as_they_are, others in zip(whole, answers, self.look(turned, self.boxes.chosen(turned))):
            array[self.boxes.angles == 0], array[turned] = as_they_are, others
        return whole

    def look(self, faces, frames, mirrored=False):
        """Answers of some faces in frames, in pixels of their pictures."""
        side = self._manner.side
        turns, box = matrices(frames, side, mirrored), patch_box(side)[None]
        found = self._run([(cut_upright(self.images[face], matrix, side), box)
                           for face, matrix in zip(faces, turns)])
        if mirrored:
            found = found.mirrored(self._points.mirror)
        turns = [cv2.invertAffineTransform(matrix) for matrix in turns]
        levels, first = (np.stack([apply(*pair) for pair in zip(turns, each)]) for each in (found.levels, found.first))
        return Answers(levels, found.spread * (frames.sides / BOX)[:, None, None], found.confidence, first)

    def _run(self, pictures):
        return _run(self._engine, pictures, self._level)


def _run(engine, pictures, level):
    """Answers of the faces of some (picture, boxes), one after another."""
    found = [engine.run(*pictures[0], level)] if len(pictures) == 1 else engine.run_many(pictures, level)
    found = [_sure_where_there_is_something(Answers(*each[:4]), *picture) for each, picture in zip(found, pictures)]
    return found[0] if len(found) == 1 else Answers(*(np.concatenate(arrays) for arrays in zip(*found)))


def _sure_where_there_is_something(answers, image, boxes):
    """Answers for boxes (n, 4) with a confidence of 0 where the picture is of one colour."""
    nothing = blank(image, answers.levels[:, -1], boxes[:, 2] - boxes[:, 0])
    return answers._replace(confidence=np.where(nothing, 0, answers.confidence)) if nothing.any() else answers


def _stops(pictures):
    """Where the faces of all pictures but the first begin."""
    return np.cumsum([len(boxes) for _, boxes, _ in pictures])[:-1]


def _odds(probability):
    probability = np.clip(probability, 1e-6, 1 - 1e-6)
    return probability / (1 - probability)
