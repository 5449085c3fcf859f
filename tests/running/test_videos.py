"""Videos: steady points, faces followed between detections, files whole or not at all."""

import cv2
import numpy as np
import pytest

from deeplandmark.detectors import Detections
from deeplandmark.faces.errors import PictureError
from deeplandmark.faces.points import FIVE_POINTS
from deeplandmark.running import tracking
from deeplandmark.running.faces_in_picture import FaceFinder
from deeplandmark.running.one_euro import OneEuroFilter
from deeplandmark.running.row_file import RowStream
from deeplandmark.running.rows import JSON_LINES
from deeplandmark.running.tracking import FaceTracker
from deeplandmark.running.video import VideoReader, VideoWriter, has_screen
from deeplandmark.running.video_run import VideoRun
from deeplandmark.work.progress import Progress

RATE = 30.0
DETECT_EVERY, DETECT_EVERY_WITHOUT_FACE = (round(RATE * seconds) for seconds in (
    tracking.DETECT_EVERY, tracking.DETECT_EVERY_WITHOUT_FACE))  # frames
MEAN_FACE = np.array([[27, 26], [74, 25], [50, 52], [31, 77], [71, 76]]) / 100  # in the list's box


def test_one_euro_against_its_paper():
    """The filter of one number as the paper's appendix writes it, in plain steps."""
    rng = np.random.default_rng(0)
    rate, min_cutoff, beta, length = 30.0, 1.2, 4.0, 2.0
    signal = np.cumsum(rng.normal(0, 0.3, 200))
    smooth = OneEuroFilter(rate, min_cutoff, beta)
    value, slope = signal[0], 0.0

    def alpha(cutoff):
        tau = 1 / (2 * np.pi * cutoff)
        return 1 / (1 + tau * rate)

    for i, sample in enumerate(signal):
        if i:
            slope = alpha(1.0) * (sample - value) * rate / length + (1 - alpha(1.0)) * slope
            share = alpha(min_cutoff + beta * abs(slope))
            value = share * sample + (1 - share) * value
        np.testing.assert_allclose(smooth([[sample, 0]], length), [[value, 0]], atol=1e-12)


def test_a_still_face_is_steadier_and_a_moving_one_hardly_lags():
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 0.5, (300, 5, 2))
    smooth = OneEuroFilter(30)
    still = np.array([smooth(100 + sample, length=100) for sample in noise])[30:]
    assert still.std() < 0.5 * noise.std()
    smooth = OneEuroFilter(30)
    speed = 100 / 30  # a face width a second
    lag = [speed * i - smooth(np.full((5, 2), speed * i), length=100).mean() for i in range(60)]
    assert abs(lag[-1]) < 1.5  # % of the face's width


class Scene:
    """Frames with faces at known boxes; detector and cascade that know them."""
    points = FIVE_POINTS

    def __init__(self, boxes_of_frame):
        self.boxes_of_frame, self.number, self.detections = boxes_of_frame, -1, 0

    def frame(self):
        self.number += 1
        return np.full((240, 320, 3), 100, np.uint8)

    def detect(self, image):
        self.detections += 1
        boxes = self.boxes_of_frame(self.number)
        return Detections.of(boxes, np.arange(len(boxes), 0, -1))

    def locate(self, image, boxes):
        """The face nearest to each box, in 5 points, wherever it really is."""
        truth = np.array(self.boxes_of_frame(self.number), np.float64).reshape(-1, 4)
        boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
        near = [truth[np.abs(truth - box).sum(1).argmin()] if len(truth) else box for box in boxes]
        points = np.array([box[:2] + MEAN_FACE * (box[2:] - box[:2]) for box in near], np.float32).reshape(-1, 5, 2)

        class Faces:
            confidence, pose = np.ones(points.shape[:2], np.float32), None
        Faces.points = points
        return Faces

    def follow(self, frames, **options):
        tracker = FaceTracker(FaceFinder(self, self, **options), 30.0, steady=False)
        return [tracker.locate("film", self.frame()) for _ in range(frames)]


def moving(number):
    return [[20 + 3 * number, 50, 90 + 3 * number, 120]]


def test_a_moving_face_is_followed_between_detections():
    scene = Scene(moving)
    found = scene.follow(50)
    assert scene.detections == 50 // DETECT_EVERY
    for number, located in enumerate(found):
        (box,) = moving(number)
        np.testing.assert_allclose(located.points, [np.array(box[:2]) + MEAN_FACE * 70], atol=1e-3)
        assert located.scores.tolist() == [1] and located.image is not None


def test_frames_without_faces_then_one_appears_and_leaves():
    scene = Scene(lambda number: [[50, 50, 120, 120]] if 20 <= number < 60 else [])
    counts = [len(located.boxes) for located in scene.follow(120)]
    late = DETECT_EVERY_WITHOUT_FACE
    assert counts[:20] == [0] * 20 and counts[20 + late:60] == [1] * (40 - late)
    assert counts[60 + 3 * DETECT_EVERY:] == [0] * (60 - 3 * DETECT_EVERY)


def test_without_a_face_the_detector_is_asked_more_often():
    scene = Scene(lambda number: [])
    scene.follow(5 * DETECT_EVERY_WITHOUT_FACE)
    assert scene.detections == 5


def test_a_face_is_followed_up_to_the_edge_of_the_picture():
    """Pictures are 320 wide and 240 high."""
    right = Scene(lambda number: [[265, 20, 315, 70]])
    assert [len(located.boxes) for located in right.follow(12)] == [1] * 12
    sinking = Scene(lambda number: [[20, 150 + 12 * number, 60, 190 + 12 * number]])
    # The nose, y = 150 + 0.52 * 40, is the third point to leave: in frame 6.
    assert [len(located.boxes) for located in sinking.follow(12)] == [1] * 6 + [0] * 6


def test_points_that_run_from_their_box_are_dropped():
    scene = Scene(lambda number: [[20, 20, 90, 90]])
    scene.locate = lambda image, boxes: Scene(lambda number: np.asarray(boxes) + [60, 0, 60, 0]).locate(image, boxes)
    assert [len(located.boxes) for located in scene.follow(2)] == [0, 0]


def test_a_wrong_box_seen_once_ends_with_the_next_detection():
    scene = Scene(lambda number: [[20, 20, 90, 90]] + ([[200, 100, 260, 160]] if number == 0 else []))
    scene.locate = lambda image, boxes: Scene(lambda number: boxes).locate(image, boxes)
    counts = [len(located.boxes) for located in scene.follow(2 * DETECT_EVERY)]
    assert counts == [2] * DETECT_EVERY + [1] * DETECT_EVERY


def test_a_face_that_the_detector_often_misses_is_kept_while_it_is_seen_now_and_then():
    scene = Scene(lambda number: [[20, 20, 90, 90]])
    detect, seen = scene.detect, [1, 1, 1, 0, 0, 1, 0, 0, 1, 0, 0, 0]
    scene.detect = lambda image: detect(image).chosen(np.arange(seen[min(scene.detections, len(seen)) - 1]))
    counts = [len(located.boxes) for located in scene.follow(DETECT_EVERY * len(seen))]
    assert counts == [1] * DETECT_EVERY * (len(seen) - 1) + [0] * DETECT_EVERY      # lost the third time in a row


def test_each_face_has_the_score_of_its_own_last_detection():
    scene = Scene(lambda number: [[20, 20, 90, 90], [150, 50, 230, 130]])
    scores = iter([[5, 4], [2, 3], [1, 6]])
    scene.detect = lambda image: Detections.of(scene.boxes_of_frame(0), next(scores))
    found = scene.follow(2 * DETECT_EVERY + 1)
    for number, expected in ((0, [5, 4]), (DETECT_EVERY - 1, [5, 4]), (DETECT_EVERY, [2, 3]),
                             (2 * DETECT_EVERY, [1, 6])):
        assert found[number].scores.tolist() == expected
        assert found[number].boxes[0, 0] < 100


def test_a_face_twice_as_large_is_steadied_twice_as_much():
    """What trembles in proportion to the face is filtered in proportion: speeds are measured in its widths."""
    tremble, found = np.random.default_rng(5).normal(0, 1, 40), []
    for scale in (1, 2):
        scene = Scene(lambda number, scale=scale: [scale * (np.array([20, 20, 90, 90]) + number + tremble[number])])
        tracker = FaceTracker(FaceFinder(scene, scene), 30.0)
        found.append(np.array([tracker.locate("film", scene.frame()).points[0] for _ in range(40)]))
    np.testing.assert_allclose(found[1], 2 * found[0], atol=0.01)
    truth = 20 + np.arange(40)[:, None, None] + tremble[:, None, None] + 70 * MEAN_FACE
    assert np.abs(found[0] - truth).max() > 0.3                  # it does filter


def test_a_cut_asks_the_detector_at_once():
    scene = Scene(lambda number: [[20, 20, 90, 90]] if number < 5 else [[200, 100, 290, 190]])
    frame = scene.frame
    scene.frame = lambda: frame() // (1 if scene.number < 5 else 3)
    found = scene.follow(8)
    assert scene.detections == 2
    np.testing.assert_allclose(found[5].boxes, [[200, 100, 290, 190]])


def test_max_faces_and_two_tracks_of_one_face():
    scene = Scene(lambda number: [[10, 10, 60, 60], [100, 10, 200, 110], [220, 10, 280, 70]])
    assert [len(located.boxes) for located in scene.follow(25, max_faces=1)] == [1] * 25
    late = 2 * DETECT_EVERY
    growing = Scene(lambda number: [[10, 10, 60, 60]] + [[100, 10, 200, 110]] * (number >= late))
    kept = growing.follow(late + 5, max_faces=1)[late:]          # a larger face comes: the one that is followed stays
    assert all(located.boxes.shape == (1, 4) and located.boxes[0, 0] < 50 for located in kept)
    merging = Scene(lambda number: [[10 + min(4 * number, 100), 10, 110 + min(4 * number, 100), 110],
                                    [110, 10, 210, 110]])
    assert len(merging.follow(40)[-1].boxes) == 1


def test_a_ghost_ends_soon():
    """A box that grows by 10 % a frame, or points that are not believed, between two detections."""
    growing = Scene(lambda number: [[100, 60, 160, 120]] if number == 0 else [])
    growing.locate = lambda image, boxes: Scene(lambda number: [
        box + 0.06 * (box[2] - box[0]) * np.array([-1, -1, 1, 1]) for box in boxes]).locate(image, boxes)
    counts = [len(located.boxes) for located in growing.follow(DETECT_EVERY)]
    assert counts[:3] == [1, 1, 1] and counts[6:] == [0] * (DETECT_EVERY - 6)
    doubtful = Scene(lambda number: [[100, 60, 160, 120]])
    locate = doubtful.locate

    def unsure(image, boxes):
        faces = locate(image, boxes)
        faces.confidence[:] = 0.2 if doubtful.number in (2, 3, 5, 6, 7) else 0.9
        return faces
    doubtful.locate = unsure
    assert [len(located.boxes) for located in doubtful.follow(9)] == [1] * 7 + [0] * 2


@pytest.mark.parametrize("every", [1, 5, 25])
def test_the_detector_is_asked_by_time_however_many_frames_are_looked_at(every):
    """A face that comes after 4 seconds of 25 frames each and stays for as long."""
    scene = Scene(lambda number: [[50, 50, 120, 120]] if 100 <= number < 200 else [])
    tracker = FaceTracker(FaceFinder(scene, scene), 25 / every, steady=False)
    seen = []
    for number in range(0, 300, every):
        scene.number = number
        located = tracker.locate("film", np.full((240, 320, 3), 100, np.uint8), number / 25)
        assert located.time == number / 25
        seen += [located.time] * len(located.boxes)
    late = max(0.1, every / 25)
    assert 4 <= seen[0] <= 4 + late and 8 - 2 * late <= seen[-1] <= 8 + 3 * max(1 / 3, every / 25)


def film(path, frames=12, size=(64, 48)):
    writer = VideoWriter(path, 10.0)
    for number in range(frames):
        writer.write(np.full((size[1], size[0], 3), 20 * number, np.uint8))
    writer.finish()
    return str(path)


def test_videos_in_and_out(tmp_path):
    path = film(tmp_path / "new" / "film.mp4")
    reader = VideoReader(path)
    assert (reader.rate, reader.count) == (10, 12)
    for number, time, image in reader:
        assert time == pytest.approx(number / 10)
        assert image.shape == (48, 64, 3) and abs(int(image.mean()) - 20 * number) < 8
    assert number == 11
    third = VideoReader(path, every=3)
    assert [number for number, _, _ in third] == [0, 3, 6, 9]
    assert third.count == 4 and third.rate == pytest.approx(10 / 3)


def test_a_drawn_film_keeps_its_times(tmp_path):
    """Frames come when they did, though the rate of an .mp4 is the same throughout."""
    writer = VideoWriter(tmp_path / "film.mp4", 10.0)
    for value, time in ((20, 0.0), (60, 0.1), (100, 0.5), (140, 0.53), (180, 0.61), (220, 0.7)):
        writer.write(np.full((48, 64, 3), value, np.uint8), time)
    writer.finish()
    shown = [int(image.mean()) for _, _, image in VideoReader(str(tmp_path / "film.mp4"))]
    np.testing.assert_allclose(shown, [20, 60, 60, 60, 60, 100, 180, 220], atol=8)


def test_a_video_that_is_dropped_leaves_nothing(tmp_path):
    writer = VideoWriter(tmp_path / "film.mp4", 10)
    writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.drop()
    assert list(tmp_path.iterdir()) == []


def test_no_video_and_no_camera(tmp_path):
    (tmp_path / "film.mp4").write_bytes(b"no film")
    with pytest.raises(PictureError, match="film.mp4: not a video"):
        VideoReader(str(tmp_path / "film.mp4"))
    with pytest.raises(PictureError, match="camera 99: there is none"):
        VideoReader(99)


def test_no_window_without_a_display(monkeypatch):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert not has_screen()
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "  GUI:                           NONE\n")
    monkeypatch.setenv("DISPLAY", ":0")
    assert not has_screen()
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "  GUI:                           QT5\n")
    assert has_screen()


def test_a_film_from_end_to_end(tmp_path, capsys, caplog):
    caplog.set_level("INFO", "deeplandmark")
    scene = Scene(lambda number: [[10, 5, 40, 35]])
    run = VideoRun(FaceFinder(scene, scene), [RowStream(JSON_LINES, 5)])
    most = run.file(film(tmp_path / "film.mp4"), tmp_path / "drawn.mp4", Progress("pictures", 1))
    printed = capsys.readouterr()
    assert len(most.boxes) == 1 and len(printed.out.splitlines()) == 12 and '"frame": 11' in printed.out
    assert "film.mp4: 12 frames, " in caplog.text and VideoReader(str(tmp_path / "drawn.mp4")).count == 12
    missing = run.file(str(tmp_path / "none.mp4"), None, Progress("pictures", 1))
    assert missing.problem.endswith("not a video that OpenCV can read")
