"""Many pictures through detector and system: small ones together, in order, the same as one by one."""
import threading
from collections import Counter

import cv2
import numpy as np
import pytest

from deeplandmark import Cascade, Faces
from deeplandmark.detectors import Detections
from deeplandmark.faces.many_pictures import BYTES_TOGETHER, PIXELS_HELD, TOGETHER
from deeplandmark.faces.synthetic import draw_face
from deeplandmark.running.batch import Summary, work_through
from deeplandmark.running.faces_in_picture import FaceFinder, Located
from deeplandmark.running.rows import json_rows
from deeplandmark.running.sources import Source


class Middle:
    """A detector of one box, as large as the picture, and a system of one point, its middle; both count."""

    def __init__(self):
        self.groups, self.options = [], []

    def detect(self, image):
        return Detections.of([[0, 0, image.shape[1], image.shape[0]]], [1])

    def locate_group(self, pictures, **options):
        self.groups.append(len(pictures))
        self.options.append(options)
        return [self.of(image, np.asarray(boxes)) for image, boxes in pictures]

    def of(self, image, boxes):
        if image.shape[1] == 66:
            return ValueError("no picture is 66 pixels wide")
        middle = (boxes[:, None, :2] + boxes[:, None, 2:]) / 2
        return Faces(middle, np.ones(middle.shape[:2], np.float32), boxes)


def pictures(folder, widths):
    for width in widths:
        cv2.imwrite(str(folder / f"{width}.png"), np.zeros((50, width), np.uint8))
    return [str(folder / f"{width}.png") for width in widths]


def test_small_pictures_are_taken_together_in_order(tmp_path):
    system, widths = Middle(), range(60, 100)
    found = list(FaceFinder(system, system).read(pictures(tmp_path, widths)))
    assert system.groups == [16, 16, 8] and system.options == [{}] * 3
    for width, located in zip(widths, found, strict=True):
        assert located.path == str(tmp_path / f"{width}.png")
        if width == 66:
            assert located.problem == f"{located.path}: no picture is 66 pixels wide"
        else:
            assert located.problem is None and located.image.shape == (50, width, 3)
            assert located.points.tolist() == [[[width / 2, 25]]]
            assert located.scores.tolist() == [1] and located.confidence.shape == (1, 1)


def test_what_cannot_be_read_is_told_in_its_place(tmp_path):
    paths = pictures(tmp_path, (60, 61))
    (tmp_path / "text.png").write_text("no picture")
    paths = [paths[0], tmp_path / "text.png", tmp_path / "no", paths[1]]
    found = list(FaceFinder(Middle(), Middle()).read(paths))
    assert [located.problem is None for located in found] == [True, False, False, True]
    assert "text.png: not a picture" in found[1].problem and "no: no such picture" in found[2].problem
    assert [each.points[0, 0, 0] for each in (found[0], found[3])] == [30, 30.5]


def test_of_large_pictures_few_are_held(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((PIXELS_HELD // 4000 + 10, 2000), np.uint8))   # over a half of them
    system = Middle()
    assert len(list(FaceFinder(system, system).read([tmp_path / "a.png"] * 5))) == 5
    assert system.groups == [2, 2, 1]


def test_levels_are_asked_for_only_when_told(tmp_path):
    system = Middle()
    list(FaceFinder(system, system, level=2).read(pictures(tmp_path, (60,))))
    assert system.options == [{"level": 2}]


@pytest.mark.parametrize("linked", [False, True])
def test_boxes_of_each_picture(tmp_path, linked, monkeypatch):
    """Named by their real paths, however the picture is named: from another folder, through links."""
    (tmp_path / "real").mkdir()
    pictures(tmp_path / "real", (60, 61))
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real" / "other.png").symlink_to("60.png")
    monkeypatch.chdir(tmp_path)
    boxes = {(tmp_path / "real" / "60.png").resolve(): [(1, 2, 31, 42), (0, 0, 10, 10)]}
    finder = FaceFinder(Middle(), None, boxes=boxes)
    folder = "link" if linked else "./real"
    found = list(finder.read([f"{folder}/60.png", f"{folder}/other.png", f"{folder}/61.png"]))
    for located in found[:2]:
        assert located.boxes.tolist() == [[1, 2, 31, 42], [0, 0, 10, 10]] and np.isnan(located.scores).all()
        assert located.points.tolist() == [[[16, 22]], [[5, 5]]]
    assert len(found[2].boxes) == 0 and found[2].problem is None


def test_boxes_that_were_not_meant_for_a_picture(tmp_path):
    path = pictures(tmp_path, (60,))[0]
    for box, says in (((60, 0, 90, 50), "lies outside the picture of 60 x 50"),
                      ((-100, 0, 160, 50), "more than 4 time")):
        finder = FaceFinder(Middle(), None, boxes={(tmp_path / "60.png").resolve(): [box]})
        problem = next(finder.read([path])).problem
        assert problem.startswith(f"{path}: box {box[0]},") and says in problem


def test_rows_are_those_of_one_picture_at_a_time(tmp_path):
    """But for the last digit: faces in one mosaic have other coordinates, and float32 rounds those otherwise."""
    cascade, boxes = Cascade.load(), {}
    for seed in range(TOGETHER + 4):
        image, _, box = draw_face(np.random.default_rng(seed))
        cv2.imwrite(str(tmp_path / f"{seed:02}.jpg"), image)
        box = box.as_array()
        boxes[(tmp_path / f"{seed:02}.jpg").resolve()] = [box, box + [3, -2, 3, -2]][:1 + seed % 2]
    for path, located in zip(boxes, FaceFinder(cascade, None, boxes=boxes, looks=1).read(map(str, boxes)),
                             strict=True):
        alone = cascade.locate(cv2.imread(str(path)), boxes[path])
        assert np.abs(located.points - alone.points).max() < 0.005
        assert np.abs(located.confidence - alone.confidence).max() < 0.001
        assert json_rows(located).count("\n") == len(boxes[path])


def run(sources, read, **options):
    taken = []
    summary = work_through(sources, len(sources), read, lambda each: taken.append(each.path), 2, "test", **options)
    return summary, taken


def located(path):
    return Located(path, np.zeros((1, 4), np.float32))


def test_videos_problems_and_what_is_done_keep_their_places(tmp_path, caplog):
    names = [f"{i:02}.png" for i in range(60)]
    names[20], names[40] = "film.mp4", "missing"
    sources = [Source(name, f"{name}: no such picture" if name == "missing" else None) for name in names]
    order, lock, threads = [], threading.Lock(), Counter()

    def read(paths):
        with lock:
            threads[threading.get_ident()] += 1
        return map(located, paths)

    def take_video(source, progress):
        order.append(len(order))
        return located(source.path)
    summary, taken = run(sources, read, is_done=lambda source: source.path == "07.png", take_video=take_video)
    assert taken == [name for name in names if name not in ("film.mp4", "missing", "07.png")]
    assert (summary.looked_at, summary.bad, summary.skipped, summary.faces) == (58, 1, 1, 58)
    assert summary.videos == 1 and summary.text(2.0).startswith("59 pictures and 1 video: 58 faces in 58, ")
    assert Summary(looked_at=1, videos=1).text(1).startswith("1 video: ")
    assert Summary().text(1).startswith("0 pictures: ")
    assert order == [0] and threading.get_ident() not in threads
    assert "test: missing: no such picture" in caplog.messages


def test_few_pictures_are_shared_between_the_threads_and_large_files_are_alone(tmp_path):
    groups = []

    def read(paths):
        groups.append(len(paths))
        return map(located, paths)
    run([Source(str(i)) for i in range(8)], read)
    assert groups == [4, 4]
    groups.clear()
    (tmp_path / "large.tif").write_bytes(bytes(BYTES_TOGETHER + 1))
    run([Source(str(tmp_path / "large.tif"))] * 3 + [Source(str(i)) for i in range(60)], read)
    assert sorted(groups) == [1, 1, 1, 12, 16, 16, 16]
