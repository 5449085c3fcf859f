"""Detectors: boxes where the faces are, one map from every detector's box to the list's, boxes from the user."""

import json
import pickle

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeplandmark.detectors import (
    Detections,
    GivenBoxes,
    YuNetDetector,
    box_map,
    intersection_over_union,
    largest,
    load_detector,
    one_per_face,
    parse_box,
    read_boxes,
)
from deeplandmark.detectors.detections import suppressed
from deeplandmark.faces.errors import FacesError
from deeplandmark.faces.synthetic.generate import generate
from deeplandmark.fit_boxes import main as fit_boxes

coordinates = st.floats(-1000, 1000).map(lambda value: round(value, 3))


@given(st.lists(coordinates, min_size=2, max_size=2), st.floats(1, 500), st.floats(1, 500), st.floats(0.1, 10),
       coordinates)
def test_the_box_map_goes_with_shift_and_scale(corner, width, height, scale, shift):
    box = np.array([*corner, corner[0] + width, corner[1] + height])
    for name in box_map.BOX_MAPS:
        moved = box_map.to_list_boxes(name, scale * box + shift)
        np.testing.assert_allclose(moved, scale * box_map.to_list_boxes(name, box) + shift, atol=1e-6 * scale * 2000)
        assert (moved[:, 2:] > moved[:, :2]).all()


def test_fitting_finds_the_map_among_outliers():
    rng, shifts = np.random.default_rng(1), np.array([0.1, 0.2, -0.1, 0.05])
    boxes = rng.uniform(0, 100, (200, 2))
    boxes = np.hstack([boxes, boxes + rng.uniform(20, 90, (200, 2))])
    truth = box_map.move_edges(boxes, shifts)
    truth[:60] = rng.uniform(0, 500, (60, 4)) + [0, 0, 500, 500]
    fitted, left_over = box_map.fit_edge_shifts(boxes, truth)
    np.testing.assert_allclose(fitted, shifts, atol=1e-9)
    np.testing.assert_allclose(left_over[60:], 0, atol=1e-9)
    # What is left is told in sides of the list's box: its left edge lies 10 of its 200 pixels too far to the right.
    truth = [[0, 0, 100, 100]] * 2 + [[-10, 0, 190, 100]]
    _, left_over = box_map.fit_edge_shifts([[0, 0, 100, 100]] * 2 + [[0, 0, 190, 100]], truth)
    np.testing.assert_allclose(left_over, [[0] * 4, [0] * 4, [0.05, 0, 0, 0]], atol=1e-12)
    with pytest.raises(ValueError, match="no boxes"):
        box_map.fit_edge_shifts([], [])


@given(st.floats(-40, 40), st.floats(0.2, 5))
def test_the_box_of_points_keeps_its_size_when_the_head_tilts(degrees, scale):
    points = np.array([[27, 26], [74, 25], [50, 52], [31, 77], [71, 76]], float)
    upright = box_map.boxes_of_points(points[None])[0]
    np.testing.assert_allclose(upright, [0, 0, 100, 100], atol=6)  # the mean face of the list, in a box of 100
    turn = np.deg2rad(degrees)
    turned = scale * points @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    box = box_map.boxes_of_points(turned[None])[0]
    np.testing.assert_allclose(box[2:] - box[:2], scale * (upright[2:] - upright[:2]), rtol=1e-6)


@given(st.lists(coordinates, min_size=4, max_size=4), st.lists(coordinates, min_size=4, max_size=4))
def test_overlap_against_counted_squares(first, second):
    def proper(edges):
        left, right = sorted(round(edge / 100) for edge in edges[::2])
        top, bottom = sorted(round(edge / 100) for edge in edges[1::2])
        return left, top, right + 1, bottom + 1
    first, second = proper(first), proper(second)
    cells = [{(x, y) for x in range(box[0], box[2]) for y in range(box[1], box[3])} for box in (first, second)]
    expected = len(cells[0] & cells[1]) / len(cells[0] | cells[1])
    np.testing.assert_allclose(intersection_over_union(first, second), [[expected]], atol=1e-12)


def test_the_largest_faces_in_their_order():
    found = Detections.of([[0, 0, 5, 5], [0, 0, 9, 9], [0, 0, 1, 1], [0, 0, 7, 7]], [4, 3, 2, 1])
    assert largest(found, 2).boxes[:, 2].tolist() == [9, 7] and largest(found, None) is found
    assert largest(found, 9) is found
    found = Detections.of([[0, 0, 7, 7], [0, 0, 5, 5], [0, 0, 9, 9]], [4, 3, 2])
    assert largest(found, 2).boxes[:, 2].tolist() == [7, 9]      # the surest first, not the largest


def test_detections_are_a_pair_that_may_have_points():
    points = np.arange(30).reshape(3, 5, 2)
    found = Detections.of([[0, 0, 9, 9], [1, 1, 5, 5], [0, 0, 7, 7]], [1, 3, 2], points)
    boxes, scores = pickle.loads(pickle.dumps(found))
    assert scores.tolist() == [3, 2, 1] and boxes[:, 2].tolist() == [5, 7, 9]
    assert pickle.loads(pickle.dumps(found)).points.tolist() == points[[1, 2, 0]].tolist()
    assert largest(found, 2).points.tolist() == points[[2, 0]].tolist()
    assert one_per_face(found).points.tolist() == points[[1]].tolist()
    assert Detections(boxes, scores).points is None and Detections.of([], []).points is None


@given(st.lists(st.tuples(*[st.integers(0, 12)] * 4), max_size=12), st.floats(0.05, 0.95))
def test_suppression_against_counted_squares(corners, most):
    cells = [{(x, y) for x in range(left, left + width + 1) for y in range(top, top + height + 1)}
             for left, top, width, height in corners]
    boxes = np.array([(left, top, left + width + 1, top + height + 1) for left, top, width, height in corners])
    for by, whole in (("union", lambda a, b: len(a | b)), ("smaller", lambda a, b: min(len(a), len(b)))):
        kept = []
        for i, own in enumerate(cells):
            if not any(len(own & cells[j]) > most * whole(own, cells[j]) for j in kept):
                kept.append(i)
        assert suppressed(boxes, most, by).tolist() == kept


def test_boxes_that_share_just_half_are_two_faces():
    halves = Detections.of([[0, 0, 4, 4], [2, 0, 6, 4], [1, 0, 5, 4]], [3, 2, 1])
    assert one_per_face(halves).scores.tolist() == [3, 2]
    assert suppressed(halves.boxes, 1 / 3).tolist() == [0, 1]    # of the union a third


def test_boxes_are_made_of_points_where_they_make_one():
    points = np.array([[27, 26], [74, 25], [50, 52], [31, 77], [71, 76]], float)
    found = Detections.of([[0, 0, 50, 50], [0, 0, 40, 80]], [2, 1], [points, np.full((5, 2), 20)])
    mapped = box_map.to_list_detections("yunet", found)
    np.testing.assert_allclose(mapped.boxes[0], box_map.boxes_of_points(points[None])[0], atol=1e-4)
    np.testing.assert_allclose(mapped.boxes[1], [0.76, 16.88, 38.08, 71.92], atol=1e-4)
    assert np.array_equal(mapped.points, found.points) and mapped.scores.tolist() == [2, 1]


def test_given_boxes_keep_their_order_and_have_no_score():
    found = GivenBoxes([[3, 3, 9, 9], [0, 0, 5, 5]]).detect(None)
    assert found.boxes.tolist() == [[3, 3, 9, 9], [0, 0, 5, 5]] and np.isnan(found.scores).all()
    assert GivenBoxes([]).detect(None).boxes.shape == (0, 4)


@pytest.mark.parametrize("text, message", [("1,2,3", "is not a box"), ("a,b,c,d", "is not a box"),
                                           ("9,2,3,4", "no area"), ("1,2,nan,4", "no area"), ("", "is not a box"),
                                           ("16777216,0,16777217,90", "no area"), ("1,1,2e6,9", "nowhere near")])
def test_wrong_boxes(text, message):
    with pytest.raises(FacesError, match=message):
        parse_box(text)


def test_boxes_from_files(tmp_path):
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).touch()
    rows = [("a.jpg", [1, 2, 30, 40]), (str(tmp_path / "b.jpg"), [5, 6, 70, 80]), ("a.jpg", [3, 2, 30, 40.5])]
    lines = tmp_path / "boxes.jsonl"
    lines.write_text("".join(json.dumps({"picture": name, "box": box, "score": None}) + "\n" for name, box in rows))
    table = tmp_path / "boxes.csv"
    table.write_text("score,picture,left,top,right,bottom\n" + "".join(
        f"1,{name},{','.join(map(str, box))}\n" for name, box in rows))
    expected = {(tmp_path / "a.jpg").resolve(): [(1, 2, 30, 40), (3, 2, 30, 40.5)],
                (tmp_path / "b.jpg").resolve(): [(5, 6, 70, 80)]}
    assert read_boxes(lines) == read_boxes(table) == expected
    (tmp_path / "link.jpg").symlink_to("b.jpg")                  # a picture has one name, whatever leads to it
    lines.write_text('{"picture": "link.jpg", "box": [5, 6, 70, 80]}')
    assert list(read_boxes(lines)) == [(tmp_path / "b.jpg").resolve()]


@pytest.mark.parametrize("text, message", [
    ("picture,left,top\n", "boxes:1: neither JSON lines nor CSV"),
    ('{"picture": "a"}\n', 'boxes:1: expected {"picture"'),
    ('{"picture": "a", "box": [1, 2, 3, 4]}\n{"pic', "boxes:2: expected"),
    ('{"picture": "a", "box": [4, 1, 2, 9]}', "no area"),
    ("picture,left,top,right,bottom\na.jpg,1,2,3\n", "boxes:2: .*is not a box"), ("\x00\xff", "neither")])
def test_wrong_files_of_boxes(tmp_path, text, message):
    (tmp_path / "boxes").write_bytes(text.encode("latin-1"))
    with pytest.raises(FacesError, match=message):
        read_boxes(tmp_path / "boxes")
    with pytest.raises(FacesError, match="cannot be read"):
        read_boxes(tmp_path / "nothing")


def test_unknown_detectors(tmp_path):
    with pytest.raises(FacesError, match="no such detector; there is haar"):
        load_detector("yolo")
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    with pytest.raises(FacesError, match="not a model that ONNX Runtime can read"):
        load_detector(tmp_path / "bad.onnx")


def test_a_model_with_a_damaged_name_is_refused_in_silence(tmp_path, capfd):
    """OpenCV's reader ends the process over a graph whose nodes are joined by other names; ONNX Runtime's errors are
    texts that Python cannot read where names are no UTF-8."""
    whole = white_square_network()
    places = [i for i in range(len(whole)) if whole.startswith(b"mean", i)]
    for place in places:
        (tmp_path / "bad.onnx").write_bytes(whole[:place] + b"\x80" + whole[place + 1:])
        with pytest.raises(FacesError, match="not a model that ONNX Runtime can read"):
            load_detector(tmp_path / "bad.onnx")
    assert capfd.readouterr() == ("", "")


def test_face_detector_yn_with_a_model_file(tmp_path):
    """A network of FaceDetectorYN's outputs that calls every white cell of 32 pixels a face of twice that size."""
    model = tmp_path / "white.onnx"
    model.write_bytes(white_square_network())
    image = np.zeros((160, 256), np.uint8)
    image[64:96, 128:160] = 255
    found = YuNetDetector(model, min_face=0.05).find(image)
    np.testing.assert_allclose(found.boxes, [[112, 48, 176, 112]], atol=0.01)
    np.testing.assert_allclose(found.scores, [1], atol=0.01)
    assert np.ptp(found.points, axis=1).max() == 0 and found.points[0, 0].tolist() == [128, 64]  # the cell's corner
    mapped = load_detector(model, 0.05).detect(np.dstack([image] * 3))
    np.testing.assert_allclose(mapped.boxes, box_map.to_list_boxes("yunet", found.boxes), atol=0.01)
    fourfold = cv2.resize(image, None, fx=4, fy=4, interpolation=cv2.INTER_NEAREST)
    large = YuNetDetector(model, min_face=10 / 160).find(fourfold)
    np.testing.assert_allclose(large.boxes, [[448, 192, 704, 448]], atol=0.1)
    assert YuNetDetector(model, min_face=0.05).find(np.zeros((64, 64), np.uint8)).boxes.shape == (0, 4)


def white_square_network():
    """ONNX bytes: class and object scores, boxes and points of each cell; only those of stride 32 ever score."""
    onnx = pytest.importorskip("onnx")
    make, constant = onnx.helper.make_node, onnx.numpy_helper.from_array
    nodes, outputs, weights = [], [], []
    for stride in (8, 16, 32):
        brightness = np.full((1, 3, 1, 1), 1 / 3 / 255 if stride == 32 else 0, np.float32)
        box = np.zeros((4, 3, 1, 1), np.float32)
        # Decoded as (column + x) * stride, (row + y) * stride, exp(w) * stride, exp(h) * stride.
        bias = np.array([0.5, 0.5, np.log(2), np.log(2)], np.float32)
        weights += [constant(brightness, f"brightness{stride}"), constant(box, f"box{stride}"),
                    constant(bias, f"bias{stride}"), constant(np.zeros((10, 3, 1, 1), np.float32), f"nothing{stride}")]
        nodes.append(make("AveragePool", ["input"], [f"mean{stride}"], kernel_shape=[stride] * 2, strides=[stride] * 2))
        for name, inputs, channels in ((f"cls_{stride}", [f"brightness{stride}"], 1),
                                       (f"obj_{stride}", [f"brightness{stride}"], 1),
                                       (f"bbox_{stride}", [f"box{stride}", f"bias{stride}"], 4),
                                       (f"kps_{stride}", [f"nothing{stride}"], 10)):
            weights.append(constant(np.array([1, -1, channels], np.int64), f"shape_{name}"))
            nodes += [make("Conv", [f"mean{stride}", *inputs], [f"map_{name}"]),
                      make("Transpose", [f"map_{name}"], [f"last_{name}"], perm=[0, 2, 3, 1]),
                      make("Reshape", [f"last_{name}", f"shape_{name}"], [name])]
            outputs.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, None, channels]))
    image = onnx.helper.make_tensor_value_info("input", onnx.TensorProto.FLOAT, [1, 3, 320, 320])
    graph = onnx.helper.make_graph(nodes, "white", [image], outputs, weights)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 11)], ir_version=8)
    return model.SerializeToString()


@pytest.mark.skipif(not hasattr(cv2, "CascadeClassifier"), reason="OpenCV 5 has no Haar cascades")
def test_the_command_that_measures_the_map(tmp_path, capsys):
    generate(tmp_path / "faces", 10, 1, seed=3, jobs=1)
    assert fit_boxes(["--data", str(tmp_path / "faces"), "--limit", "10"]) == 0
    points, haar = capsys.readouterr().out.splitlines()
    assert points.startswith('"points": (') and "# 9 of 9 faces" in points
    assert haar.startswith('"haar": (')
    for bad in range(3, 6):
        (tmp_path / "faces" / "synthetic" / f"train_{bad:05d}.jpg").write_bytes(b"")
    assert fit_boxes(["--data", str(tmp_path / "faces"), "--limit", "10"]) == 0
    skipped = capsys.readouterr().err.splitlines()
    assert len(skipped) == 3 and skipped[0].startswith("fit_boxes: skipped trainImageList.txt:4: ")
    (tmp_path / "faces" / "synthetic" / "train_00006.jpg").write_bytes(b"")
    assert fit_boxes(["--data", str(tmp_path / "faces"), "--limit", "10"]) == 1
    assert "4 of 9 lines are bad (at most 3 may be)" in capsys.readouterr().err
    assert fit_boxes(["--data", str(tmp_path / "nothing")]) == 1
    assert capsys.readouterr().err.startswith("fit_boxes: ")
    for option in ("--limit", "--threads"):
        with pytest.raises(SystemExit):
            fit_boxes(["--data", str(tmp_path), option, "0"])
        assert "0 is not at least 1" in capsys.readouterr().err
