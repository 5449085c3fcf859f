"""A film with two faces that cross, one that leaves and returns, and a cut, followed by the published cascade."""
import cv2
import numpy as np
import pytest

from deeplandmark import Cascade
from deeplandmark.detectors import Detections
from deeplandmark.faces.synthetic import draw_face
from deeplandmark.running.faces_in_picture import FaceFinder
from deeplandmark.running.tracking import FaceTracker

RATE, WIDE, HIGH, SIDE = 25, 480, 200, 80


def sprite(seed):
    """A drawn face as a picture (h, w, 3), its points, and its box (4,), the box being SIDE wide."""
    image, points, box = draw_face(np.random.default_rng(seed))
    scale = SIDE / box.width
    image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    box, points = box.as_array() * scale, points * scale
    part = np.clip(np.array([box[0] - 12, box[1] - 24, box[2] + 12, box[3] + 16]), 0, None).astype(int)
    return image[part[1]:part[3], part[0]:part[2]], points - part[:2], box - np.tile(part[:2], 2)


class Film:
    """Frames by their number, and a detector that sees each face of which nothing hides the middle.

    Attributes
    ----------
    who : list of frames, each a list of (name, left of the sprite), those behind first
    """

    def __init__(self):
        self.faces = {"a": sprite(3), "b": sprite(8), "c": sprite(11)}
        cross = [[("a", 20 + 4 * i), ("b", 340 - 4 * i)] for i in range(80)]        # b passes before a
        leave = [[("a", 336), ("b", 24 - 6 * i)] for i in range(25)]                # b goes out to the left
        alone = [[("a", 336)] for _ in range(60)]
        back = [[("a", 336), ("b", -120 + 6 * i)] for i in range(25)]
        cut = [[("c", 200)] for _ in range(25)]
        self.who = cross + leave + alone + back + cut
        self.number = 0

    def frame(self, number):
        self.number = number
        bright = number >= len(self.who) - 25
        image = cv2.GaussianBlur(np.random.default_rng(bright).integers(
            *((150, 256) if bright else (0, 130)), (HIGH, WIDE, 3), dtype=np.uint8), (0, 0), 4)
        for name, left in self.who[number]:
            face = self.faces[name][0]
            first, last = max(left, 0), min(left + face.shape[1], WIDE)
            if last > first:
                image[30:30 + face.shape[0], first:last] = face[:, first - left:last - left]
        return image

    def truth(self):
        """{name: its points (5, 2)} of the faces that can be seen in the frame."""
        shown = self.who[self.number]
        found = {}
        for i, (name, left) in enumerate(shown):
            middle = left + self.faces[name][1][:, 0].mean()
            hidden = any(other < middle < other + self.faces[front][0].shape[1] for front, other in shown[i + 1:])
            if not hidden and 10 < middle < WIDE - 10:
                found[name] = self.faces[name][1] + [left, 30]
        return found

    def detect(self, image):
        boxes = [self.faces[name][2] + np.tile([left, 30], 2) for name, left in self.who[self.number]
                 if name in self.truth()]
        return Detections.of(boxes, np.arange(len(boxes), 0, -1))


@pytest.fixture(scope="module")
def followed():
    """[{name: number of the track on it} of each frame], and the numbers of tracks that are on no face."""
    film, found, ghosts = Film(), [], []
    tracker = FaceTracker(FaceFinder(Cascade.load(), film), RATE)
    for number in range(len(film.who)):
        located = tracker.locate("film", film.frame(number), number / RATE)
        here = {}
        for points, track in zip(located.points, located.tracks):
            near = {name: np.linalg.norm(points - true, axis=1).mean() for name, true in film.truth().items()}
            name = min(near, key=near.get, default=None)
            if name is not None and near[name] < 0.15 * SIDE:
                here[name] = int(track)
            else:
                ghosts.append(number)
        found.append(here)
    return found, ghosts


def numbers(found, name, start, stop):
    return {each[name] for each in found[start:stop] if name in each}


def test_faces_keep_their_numbers_when_they_cross(followed):
    found, _ = followed
    before = [numbers(found, name, 0, 25) for name in "ab"]
    assert all(len(each) == 1 for each in before) and before[0] != before[1]
    assert [numbers(found, name, 60, 80) for name in "ab"] == before
    assert all(len(each) == 2 for each in found[65:80])


def test_a_face_that_leaves_ends_and_one_that_comes_back_is_found(followed):
    found, _ = followed
    assert all("b" not in each and len(each) == 1 for each in found[105:160])
    assert all(len(each) == 2 for each in found[184:190]) and len(numbers(found, "a", 80, 190)) == 1


def test_after_a_cut_there_are_other_faces(followed):
    found, _ = followed
    assert all(set(each) == {"c"} for each in found[-25:]) and len(numbers(found, "c", -25, None)) == 1
    assert not numbers(found, "c", -25, None) & {*numbers(found, "a", 0, -25), *numbers(found, "b", 0, -25)}


def test_there_are_hardly_any_ghosts(followed):
    """Where one face hides the other, and where it slips out of the picture, a track may be on none for some frames."""
    _, ghosts = followed
    assert len(ghosts) <= 12, ghosts
