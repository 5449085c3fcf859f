"""The single-shot detector, as it runs, against the same steps written as plain loops over Caffe's networks."""
import math

import cv2
import numpy as np
import pytest

import deeplandmark.caffe as caffe
from deeplandmark.detector_training.single_shot import S_NET, V_NET, render
from deeplandmark.detector_training.train import export_net
from deeplandmark.detectors import SingleShotDetector, box_map, load_detector
from deeplandmark.detectors.brightened import brightened
from deeplandmark.detectors.single_shot import SCORE
from deeplandmark.detectors.upright import brought, upright_windows
from deeplandmark.faces.errors import FacesError
from deeplandmark.faces.synthetic import draw_face

WEIGHTS = {"s": 152_225, "v": 193_755}


@pytest.mark.parametrize("net", [S_NET, V_NET], ids=lambda net: net.name)
def test_weights_are_counted(net):
    made = caffe.Net(render(net, "deploy"), caffe.TEST)
    learned = sum(blob.data.size for name, blobs in made.params.items()
                  for blob in (blobs[:2] if name.endswith("_bn") else blobs))
    assert learned == WEIGHTS[net.name]


def untrained(net, seed):
    """A Caffe net whose answers spread over the range of trained ones'."""
    made = caffe.Net(render(net, "deploy"), caffe.TEST)
    rng = np.random.default_rng(seed)
    for name, blobs in made.params.items():
        if name.endswith("_bn"):
            blobs[2].data = rng.normal(0, 0.1, blobs[2].data.shape)
            blobs[3].data = rng.uniform(0.5, 2, blobs[3].data.shape)
        elif name.startswith("score"):
            blobs[0].data, blobs[1].data = rng.normal(0, 3.5, blobs[0].data.shape), [-6]
        elif name.startswith("points"):
            blobs[0].data = rng.normal(0, 0.005, blobs[0].data.shape)
            blobs[1].data = np.array([-0.1, -0.1, 0.1, -0.1, 0, 0, -0.08, 0.1, 0.08, 0.1]) * (1 if net is S_NET else 2)
        else:
            shape = blobs[0].data.shape
            blobs[0].data = rng.normal(0, math.sqrt(2 / np.prod(shape[1:])), shape)
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("detector")
    for seed, net in enumerate((S_NET, V_NET)):
        (folder / f"{net.name}.prototxt").write_text(render(net, "deploy"))
        untrained(net, seed).save(str(folder / f"{net.name}.caffemodel"))
        export_net(net, folder)
    return folder


@pytest.fixture(scope="module")
def image():
    return np.hstack([draw_face(np.random.default_rng(seed))[0][:200, :160] for seed in (4, 17)])


def answers(folder, name, pictures):
    net = caffe.Net(str(folder / f"{name}.prototxt"), str(folder / f"{name}.caffemodel"), caffe.TEST)
    data = (np.array(pictures, np.float32)[..., ::-1].transpose(0, 3, 1, 2) - 127.5) / 128
    net.blobs["data"].reshape(*data.shape)
    net.reshape()
    return {name: value.copy() for name, value in net.forward(data=data).items()}


def box_of(points):
    return box_map.boxes_of_points(points[None])[0]


def overlap(a, b):
    shared = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
    return shared / (sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)) - shared)


def distinct(faces):
    """Of pairs (score, points) those that overlap by at most 0.4 with every surer one."""
    kept = []
    for face in sorted(faces, key=lambda face: -face[0]):
        if all(overlap(box_of(face[1]), box_of(other[1])) <= 0.4 for other in kept):
            kept.append(face)
    return kept


def by_loops(folder, image, verifies):
    height, width = image.shape[:2]
    # 12 of 192 pixels for 1/16 of the shorter side; both sides multiples of 32.
    scale = 192 / min(height, width)
    size = [32 * round(side * scale / 32) for side in (width, height)]
    small = brightened(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
    found, faces = answers(folder, "s", [small]), []
    for stride in (8, 16, 32):
        probability, places = found[f"prob{stride}"][0, 0], found[f"points{stride}"][0]
        for row, column in np.argwhere(probability >= 0.3):
            middle = (np.array([column, row]) + 0.5) * stride - 0.5
            points = middle + places[:, row, column].reshape(5, 2) * 4 * stride
            faces.append((probability[row, column], points))
    faces = [(score, (points + 0.5) * np.array([width, height]) / size - 0.5) for score, points in distinct(faces)]
    if verifies:
        seconds = []
        for score, points in faces:
            matrix = upright_windows(points[None], 48)
            window = cv2.warpAffine(image, matrix[0], (48, 48), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                                    borderMode=cv2.BORDER_REPLICATE)
            again = answers(folder, "v", [brightened(window)])
            inside = again["points"].reshape(5, 2) * 48 + 23.5
            seconds.append((math.sqrt(score * again["prob"].item()), brought(matrix, inside[None])[0]))
        faces = seconds
    return [face for face in distinct(faces) if face[0] >= SCORE]


@pytest.mark.parametrize("verifies", [False, True])
def test_it_finds_what_plain_loops_find(folder, image, verifies):
    expected = by_loops(folder, image, verifies)
    found = SingleShotDetector(folder, 1 / 16, verify="v.onnx" if verifies else None).detect(image)
    assert len(expected) == len(found.boxes) > 3
    for (score, points), box, own_score, own_points in zip(expected, found.boxes, found.scores, found.points):
        assert own_score == pytest.approx(score, abs=2e-3 if verifies else 1e-4)
        np.testing.assert_allclose(own_points, points, atol=0.1 if verifies else 0.02)
        np.testing.assert_allclose(box, box_of(points), atol=0.1 if verifies else 0.02)


@pytest.mark.parametrize("shape", [(1, 1), (20, 20), (7, 900), (900, 7), (33, 31), (1300, 1700)])
def test_pictures_of_every_shape_are_taken(folder, shape):
    found = SingleShotDetector(folder).detect(np.full((*shape, 3), 90, np.uint8))
    assert np.isfinite(found.points).all() and np.isfinite(found.boxes).all()


def test_the_smallest_face_is_a_share_or_pixels(folder, image):
    side = min(image.shape[:2])
    share, pixels = (SingleShotDetector(folder, smallest).detect(image) for smallest in (0.1, 0.1 * side))
    np.testing.assert_array_equal(share.boxes, pixels.boxes)


def test_a_folder_without_its_networks_is_named(tmp_path, folder):
    with pytest.raises(FacesError, match="s.onnx"):
        SingleShotDetector(tmp_path)
    (tmp_path / "s.onnx").write_bytes((folder / "s.onnx").read_bytes())
    with pytest.raises(FacesError, match="v.onnx"):
        SingleShotDetector(tmp_path)
    (tmp_path / "v.onnx").write_bytes(b"no model")
    with pytest.raises(FacesError, match="v.onnx: not a model"):
        SingleShotDetector(tmp_path)
    assert isinstance(load_detector(folder), SingleShotDetector)
