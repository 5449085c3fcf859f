"""The cascade as one graph: the torch cascade's answers, for every family, size and number of faces."""
import shutil
import subprocess
import sys
from dataclasses import replace

import cv2
import numpy as np
import onnxruntime
import pytest

from deeplandmark import Cascade, export
from deeplandmark.caffe import TEST
from deeplandmark.caffe.net import Net
from deeplandmark.cascade.confidence.confidence import Weights, point_confidence
from deeplandmark.cascade.confidence.error_from_hidden_layers import hidden_odds
from deeplandmark.cascade.model_folder import ONNX_FILE, default_model, fingerprint
from deeplandmark.cascade.networks import networks
from deeplandmark.cascade.onnx import export_cascade
from deeplandmark.cascade.settings import CascadeSettings
from deeplandmark.cascade.torch_engine import TorchEngine, load_modules
from deeplandmark.faces.points import Points
from deeplandmark.faces.synthetic import draw_face
from deeplandmark.training.templates import render, template_folder

TOLERANCE_PX = 0.01         # what one graph may differ from network by network in torch


@pytest.fixture(scope="module")
def by_torch():
    return Cascade.load(backend="torch")


@pytest.fixture(scope="module")
def by_onnx(tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "cascade.onnx"
    export_cascade(default_model(), path)
    return Cascade.load(path)


def picture(height=230, width=301, seed=0):
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    return cv2.GaussianBlur(rng.integers(0, 256, (height, width), dtype=np.uint8), (0, 0), 3)


def assert_same(one, other, tolerance=TOLERANCE_PX):
    for name in ("points", "levels", "first", "spread"):
        found, expected = getattr(one, name), getattr(other, name)
        assert found.shape == expected.shape and found.dtype == np.float32
        assert np.abs(found - expected).max(initial=0) < tolerance, name
    assert np.abs(one.confidence - other.confidence).max(initial=0) < 1e-3


def test_the_published_graph_is_that_of_the_published_networks():
    """After the weights have changed: deeplandmark export deeplandmark/published/cascade.onnx"""
    folder = default_model()
    assert fingerprint(folder) == Cascade.load(folder / ONNX_FILE)._engine.fingerprint
    assert Cascade.load().backend == "onnx"
    assert (folder / ONNX_FILE).stat().st_size < 10 * 2 ** 20


def test_synthetic_faces(by_torch):
    published = Cascade.load()
    for seed in range(12):
        image, _, box = draw_face(np.random.default_rng(seed))
        assert_same(published.locate(image, [box.as_array()]), by_torch.locate(image, [box.as_array()]))


@pytest.mark.parametrize("boxes", [
    [[60, 40, 160, 140]],
    [[60, 40, 160, 140], [-20, -10, 70, 90], [150, 120, 260, 230.5], [10, 10, 30, 35], [100.3, 100, 104.1, 104]],
    [[-400, -300, 900, 700]],               # the border, repeated, is most of it
    [[400, 50, 460, 110], [-90, 20, -30, 80], [20, -900, 80, -840]],       # beside the picture
    [[10, 20, 200, 90], [10, 20, 60, 220]],                                # not square
])
def test_boxes_of_all_kinds(by_torch, by_onnx, boxes):
    image = picture()
    tolerance_px = max(TOLERANCE_PX, 2e-5 * np.ptp(boxes))       # of a box of 1,300 pixels float32 leaves little more
    for level in (1, 2, 3):
        assert_same(by_onnx.locate(image, boxes, level), by_torch.locate(image, boxes, level), tolerance_px)


@pytest.mark.parametrize("size", [(1, 1), (2, 500), (3, 7), (64, 8), (61, 9)])
def test_small_pictures(by_torch, by_onnx, size):
    image = np.random.default_rng(1).integers(0, 256, size, dtype=np.uint8)
    boxes = [[0, 0, 9, 9], [-3, -2, 40, 41]]
    assert_same(by_onnx.locate(image, boxes), by_torch.locate(image, boxes))


@pytest.mark.parametrize("colour", [0, 3, 201, 255])
def test_a_patch_of_one_colour_is_near_zeros(by_onnx, colour):
    """Whatever the colour, the size of the box and so what rounding leaves."""
    faces = by_onnx.locate(np.full((40, 50), colour, np.uint8), [[5, 5, 25, 25], [10, 10, 20, 20], [-300, 5, -150, 155]])
    in_box = (faces.points - [[[5, 5]], [[10, 10]], [[-300, 5]]]) / [[[20, 20]], [[10, 10]], [[150, 150]]]
    assert np.allclose(in_box, in_box[0], atol=0.005)


def test_large_windows_strip_by_strip(by_torch, by_onnx):
    image = cv2.resize(picture(), (1500, 1300), interpolation=cv2.INTER_CUBIC)
    boxes = [[100, 60, 1350, 1200], [700, 300, 1300, 930], [40, 50, 90, 99]]
    assert_same(by_onnx.locate(image, boxes), by_torch.locate(image, boxes))


@pytest.mark.parametrize("boxes", [
    [[900, 700, 960, 760]], [[30, -20, 130, 80]], [[1380, 900, 1500, 1020], [1200, 990, 1290, 1080]],
    [[1600, 300, 1700, 400]], [[300, -500, 400, -400]], [[10, 10, 90, 90], [1200, 900, 1300, 1000]]])
def test_of_a_large_picture_only_the_faces_are_looked_at(by_torch, by_onnx, boxes):
    image = np.tile(picture(500, 700), (2, 2))
    image += np.arange(image.size, dtype=np.int64).reshape(image.shape).astype(np.uint8) // 8
    assert_same(by_onnx.locate(image, boxes), by_torch.locate(image, boxes))


def test_no_face(by_onnx):
    for level in (1, 2, 3):
        faces = by_onnx.locate(picture(), np.zeros((0, 4)), level)
        assert faces.points.shape == (0, 5, 2) and faces.levels.shape == (0, level, 5, 2)
        assert faces.confidence.shape == (0, 5)


def test_many_faces_in_parts_keep_their_order(by_onnx):
    rng = np.random.default_rng(2)
    corner = rng.uniform(-20, 200, (300, 2))
    boxes = np.hstack([corner, corner + rng.uniform(10, 120, (300, 1))])
    together, some = by_onnx.locate(picture(), boxes), rng.choice(300, 5, replace=False)
    assert_same(Cascade.load(threads=3).locate(picture(), boxes), together)
    for i in some:
        alone = by_onnx.locate(picture(), boxes[i:i + 1])
        assert np.abs(alone.levels[0] - together.levels[i]).max() < TOLERANCE_PX
        assert np.abs(alone.confidence[0] - together.confidence[i]).max() < 1e-3


def test_weights_in_float16_take_half_the_file(by_onnx, tmp_path):
    export_cascade(default_model(), tmp_path / "whole.onnx")
    export_cascade(default_model(), tmp_path / "half.onnx", half=True)
    assert (tmp_path / "half.onnx").stat().st_size < 0.55 * (tmp_path / "whole.onnx").stat().st_size
    image, boxes = picture(), [[84, 92, 161, 169]]
    difference_px = np.abs(Cascade.load(tmp_path / "half.onnx").predict(image, boxes) - by_onnx.predict(image, boxes))
    assert 0 < difference_px.max() < 0.2


def test_mirrored_averaging(by_torch, tmp_path):
    export_cascade(default_model(), tmp_path / "mirrored.onnx", mirror=True)
    image, boxes = picture(), np.array([[60, 40, 160, 140], [150.5, 100, 280, 220]])
    back = image.shape[1] - 1
    plain = by_torch.locate(image, boxes)
    other = by_torch.locate(np.ascontiguousarray(image[:, ::-1]), np.stack([back - boxes[:, 2], boxes[:, 1],
                                                                           back - boxes[:, 0], boxes[:, 3]], 1))
    swap = list(by_torch.settings.points.mirror)
    found = Cascade.load(tmp_path / "mirrored.onnx").locate(image, boxes)
    expected = (plain.levels + other.levels[:, :, swap] * [-1, 1] + [back, 0]) / 2
    assert np.abs(found.levels - expected).max() < TOLERANCE_PX
    assert np.abs(found.first - (plain.first + other.first[:, swap] * [-1, 1] + [back, 0]) / 2).max() < TOLERANCE_PX
    assert np.abs(found.spread - (plain.spread + other.spread[:, :, swap]) / 2).max() < TOLERANCE_PX


def random_model(folder, points=None, leave_out=(), s0=None, levels=(1, 2, 3), edit=None, **settings):
    """A model folder of untrained networks."""
    points = points or CascadeSettings().points
    folder.mkdir()
    table = tuple(network for network in networks(points, levels) if network.full_name not in leave_out)
    for seed, network in enumerate(table):
        text = render(network, "deploy", folder=template_folder(), structure=s0 if network.name == "F" else None)
        target = folder / f"{network.full_name}.prototxt"
        target.write_text(edit(text) if edit else text)
        assert edit is None or network.name != "F" or edit(text) != text
        net = Net(str(target), TEST, seed=seed)
        for blobs in net.params.values():
            for blob in blobs:
                blob.data[...] += np.random.default_rng(seed).normal(0, 0.05, blob.data.shape)
        net.save(str(folder / f"{network.full_name}.caffemodel"))
    CascadeSettings(points=points, networks=table, **settings).save(folder)
    return folder


def with_a_branch(text):
    """fc1 sees pool2 twice, once through a sigmoid: no chain, and a layer with no stacked form."""
    branch = ('layer { name: "bend" type: "Sigmoid" bottom: "pool2" top: "bend" }\n'
              'layer { name: "both" type: "Concat" bottom: "pool2" bottom: "bend" top: "both" }\n')
    head, tail = text.split('layer {\n  name: "fc1"', 1)
    return head + branch + 'layer {\n  name: "fc1"' + tail.replace('bottom: "pool2"', 'bottom: "both"', 1)


def gains_in_other_regions(text):
    """Gains shared in other regions than the weights of the convolution before them."""
    return text.replace("local_share_param { p: 2 q: 2 }\n}\nlayer { name: \"pool1_tanh\"",
                        "local_share_param { p: 3 q: 1 }\n}\nlayer { name: \"pool1_tanh\"")


THREE = Points(("left", "right", "chin"), (1, 0, 2))
FITTED = tuple(Weights((0.5, -0.5, 1.0), ((-0.3,) * count,) * 3, ((0.2,) * count,) * 3) for count in (1, 3, 5))
NETS = [f"{level}_{point}{k}" for level in (2, 3) for point in ("left", "right", "chin") for k in (1, 2)]
TOLD = (*FITTED[:2], replace(FITTED[2], hidden={name: tuple(np.linspace(-1, i / 9, 60)) for i, name in enumerate(NETS)}))
FIVE = tuple(Weights((0.5,) * 5, ((-0.3,) * count,) * 5, ((0.2,) * count,) * 5) for count in (1, 3, 5))


@pytest.mark.parametrize("settings", [
    {"points": THREE}, {"points": THREE, "confidence": FITTED}, {"leave_out": ("1_EN", "1_NM")}, {"levels": (1,)},
    {"points": THREE, "levels": (1, 2)}, {"s0": "s7", "levels": (1,)}, {"s0": "s3", "levels": (1,)},
    {"s0": "s5", "levels": (1,)},
    {"s0": "s6", "levels": (1,)}, {"edit": gains_in_other_regions, "levels": (1,)},
    {"edit": with_a_branch, "points": THREE}, {"confidence": FIVE, "level_1_share": 0.2}],
                         ids=lambda settings: " ".join(settings))
def test_other_cascades(tmp_path, settings):
    folder = random_model(tmp_path / "model", **settings)
    export_cascade(folder, folder / ONNX_FILE)
    image, boxes = picture(), [[60, 40, 160, 140], [100, 90, 180, 170]]
    torch_cascade, cascade = Cascade.load(folder, backend="torch"), Cascade.load(folder)
    assert cascade.backend == "onnx" and cascade.levels == torch_cascade.levels
    for level in torch_cascade.levels:
        found = cascade.locate(image, boxes, level)
        assert_same(found, torch_cascade.locate(image, boxes, level))
        expected = point_confidence(found.levels, found.spread, [100, 80], settings.get("confidence"))
        assert np.abs(found.confidence - expected).max() < 1e-4


@pytest.mark.parametrize("edit", [None, with_a_branch])
@pytest.mark.parametrize("mirror", [False, True])
def test_hidden_layers_in_the_confidence(tmp_path, edit, mirror):
    """The whole cascade hears them, two levels of it do not; mirrored, each point hears those of its mirror point."""
    folder = random_model(tmp_path / "model", points=THREE, confidence=TOLD, edit=edit)
    export_cascade(folder, folder / ONNX_FILE, mirror=mirror)
    image, boxes = picture(), np.array([[60, 40, 160, 140], [100, 90, 180, 170]])
    cascade, (settings, modules) = Cascade.load(folder), load_modules(folder)
    found, engine = cascade.locate(image, boxes), TorchEngine(settings, modules)
    told = hidden_odds(engine.run(image, boxes, 3).hidden, TOLD[2].hidden, 3)
    if mirror:
        other = boxes[:, [2, 1, 0, 3]] * [-1, 1, -1, 1] + [image.shape[1] - 1, 0] * 2
        flipped = engine.run(np.ascontiguousarray(image[:, ::-1]), other, 3).hidden
        told = (told + hidden_odds(flipped, TOLD[2].hidden, 3)[:, list(THREE.mirror)]) / 2
    assert np.ptp(told) > 0.1
    expected = point_confidence(found.levels, found.spread, [100, 80], TOLD, told)
    assert np.abs(found.confidence - expected).max() < 1e-4
    part = cascade.locate(image, boxes, 2)
    assert np.abs(part.confidence - point_confidence(part.levels, part.spread, [100, 80], TOLD)).max() < 1e-4


def test_patches_of_a_point_may_differ_in_number_and_size(tmp_path):
    """No table of the project's is like that, a settings file may be: each network is then cut by itself."""
    folder = random_model(tmp_path / "model", leave_out=("2_N2", "2_LE1"), levels=(1, 2))
    settings = CascadeSettings.load(folder)
    odd = {"2_RE1": 0.25, "2_N1": 0.09}
    replace(settings, networks=tuple(replace(n, half_side=odd.get(n.full_name, n.half_side))
                                     for n in settings.networks)).save(folder)
    export_cascade(folder, folder / ONNX_FILE)
    image, boxes = picture(), [[60, 40, 160, 140], [100, 90, 180, 170]]
    assert_same(Cascade.load(folder).locate(image, boxes), Cascade.load(folder, backend="torch").locate(image, boxes))


def test_a_graph_of_other_networks_is_not_run(tmp_path):
    folder = random_model(tmp_path / "model", points=THREE, levels=(1,))
    with pytest.raises(ValueError, match="is missing; `deeplandmark export"):
        Cascade.load(folder, backend="onnx")
    export_cascade(folder, folder / ONNX_FILE)
    assert Cascade.load(folder).backend == "onnx"
    content = (folder / "1_F.caffemodel").read_bytes()
    (folder / "1_F.caffemodel").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.warns(UserWarning, match="made of other networks"):
        assert Cascade.load(folder).backend == "torch"
    with pytest.raises(ValueError, match="made of other networks"):
        Cascade.load(folder, backend="onnx")


def test_what_cannot_be_exported_or_read_is_refused(tmp_path):
    folder = tmp_path / "original"
    shutil.copytree(default_model(), folder)
    (folder / "cascade.json").unlink()
    with pytest.raises(ValueError, match="'truncate' cannot be exported"):
        export_cascade(folder, tmp_path / "x.onnx")
    assert not (tmp_path / "x.onnx").exists()
    (tmp_path / "damaged.onnx").write_bytes((default_model() / ONNX_FILE).read_bytes()[:100_000])
    (tmp_path / "empty.onnx").write_bytes(b"")
    for path, message in (("damaged.onnx", "ONNX Runtime can read"), ("empty.onnx", "empty.onnx"),
                          ("missing.onnx", "neither a model folder")):
        with pytest.raises(ValueError, match=message):
            Cascade.load(tmp_path / path)
    for wrong, message in (({"backend": "tensorflow"}, "unknown"), ({"threads": 0}, "at least 1")):
        with pytest.raises(ValueError, match=message):
            Cascade.load(**wrong)


def test_a_level_less_is_the_beginning_of_all_levels(by_onnx):
    image, boxes = picture(), [[60, 40, 160, 140], [100, 90, 180, 170]]
    whole = by_onnx.locate(image, boxes)
    for level in (1, 2):
        part = by_onnx.locate(image, boxes, level)
        assert np.array_equal(part.levels, whole.levels[:, :level]) and np.array_equal(part.points, part.levels[:, -1])
        expected = point_confidence(part.levels, part.spread, [100, 80], by_onnx.settings.confidence)
        assert np.abs(part.confidence - expected).max() < 1e-6


def test_a_graph_of_another_format_is_refused(tmp_path):
    import onnx
    model = onnx.load(default_model() / ONNX_FILE)
    next(entry for entry in model.metadata_props if entry.key == "deeplandmark").value = "1"
    onnx.save(model, tmp_path / "old.onnx")
    with pytest.raises(ValueError, match="format 1, this version reads 2.*deeplandmark.export"):
        Cascade.load(tmp_path / "old.onnx")


def test_an_onnx_model_of_something_else(tmp_path):
    from deeplandmark.caffe import to_onnx
    to_onnx(str(default_model() / "2_LE1.prototxt"), onnx_file=str(tmp_path / "net.onnx"))
    with pytest.raises(ValueError, match="not a cascade exported"):
        Cascade.load(tmp_path / "net.onnx")


def test_prediction_needs_neither_torch_nor_onnx():
    code = ("import sys\nfor name in ('torch', 'onnx', 'google', 'h5py', 'matplotlib'): sys.modules[name] = None\n"
            "import numpy as np\nfrom deeplandmark import Cascade\n"
            "print(Cascade.load().predict(np.zeros((50, 50), np.uint8), [[5, 5, 40, 40]]).shape)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "(1, 5, 2)", done.stderr


def test_the_graph_alone():
    """As somebody would run it who has only the file."""
    session = onnxruntime.InferenceSession(str(default_model() / ONNX_FILE))
    image, boxes = picture(), np.array([[60, 40, 160, 140]], np.float32)
    levels, first = session.run(["levels", "first"], {"image": image, "boxes": boxes})
    expected = Cascade.load().locate(image, boxes)
    assert np.allclose(levels, expected.levels, atol=1e-4) and np.allclose(first, expected.first, atol=1e-4)
    none = session.run(["levels", "spread", "confidence", "first"], {"image": image, "boxes": boxes[:0]})
    assert [array.shape for array in none] == [(0, 3, 5, 2), (0, 3, 5), (0, 5), (0, 5, 2)]


def test_the_command(tmp_path, capsys):
    assert export.main([str(tmp_path / "cascade.onnx")]) == 0
    assert "MB" in capsys.readouterr().out and Cascade.load(tmp_path / "cascade.onnx").levels == [1, 2, 3]
    for wrong in (["--model", str(tmp_path), "x.onnx"], [str(tmp_path / "no" / "x.onnx")]):
        assert export.main(wrong) == 1
        error = capsys.readouterr().err
        assert error.startswith("export: ") and error.count("\n") == 1 and ".part" not in error
