"""DetectionEvaluate and average precision against plain loops; what solvers and `caffe test` print of them."""
import numpy as np
import pytest
from google.protobuf import text_format

import deeplandmark.caffe as caffe
from deeplandmark.caffe.proto import caffe_pb2
from deeplandmark.caffe.solvers.average_precision import VERSIONS, AveragePrecision, average_precision
from deeplandmark.caffe.tools.command_line import main
from tests.helpers.layer_checks import one_layer, worst_error


def scene(rng, pictures=3, objects=9, detections=14):
    """Truth (1, 1, G, 8) of classes 1 to 3 and detections (1, 1, K, 7) near it, some far from anything."""
    corner, side = rng.random((objects, 2)) * 0.7, 0.1 + 0.2 * rng.random((objects, 2))
    truth = np.concatenate([np.sort(rng.integers(0, pictures, (objects, 1)), 0), rng.integers(1, 4, (objects, 1)),
                            np.zeros((objects, 1)), corner, corner + side, rng.random((objects, 1)) < 0.3], 1)
    of = truth[rng.integers(0, objects, detections)]
    places = of[:, 3:7] + rng.normal(size=(detections, 4)) * 0.02
    labels = np.where(rng.random(detections) < 0.8, of[:, 1], rng.integers(1, 5, detections))
    rows = np.concatenate([of[:, :1], labels[:, None], rng.random((detections, 1)), places], 1)
    return rows[np.lexsort((labels, of[:, 0]))].astype(np.float32)[None, None], truth.astype(np.float32)[None, None]


def evaluated(detections, truth, classes, background, threshold, difficult_too, box=lambda b, n: b, more=0):
    """The top, row by row. `box(b, n)` is a box as it is compared in the n-th picture, `more` what sides have more."""
    def area(b):
        return max(0, b[2] - b[0] + more) * max(0, b[3] - b[1] + more) if b[2] >= b[0] and b[3] >= b[1] else 0

    def overlap(a, b):
        corners = (max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3]))
        both = area(corners)
        return both / (area(a) + area(b) - both) if both > 0 else 0

    rows = [[-1, c, sum(1 for t in truth if t[1] == c and (difficult_too or not t[7])), -1, -1]
            for c in range(classes) if c != background]
    for n, picture in enumerate(sorted({d[0] for d in detections})):
        for label in sorted({d[1] for d in detections if d[0] == picture}):
            mine = [d for d in detections if d[0] == picture and d[1] == label]
            objects = [t for t in truth if t[0] == picture and t[1] == label]
            taken = set()
            for d in sorted(mine, key=lambda d: -d[2]) if objects else mine:
                shared = [overlap(box(d[3:7], n), box(t[3:7], n)) for t in objects]
                best = shared.index(max(shared)) if shared else None
                hit = [0, 1]
                if best is not None and shared[best] >= threshold:
                    if difficult_too or not objects[best][7]:
                        hit = [0, 1] if best in taken else [1, 0]
                        taken.add(best)
                    else:
                        hit = [0, 0]
                rows.append([picture, label, d[2], *hit])
    return np.array(rows)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("difficult_too", [True, False])
def test_against_loops(seed, difficult_too):
    detections, truth = scene(np.random.default_rng(seed))
    net = one_layer(f"""type: "DetectionEvaluate" propagate_down: false propagate_down: false
        detection_evaluate_param {{ num_classes: 5 overlap_threshold: 0.6
        evaluate_difficult_gt: {str(difficult_too).lower()} }}""", [detections, truth])
    wanted = evaluated(detections[0, 0].astype(float), truth[0, 0].astype(float), 5, 0, 0.6, difficult_too)
    assert worst_error(net.forward()["y"][0, 0], wanted) < 1e-6
    assert {tuple(row) for row in wanted[4:, 3:]} >= {(1, 0), (0, 1)}


def pixels(size, resize=None):
    """A box in pixels of a picture of `size`, as OutputBBox of bbox_util.cpp has it."""
    def clip(value, top=1):
        return min(max(value, 0), top)

    def found(b, _):
        height, width = size
        if resize and resize[0] == "FIT_LARGE_SIZE_AND_PAD":
            _, h, w = resize
            x = 0 if width / height > w / h else (w - h * width / height) / 2 / w
            y = (h - w * height / width) / 2 / h if width / height > w / h else 0
            b = [(b[0] - x) / (1 - 2 * x), (b[1] - y) / (1 - 2 * y), (b[2] - x) / (1 - 2 * x), (b[3] - y) / (1 - 2 * y)]
        return [clip(b[0]) * width, clip(b[1]) * height, clip(b[2]) * width, clip(b[3]) * height]
    return found


@pytest.mark.parametrize("size", [(30, 50), (50, 30)])
@pytest.mark.parametrize("resize", [None, ("WARP", 40, 40), ("FIT_LARGE_SIZE_AND_PAD", 40, 44)])
def test_in_pixels(size, resize, tmp_path):
    detections, truth = scene(np.random.default_rng(7))
    (tmp_path / "sizes").write_text(f"a {size[0]} {size[1]}\n" * 5)
    more = "" if not resize else f"resize_param {{ resize_mode: {resize[0]} height: {resize[1]} width: {resize[2]} }}"
    net = one_layer(f"""type: "DetectionEvaluate" propagate_down: false propagate_down: false
        detection_evaluate_param {{ num_classes: 5 name_size_file: "{tmp_path / 'sizes'}" {more} }}""",
                    [detections, truth])
    wanted = evaluated(detections[0, 0].astype(float), truth[0, 0].astype(float), 5, 0, 0.5, True, pixels(size, resize),
                       1)
    assert worst_error(net.forward()["y"][0, 0], wanted) < 1e-6
    assert net.layers[-1].layer.count == len(np.unique(detections[0, 0, :, 0]))


def test_nothing_found_and_no_truth():
    nothing = np.array([[[[0, *[-1] * 6], [1, *[-1] * 6], [-1] * 7]]], np.float32)
    net = one_layer('type: "DetectionEvaluate" propagate_down: false propagate_down: false '
                    "detection_evaluate_param { num_classes: 3 }", [nothing, np.full((1, 1, 1, 8), -1, np.float32)])
    found = net.forward()["y"][0, 0]
    assert found.tolist() == [[-1, 1, 0, -1, -1], [-1, 2, 0, -1, -1], [0, -1, -1, 0, 1], [1, -1, -1, 0, 1], [0] * 5]
    scores = AveragePrecision("Integral")
    scores.add(found[None, None])
    assert scores.of_classes() == {1: 0, 2: 0} and scores.mean() == 0


@pytest.mark.parametrize("settings, shapes, reason", [
    ("", [(1, 1, 3, 7), (1, 1, 3, 8)], "needs num_classes"),
    ("num_classes: 2 overlap_threshold: 0", [(1, 1, 3, 7), (1, 1, 3, 8)], "overlap_threshold must be above 0"),
    ("num_classes: 2", [(1, 1, 3, 8), (1, 1, 3, 8)], "takes detections"),
    ('num_classes: 2 name_size_file: "nowhere"', [(1, 1, 3, 7), (1, 1, 3, 8)], "cannot read its name_size_file"),
    ('num_classes: 2 name_size_file: "setup.cfg"', [(1, 1, 3, 7), (1, 1, 3, 8)], "lines without name")])
def test_refused(settings, shapes, reason):
    with pytest.raises(caffe.NetError, match=reason):
        one_layer(f'type: "DetectionEvaluate" detection_evaluate_param {{ {settings} }}',
                  [np.zeros(shape, np.float32) for shape in shapes])


def looped(rows, count, version):
    """As ComputeAP of bbox_util.cpp does it."""
    rows, right, curve = sorted(rows, key=lambda row: -row[0]), 0, []
    for number, (_, hit) in enumerate(rows, 1):
        right += hit
        curve.append((right / count, right / number))
    if version == "11point":
        return sum(max([p for r, p in curve if float(np.float32(r)) >= j / 10], default=0) for j in range(11)) / 11
    found, before = 0, 0
    for i, (recall, precision) in enumerate(curve):
        best = max(p for _, p in curve[i:]) if version == "MaxIntegral" else precision
        found += best * (recall - before)
        before = recall
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_average_precision(version):
    rng, worst = np.random.default_rng(3), 0
    for _ in range(200):
        n = rng.integers(1, 30)
        rows = [(value, int(hit)) for value, hit in zip(rng.permutation(n) / n, rng.random(n) < 0.6)]
        count = int(sum(hit for _, hit in rows) + rng.integers(0, 3)) or 1
        worst = max(worst, abs(average_precision(rows, count, version) - looped(rows, count, version)))
    assert worst < 1e-12
    assert average_precision([], 3, version) == average_precision([(1, 0)], 0, version) == 0
    assert average_precision([(0.9, 1), (0.8, 1)], 2, version) == pytest.approx(1)


def test_what_is_no_top_of_it_is_refused():
    with pytest.raises(ValueError, match="a top of DetectionEvaluate"):
        AveragePrecision("Integral").add(np.zeros((1, 4)))


NET = """layer { name: "found" type: "DummyData" top: "found" top: "truth" dummy_data_param {
  data_filler { value: 1 } data_filler { value: 1 } shape { dim: 1 dim: 1 dim: 2 dim: 7 }
  shape { dim: 1 dim: 1 dim: 1 dim: 8 } } }
layer { name: "eval" type: "DetectionEvaluate" bottom: "found" bottom: "truth" top: "eval" include { phase: TEST }
  detection_evaluate_param { num_classes: 2 overlap_threshold: 0.5 } }
layer { name: "ip" type: "InnerProduct" bottom: "found" top: "ip" inner_product_param { num_output: 1 } }
layer { name: "loss" type: "EuclideanLoss" bottom: "ip" bottom: "ip" top: "loss" include { phase: TRAIN } }
layer { name: "silence" type: "Silence" bottom: "ip" include { phase: TEST } }"""


def test_what_is_printed(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.prototxt").write_text(NET)
    text = 'net: "net.prototxt" base_lr: 0 lr_policy: "fixed" max_iter: 0 test_iter: 2 test_interval: 1 ' \
           'eval_type: "detection" show_per_class_result: true snapshot_prefix: "x" ap_version: "11point"'
    solver = caffe.get_solver(text_format.Parse(text, caffe_pb2.SolverParameter()))
    solver.test_all()
    printed = capfd.readouterr().err
    assert "class1: 0\n" in printed and "    Test net output #0: eval = 0\n" in printed
    solver.net.save("x.caffemodel")
    assert main(["test", "--model", "net.prototxt", "--weights", "x.caffemodel", "--iterations", "2"]) == 0
    assert "] eval = 0\n" in capfd.readouterr().err
    for name, value in (("eval_type", "sorting"), ("ap_version", "12point")):
        with pytest.raises(caffe.CaffeError, match=f"unknown {name}"):
            caffe.get_solver(text_format.Parse(f'{name}: "{value}" net: "net.prototxt"', caffe_pb2.SolverParameter()))
    (tmp_path / "net.prototxt").write_text(NET.replace('type: "Silence"', 'type: "ReLU" top: "again"'))
    with pytest.raises(caffe.CaffeError, match="output 'again' has shape"):
        caffe.get_solver(text_format.Parse(text, caffe_pb2.SolverParameter())).test_all()
