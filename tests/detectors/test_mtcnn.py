"""MTCNN, as it runs, against the same steps written as plain loops over Caffe's networks, which see the picture
transposed as the public ones do."""
import json
import math

import cv2
import numpy as np
import pytest

import deeplandmark.caffe as caffe
from deeplandmark.detect import main as detect
from deeplandmark.detector_training.nets import NETS, render
from deeplandmark.detectors import Detections, MtcnnDetector, box_map, load_detector
from deeplandmark.detectors.mtcnn import brightened
from deeplandmark.detectors.pyramid import pyramid, sheets
from deeplandmark.faces.errors import FacesError
from deeplandmark.faces.quick_cutting import WindowCutter
from deeplandmark.faces.synthetic import draw_face
from deeplandmark.models import detectors as caffe_models

MIN_FACE = 0.2
THRESHOLDS = (0.6, 0.7, 0.7)


def untrained(net, seed):
    """A Caffe net whose answers spread over the range of trained ones'."""
    made = caffe.Net(render(net, "deploy"), caffe.TEST)
    rng = np.random.default_rng(seed)
    for name, blobs in made.params.items():
        shape = blobs[0].data.shape
        size = {net.heads["box"]: 0.05, net.heads["points"]: 0.3, net.heads["class"]: 1.0}.get(name, 2.0)
        if len(shape) > 1:
            blobs[0].data = rng.normal(0, size / math.sqrt(np.prod(shape[1:])), shape)
        if name == net.heads["points"]:
            blobs[1].data = rng.uniform(0.2, 0.8, 10)
        if name == net.heads["class"] and net.name != "p":
            blobs[1].data = [0, 1]               # R and O let some of the windows through
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """det1, det2, det3, untrained."""
    folder = tmp_path_factory.mktemp("public")
    for number, net in enumerate(NETS, 1):
        (folder / f"det{number}.prototxt").write_text(render(net, "deploy"))
        untrained(net, 10 + number).save(str(folder / f"det{number}.caffemodel"))
    return folder


@pytest.fixture(scope="module")
def image():
    return np.hstack([draw_face(np.random.default_rng(seed))[0][:200, :160] for seed in (4, 17)])


def answers(folder, number, windows):
    """Probability of a face, offsets and points (if any) of windows (n, h, w, 3), blue green red, as the public code
    asks: red green blue, columns before rows."""
    net = caffe.Net(str(folder / f"det{number}.prototxt"), str(folder / f"det{number}.caffemodel"), caffe.TEST)
    data = (np.array(windows, np.float32)[..., ::-1].transpose(0, 3, 2, 1) - 127.5) * 0.0078125
    net.blobs["data"].reshape(*data.shape)
    net.reshape()
    found = net.forward(data=data)
    heads = NETS[number - 1].heads
    return found["prob1"][:, 1], found[heads["box"]], found.get(heads["points"])


def overlap(a, b, by_smaller=False):
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(0, width) * max(0, height)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return shared / (min(areas) if by_smaller else sum(areas) - shared)


def suppress(faces, most, by_smaller=False):
    """Dicts with box and score."""
    kept = []
    for face in sorted(faces, key=lambda face: -face["score"]):
        if all(overlap(face["box"], other["box"], by_smaller) <= most for other in kept):
            kept.append(face)
    return kept


def regress(face):
    left, top, right, bottom = face["box"]
    dx1, dy1, dx2, dy2 = (float(value) for value in face["offsets"])
    width, height = right - left, bottom - top
    return [left + dx1 * width, top + dy1 * height, right + dx2 * width, bottom + dy2 * height]


def squared(box):
    left, top, right, bottom = box
    side = max(right - left, bottom - top)
    left, top = left + (right - left) / 2 - side / 2, top + (bottom - top) / 2 - side / 2
    return [left, top, left + side, top + side]


def first_stage(folder, image):
    height, width = image.shape[:2]
    scale, faces, level = 12 / (MIN_FACE * min(height, width)), [], image
    while level.shape[0] * level.shape[1] > 4 * height * scale * width * scale:
        level = cv2.resize(level[:level.shape[0] // 2 * 2, :level.shape[1] // 2 * 2], None, fx=0.5, fy=0.5,
                           interpolation=cv2.INTER_AREA)
    while min(height, width) * scale >= 9:
        columns, rows = math.ceil(width * scale), math.ceil(height * scale)
        level = cv2.resize(level, (columns, rows), interpolation=cv2.INTER_AREA)
        around = cv2.copyMakeBorder(level, 4, 4 + rows % 2, 4, 4 + columns % 2, cv2.BORDER_CONSTANT)
        probability, offsets, _ = answers(folder, 1, around[None])
        here = []
        for x in range(probability.shape[1]):
            for y in range(probability.shape[2]):
                if probability[0, x, y] >= THRESHOLDS[0]:
                    here.append({"box": [2 * x, 2 * y, 2 * x + 12, 2 * y + 12], "score": probability[0, x, y],
                                 "offsets": offsets[0, :, x, y]})
        for face in suppress(here, 0.5):
            left, top, right, bottom = face["box"]
            box = [(left - 4) * width / columns - 0.5, (top - 4) * height / rows - 0.5,
                   (right - 4) * width / columns - 0.5, (bottom - 4) * height / rows - 0.5]
            faces.append({**face, "box": box})
        scale *= 0.709
    return [squared(regress(face)) for face in suppress(faces, 0.7)]


def later_stage(folder, number, size, image, boxes):
    boxes = [box for box in boxes if min(box[2] - box[0], box[3] - box[1]) >= 1 / 16]
    windows = [WindowCutter(image).cut([box], size)[0] for box in boxes]
    probability, offsets, points = answers(folder, number, windows)
    return [{"box": box, "score": probability[i], "offsets": offsets[i],
             "points": None if points is None else points[i]}
            for i, box in enumerate(boxes) if probability[i] >= THRESHOLDS[number - 1]]


def by_loops(folder, image):
    """(boxes, scores, points) and how many windows each stage saw."""
    image = brightened(image)
    boxes = first_stage(folder, image)
    counts = [len(boxes)]
    faces = later_stage(folder, 2, 24, image, boxes)
    boxes = [squared(regress(face)) for face in suppress(faces, 0.7)]
    counts.append(len(boxes))
    faces = later_stage(folder, 3, 48, image, boxes)
    for face in faces:
        left, top, right, bottom = face["box"]
        face["places"] = [(left + face["points"][i] * (right - left), top + face["points"][i + 5] * (bottom - top))
                          for i in range(5)]
        face["box"] = regress(face)
    faces = suppress(faces, 0.7, by_smaller=True)
    return [np.array([face[key] for face in faces]) for key in ("box", "score", "places")], counts


def detector_of(folder):
    return caffe_models.load_detector(folder, MIN_FACE)


@pytest.mark.parametrize("shape", [(200, 320), (151, 97)])
def test_against_plain_loops_over_the_public_networks(folder, image, shape):
    image = image[:shape[0], :shape[1]]
    (boxes, scores, points), counts = by_loops(folder, image)
    found = detector_of(folder).find(image)
    assert counts[0] > 40 and counts[1] > 5 and len(boxes) > 1, counts
    # With OpenCV 5 the two differ by up to 0.08 pixels of a box and 0.75 of such a net's points.
    slack = 1 if int(cv2.__version__.split(".")[0]) < 5 else 100
    np.testing.assert_allclose(found.boxes, boxes, atol=0.01 * slack)
    np.testing.assert_allclose(found.scores, scores, atol=1e-5 * slack)
    np.testing.assert_allclose(found.points, points, atol=0.01 * slack)


def test_a_folder_of_onnx_models_and_grey_pictures(folder, image, tmp_path):
    for number, net in enumerate(NETS, 1):
        model = caffe_models.upright_onnx(folder / f"det{number}.prototxt", folder / f"det{number}.caffemodel",
                                          any_size=net.name == "p")
        (tmp_path / f"{net.name}.onnx").write_bytes(model)
    detector, grey = load_detector(tmp_path, MIN_FACE), cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    assert isinstance(detector, MtcnnDetector) and detector.min_face == MIN_FACE
    found, expected = detector.find(image), detector_of(folder).find(image)
    for name in ("boxes", "scores", "points"):
        assert np.array_equal(getattr(found, name), getattr(expected, name))
    assert np.array_equal(detector.find(grey).boxes, detector.find(np.dstack([grey] * 3)).boxes)


def test_boxes_for_the_cascade_come_from_the_points(folder, image):
    detector = detector_of(folder)
    found, mapped = detector.find(image), detector.detect(image)
    assert isinstance(mapped, Detections) and len(mapped.boxes) > 1 and np.array_equal(mapped.points, found.points)
    np.testing.assert_allclose(mapped.boxes, box_map.boxes_of_points(found.points), atol=1e-3)


def test_detect_with_the_public_networks(folder, image, tmp_path, capsys):
    cv2.imwrite(str(tmp_path / "two.png"), image)
    assert detect([str(tmp_path / "two.png"), "--detector", str(folder), "--min-face", "0.3", "--json", "-"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    found = caffe_models.load_detector(folder, 0.3).detect(image)
    assert len(found.boxes) and len(rows) == len(found.boxes)
    np.testing.assert_allclose([row["box"] for row in rows], found.boxes, atol=0.01)


@pytest.mark.parametrize("shape", [(1, 1, 3), (11, 300, 3), (12, 12, 3), (13, 40)])
def test_small_pictures(folder, shape):
    found = detector_of(folder).detect(np.full(shape, 90, np.uint8))
    assert found.boxes.shape[1:] == (4,) and len(found.boxes) == len(found.points) == len(found.scores)


def test_nothing_where_no_network_sees_a_face(folder, image):
    detector = detector_of(folder)
    for stage in range(3):
        detector.thresholds = tuple(2 if i == stage else 0 for i in range(3))
        found = detector.detect(image[:80, :80])
        assert found.boxes.shape == (0, 4) and found.points.shape == (0, 5, 2)


def test_the_pyramid_ends_where_a_face_fills_the_picture():
    levels = list(pyramid(WindowCutter(np.zeros((100, 300, 3), np.uint8)), 0.24))
    assert [level.shape[:2] for level, _ in levels] == [(50, 150), (36, 107), (26, 76), (18, 54), (13, 38)]
    np.testing.assert_allclose(levels[1][1], [107 / 300, 36 / 100])
    first = next(pyramid(WindowCutter(np.zeros((50, 60, 3), np.uint8)), 0.1))[0]
    assert first.shape[:2] == (50, 60)                           # not enlarged


@pytest.mark.parametrize("shape", [(100, 300), (301, 99), (900, 1400), (12, 12)])
def test_every_level_lies_alone_on_a_sheet(shape):
    image = np.random.default_rng(0).integers(1, 256, (*shape, 3), dtype=np.uint8)
    cutter = WindowCutter(image)
    levels, made = [level for level, _ in pyramid(cutter, 0.012)], sheets(cutter, 0.012)
    found = iter(levels)
    assert sum(len(sheet.levels) for sheet in made) == len(levels) and (len(made) > 1) == (shape == (900, 1400))
    for sheet in made:
        rest = sheet.image()
        for level, _, left, top in sheet.levels:
            assert level is not None and np.array_equal(level, next(found))
            place = rest[top:top + level.shape[0] + 8, left:left + level.shape[1] + 8]
            assert np.array_equal(place[4:-4, 4:-4], level) and not place[:4].any() and not place[:, :4].any()
            place[:] = 0
            assert left % 2 == top % 2 == 0
            corner = np.array([[left + 4, top + 4, left + 4 + level.shape[1], top + 4 + level.shape[0]]], float)
            inside, boxes = sheet.in_picture(np.concatenate([corner, corner + (-5, 0, 0, 0)]))
            assert inside.tolist() == [True, False]
            np.testing.assert_allclose(boxes, [[-0.5, -0.5, shape[1] - 0.5, shape[0] - 0.5]], atol=1e-9)
        assert not rest.any()


def test_dark_pictures_are_brightened_and_others_left_alone(folder, image):
    assert brightened(image) is image and image.max() > 200
    dark = (image * 0.1).astype(np.uint8)
    assert np.percentile(brightened(dark)[..., 1], 99) == pytest.approx(160, abs=8)
    assert np.array_equal(detector_of(folder).find(dark).boxes, detector_of(folder).find(brightened(dark)).boxes)
    assert not brightened(np.zeros((5, 7, 3), np.uint8)).any()


def test_what_is_refused(folder, tmp_path):
    with pytest.raises(FacesError, match="not a detector: expected p.onnx, r.onnx and o.onnx, or det1"):
        load_detector(tmp_path)
    with pytest.raises(FacesError, match="Caffe models; give a function `convert`"):
        load_detector(folder)
    for name in "pro":
        (tmp_path / f"{name}.onnx").write_bytes(b"nothing")
    with pytest.raises(FacesError, match="p.onnx: not a model that ONNX Runtime can read"):
        load_detector(tmp_path)
    for number, name in enumerate("prr", 1):
        model = caffe_models.upright_onnx(folder / f"det{min(number, 2)}.prototxt",
                                          folder / f"det{min(number, 2)}.caffemodel", any_size=name == "p")
        (tmp_path / f"{'pro'[number - 1]}.onnx").write_bytes(model)
    with pytest.raises(FacesError, match=r"o.onnx: outputs of \[2, 4\] channels; expected 2 .*10 \(points\)"):
        load_detector(tmp_path)
