"""Any cascade as one graph: other points, networks and settings; what is refused."""
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest

from deeplandmark import Cascade, export
from deeplandmark.cascade.confidence.confidence import Weights, point_confidence
from deeplandmark.cascade.confidence.error_from_hidden_layers import hidden_odds
from deeplandmark.cascade.onnx import export_cascade
from deeplandmark.cascade.settings import CascadeSettings
from deeplandmark.cascade.torch_engine import TorchEngine, load_modules
from deeplandmark.faces import Annotation, write_list
from deeplandmark.faces.points import Points
from deeplandmark.faces.synthetic import draw_face
from deeplandmark.networks.published import ONNX_FILE, model_at
from tests.helpers.onnx_cascades import assert_same, picture, random_model


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
TOLD = (*FITTED[:2], replace(FITTED[2], hidden={name: tuple(np.linspace(-1, i / 9, 60))
                                                for i, name in enumerate(NETS)}))
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
    shutil.copytree(model_at("wide"), folder)
    (folder / "cascade.json").unlink()
    with pytest.raises(ValueError, match="'truncate' cannot be exported"):
        export_cascade(folder, tmp_path / "x.onnx")
    assert not (tmp_path / "x.onnx").exists()
    (tmp_path / "damaged.onnx").write_bytes((model_at("wide") / ONNX_FILE).read_bytes()[:100_000])
    (tmp_path / "empty.onnx").write_bytes(b"")
    for path, message in (("damaged.onnx", "ONNX Runtime can read"), ("empty.onnx", "empty.onnx"),
                          ("missing.onnx", "neither a model folder")):
        with pytest.raises(ValueError, match=message):
            Cascade.load(tmp_path / path)
    for wrong, message in (({"backend": "tensorflow"}, "unknown"), ({"threads": 0}, "at least 1")):
        with pytest.raises(ValueError, match=message):
            Cascade.load(**wrong)


@pytest.mark.parametrize("change, text", [
    ({"size": (3, 39)}, r"1_EN.prototxt: it sees data of shape \(1, 31, 39\), but the settings of the model say"),
    ({"earlier": ("nowhere",), "half_sides": (0.1,)}, "1_EN.prototxt: it has no blob 'nowhere'"),
    ({"points": (0, 1)}, r"1_EN.prototxt: its output has shape \(1, 6\), expected \(1, 4\)")])
def test_a_net_that_does_not_fit_its_settings_is_refused_by_name(change, text, tmp_path):
    folder = random_model(tmp_path / "model", levels=(1,))
    settings = CascadeSettings.load(folder)
    rows = tuple(replace(network, **change) if network.name == "EN" else network for network in settings.networks)
    replace(settings, networks=rows).save(folder)
    with pytest.raises(ValueError, match=text):
        export_cascade(folder)


@pytest.mark.parametrize("layers, text", [("", r"its output has shape \(1, 1, 39, 39\), expected \(1, 10\)"),
                                          ('layer { name: "s" type: "Silence" bottom: "data" }', "it has no output")])
def test_a_net_without_weights_or_output_is_refused_by_name(layers, text, tmp_path):
    folder = random_model(tmp_path / "model", levels=(1,))
    (folder / "1_F.prototxt").write_text('input: "data" input_shape { dim: 1 dim: 1 dim: 39 dim: 39 } ' + layers)
    with pytest.raises(ValueError, match=f"1_F.prototxt: {text}"):
        export_cascade(folder)


def test_a_point_that_no_network_predicts_is_told(tmp_path):
    folder = random_model(tmp_path / "model", levels=(1,), leave_out=("1_F",))
    (folder / "1_NM.prototxt").unlink()
    with pytest.raises(ValueError, match="no network of level 1 predicts LM"):
        export_cascade(folder)


def test_a_graph_of_another_format_is_refused(tmp_path):
    import onnx
    model = onnx.load(model_at("wide") / ONNX_FILE)
    next(entry for entry in model.metadata_props if entry.key == "deeplandmark").value = "1"
    onnx.save(model, tmp_path / "old.onnx")
    with pytest.raises(ValueError, match="format 1, this version reads 2.*deeplandmark.export"):
        Cascade.load(tmp_path / "old.onnx")


def test_an_onnx_model_of_something_else(tmp_path):
    from deeplandmark.caffe import to_onnx
    to_onnx(str(model_at("wide") / "2_LE1.prototxt"), onnx_file=str(tmp_path / "net.onnx"))
    with pytest.raises(ValueError, match="not a cascade exported"):
        Cascade.load(tmp_path / "net.onnx")


def test_the_command(tmp_path, capsys):
    assert export.main([str(tmp_path / "cascade.onnx")]) == 0
    assert "MB" in capsys.readouterr().out and Cascade.load(tmp_path / "cascade.onnx").levels == [1, 2, 3]
    for wrong in (["--model", str(tmp_path), "x.onnx"], [str(tmp_path / "no" / "x.onnx")]):
        assert export.main(wrong) == 1
        error = capsys.readouterr().err
        assert error.startswith("export: ") and error.count("\n") == 1 and ".part" not in error


@pytest.mark.parametrize("model, file", [("wide", 0.4), ("light", 0.4)])
def test_eight_bits_by_scales_of_some_faces(tmp_path, capsys, model, file):
    """A third of the file, points nearly where they were, for faces that were not among those of the scales; what is
    left in float32 are small products alone."""
    faces, rng = [], np.random.default_rng(8)
    print("seed", 8)
    for i in range(24):
        grey, five, box = draw_face(rng)
        cv2.imwrite(str(tmp_path / f"{i}.png"), grey)
        faces.append(Annotation(tmp_path / f"{i}.png", box, five, "", i))
    write_list(tmp_path / "list.txt", faces[:12])
    command = ["--model", model]
    assert export.main([*command, str(tmp_path / "whole.onnx")]) == 0
    assert export.main([*command, str(tmp_path / "int8.onnx"), "--int8", str(tmp_path / "list.txt")]) == 0
    sizes = [(tmp_path / name).stat().st_size for name in ("int8.onnx", "whole.onnx")]
    assert sizes[0] < file * sizes[1]
    whole, int8 = (Cascade.load(tmp_path / name) for name in ("whole.onnx", "int8.onnx"))
    off = [np.abs(whole.predict(str(face.path), [face.bbox.as_array()]) - int8.predict(
        str(face.path), [face.bbox.as_array()])).mean() / face.bbox.width for face in faces[12:]]
    assert 0 < np.median(off) < 0.005
    capsys.readouterr()
    with pytest.raises(SystemExit):
        export.main([str(tmp_path / "x.onnx"), "--int8", str(tmp_path / "list.txt"), "--half"])
    assert "neither --half nor --web" in capsys.readouterr().err
    (tmp_path / "empty.txt").write_text("")
    assert export.main([str(tmp_path / "x.onnx"), "--int8", str(tmp_path / "empty.txt")]) == 1
    assert "no faces" in capsys.readouterr().err and not (tmp_path / "x.onnx").exists()
