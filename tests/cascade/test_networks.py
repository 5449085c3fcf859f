"""The table of networks and what the templates make of it, against Table 1 and Table 2 of the paper."""
import math
import re
import shutil

import numpy as np
import pytest

from deeplandmark.caffe import TEST, TRAIN
from deeplandmark.caffe.net import Net
from deeplandmark.cascade.networks import networks
from deeplandmark.faces.points import FIVE_POINTS
from deeplandmark.networks.windows import windows_of
from deeplandmark.training.templates import generate, render, template_folder

# Maps after each convolution and pooling of Table 1, from its arguments alone.
TABLE_1 = {"s0": [(20, 36, 36), (20, 18, 18), (40, 16, 16), (40, 8, 8), (60, 6, 6), (60, 3, 3), (80, 2, 2),
                  (120,), (10,)],
           "s1": [(20, 28, 36), (20, 14, 18), (40, 12, 16), (40, 6, 8), (60, 4, 6), (60, 2, 3), (80, 1, 2),
                  (100,), (6,)],
           "s2": [(20, 12, 12), (20, 6, 6), (40, 4, 4), (40, 2, 2), (60,), (2,)]}
# Weights of the convolutions: p * q times n * m * s * s, and as many biases as p * q * n.
REGIONS = {"s0": [4, 4, 9, 4], "s1": [1, 4, 6, 2], "s2": [1, 1], "s7": [1, 1, 1, 1]}
BLOBS = ["conv1", "pool1", "conv2", "pool2", "conv3", "pool3", "conv4", "fc1", "fc2"]


def deploy(full_name, out, **settings):
    generate(out, **settings)
    return Net(str(out / f"{full_name}_deploy.prototxt"), TEST)


def test_there_are_23_networks():
    found = networks()
    assert len(found) == 23 and len({network.full_name for network in found}) == 23
    assert [n.full_name for n in found[:5]] == ["1_F", "1_EN", "1_NM", "2_LE1", "2_LE2"]
    assert all(found_twice == 4 for found_twice in (sum(n.points == (i,) for n in found) for i in range(5)))
    assert [FIVE_POINTS.mirror[i] for i in FIVE_POINTS.mirror] == [0, 1, 2, 3, 4]


def test_windows_of_table_2():
    """In the box 100, 50, 300, 260: F, EN and NM of the box, patches around the left eye at 150, 100."""
    box, points = np.array([[100.0, 50, 300, 260]]), np.full((1, 5, 2), (150.0, 100))
    rows = {network.full_name: network for network in networks()}

    def window_of(name):
        return windows_of(rows[name], box, points)[0]
    assert window_of("1_F") == pytest.approx([90, 39.5, 310, 270.5])
    assert window_of("1_EN") == pytest.approx([90, 50 - 0.04 * 210, 310, 50 + 0.84 * 210])
    assert window_of("1_NM") == pytest.approx([90, 50 + 0.18 * 210, 310, 50 + 1.05 * 210])
    # Half-sides are fractions of the width in x and of the height in y.
    for name, half in (("2_LE1", 0.16), ("2_LE2", 0.18), ("3_LE1", 0.11), ("3_LE2", 0.12)):
        assert window_of(name) == pytest.approx(
            [150 - half * 200, 100 - half * 210, 150 + half * 200, 100 + half * 210])


@pytest.mark.parametrize("full_name, structure", [("1_F", "s0"), ("1_EN", "s1"), ("1_NM", "s1"), ("3_RM2", "s2")])
@pytest.mark.parametrize("variant", ["paper", "original"])
@pytest.mark.slow
def test_shapes_of_table_1(full_name, structure, variant, tmp_path):
    net = deploy(full_name, tmp_path, variant=variant)
    found = [net.blobs[name].data.shape[1:] for name in BLOBS if name in net.blobs]
    assert found == TABLE_1[structure]


@pytest.mark.parametrize("full_name, structure, settings", [("1_F", "s0", {}), ("1_EN", "s1", {}), ("2_N1", "s2", {}),
                                                            ("1_F", "s7", {"s0": "s7"})])
@pytest.mark.slow
def test_weights_are_shared_inside_regions_only(full_name, structure, settings, tmp_path):
    net = deploy(full_name, tmp_path, **settings)
    for i, regions in enumerate(REGIONS[structure], 1):
        weight, bias = net.params[f"conv{i}_map"]
        assert weight.data.shape[0] == bias.data.shape[0] == regions * 20 * i
        gain = net.params.get(f"pool{i}_scale")
        assert gain is None or gain[0].data.shape == (regions * 20 * i,)


@pytest.mark.parametrize("structure, absent", [("s3", "conv4"), ("s4", "conv3"), ("s5", "conv2")])
def test_ablations_leave_layers_out(structure, absent, tmp_path):
    net = deploy("1_F", tmp_path, s0=structure)
    assert absent not in net.blobs and net.blobs["fc2"].data.shape == (1, 10)


def test_s6_takes_no_absolute_values(tmp_path):
    assert "AbsVal" in {layer.type for layer in deploy("1_F", tmp_path).layers}
    assert "AbsVal" not in {layer.type for layer in deploy("1_F", tmp_path, s0="s6").layers}


def test_the_originals_family_uses_layers_of_caffe_alone(tmp_path):
    generate(tmp_path, variant="original", recipe="full")
    for path in tmp_path.glob("*.prototxt"):
        assert "LocallyShared" not in path.read_text() and "local_share" not in path.read_text()
    net = Net(str(tmp_path / "1_F_deploy.prototxt"), TEST)
    assert net.blobs["faker"].data.shape == (1, 3 * 3 * 60 + 2 * 2 * 80)
    assert "max_iter: 1000000" in (tmp_path / "1_F_solver.prototxt").read_text()
    assert "max_iter: 100000\n" in (tmp_path / "2_LE1_solver.prototxt").read_text()


def test_an_edited_template_is_the_net_that_trains(tmp_path):
    """Another num_output, a dropped layer and a new ReLU need no change anywhere else."""
    templates = tmp_path / "templates"
    shutil.copytree(template_folder(), templates, ignore=lambda _, names: [n for n in names if n.endswith(".prototxt")])
    body = templates / "cascade" / "paper_s2.prototxt.template"
    text = body.read_text().replace("n=40", "n=24")
    text = re.sub(r'.*net\.P\("pool2".*\n', '{{ net.relu("relu2", "conv2") }}\n', text)
    body.write_text(text.replace('net.F("fc1", "pool2"', 'net.F("fc1", "conv2"'))
    net = deploy("2_LE1", tmp_path / "out", folder=templates)
    assert net.blobs["conv2"].data.shape == (1, 24, 4, 4) and "pool2" not in net.blobs
    assert net.layer_dict["relu2"].type == "ReLU" and net.params["fc1"][0].data.shape == (60, 24 * 16)


@pytest.mark.parametrize("wrong, text", [("net.F(", "no attribute 'G'"), ("n=num_output", "unsupported operand"),
                                         ("n=60", "'sixty' is undefined")])
def test_an_expression_that_fails_names_its_file_and_line(tmp_path, wrong, text):
    shutil.copytree(template_folder(), tmp_path / "t")
    body = tmp_path / "t" / "cascade" / "paper_s2.prototxt.template"
    right = {"net.F(": "net.G(", "n=num_output": 'n=num_output + "a"', "n=60": "n=sixty"}[wrong]
    body.write_text(body.read_text().replace(wrong, right))
    with pytest.raises(ValueError, match=rf"paper_s2\.prototxt\.template:\d+.*{text}"):
        generate(tmp_path / "out", tmp_path / "t", levels=(2,))


def test_errors_in_a_template_name_the_file(tmp_path):
    shutil.copytree(template_folder(), tmp_path / "t")
    body = tmp_path / "t" / "cascade" / "paper_s2.prototxt.template"
    body.write_text(body.read_text() + "{{ net.CR( }}\n")
    with pytest.raises(ValueError, match=r"paper_s2\.prototxt\.template:\d+"):
        render(networks()[3], "deploy", folder=tmp_path / "t")
    body.write_text("{{ no_such_thing.CR() }}")
    with pytest.raises(ValueError, match="no_such_thing"):
        render(networks()[3], "deploy", folder=tmp_path / "t")


def test_files_that_would_not_change_are_left_alone(tmp_path):
    path = generate(tmp_path)[0]
    before = path.stat().st_mtime_ns
    generate(tmp_path)
    assert path.stat().st_mtime_ns == before


def test_training_nets_have_both_phases(tmp_path, monkeypatch):
    """In TEST also what the original calls its error, and the mean distance in % of the box's width: by loops."""
    import h5py
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(4)
    for variant, name, size, unit in (("paper", "2_LE2", (15, 15), 2 * 0.18 / 2), ("paper", "1_NM", (31, 39), 1 / 2),
                                      ("original", "3_N1", (15, 15), 2 * 0.11), ("original", "1_F", (39, 39), 1)):
        generate(frozen=True, variant=variant, levels=(int(name[0]),))
        folder, k = tmp_path / "train" / name, {"1_NM": 3, "1_F": 5}.get(name, 1)
        folder.mkdir(parents=True)
        truth = rng.normal(size=(9, 2 * k)).astype("f4")
        with h5py.File(folder / "a.h5", "w") as file:
            file["data"], file["landmark"] = rng.normal(size=(9, 1, *size)).astype("f4"), truth
        for list_name in ("train.txt", "test.txt"):
            (folder / list_name).write_text(str(folder / "a.h5"))
        assert Net(f"prototxt/{name}_train.prototxt", TRAIN).outputs == ["loss"]
        net = Net(f"prototxt/{name}_train.prototxt", TEST)
        found = net.forward()
        assert list(found) == ["error", "error_percent", "loss"]
        apart = [(a - b).reshape(k, 2) for a, b in zip(net.blobs["fc2"].data, net.blobs["landmark"].data)]
        distances = [100 * unit * math.hypot(*point) for face in apart for point in face]
        assert found["error_percent"] == pytest.approx(np.mean(distances), rel=1e-5)
        assert found["error"] == pytest.approx(np.mean([(face ** 2).sum() / 2 for face in apart]), rel=1e-5)
        steps = [abs(x) - 0.005 if abs(x) >= 0.01 else 50 * x * x for x in np.ravel(apart)]
        expected = found["error"] if variant == "original" else 2 * k * np.mean(steps)
        assert found["loss"] == pytest.approx(expected, rel=1e-4)


def test_the_command_finds_a_net_that_does_not_fit(tmp_path, capsys):
    from deeplandmark import generate as command
    shutil.copytree(template_folder(), tmp_path / "t", ignore=shutil.ignore_patterns("*.prototxt"))
    body = tmp_path / "t" / "cascade" / "paper_s2.prototxt.template"
    body.write_text(body.read_text().replace('"conv2", "pool1"', '"conv2", "pool9"'))
    assert command.main(["--templates", str(tmp_path / "t"), "--out", str(tmp_path / "out")]) == 1
    err = capsys.readouterr().err
    assert re.search(r"2_LE1_deploy\.prototxt:\d+: layer 'conv2_map': .*'pool9'", err) and err.count("\n") == 1


def test_the_originals_solver(tmp_path):
    generate(tmp_path, variant="original", recipe="full")
    solver = (tmp_path / "1_F_solver.prototxt").read_text()
    for line in ("test_iter: 25", "test_interval: 1000", "base_lr: 0.01", "gamma: 0.0001", "power: 0.75",
                 "display: 200", "snapshot: 50000", "weight_decay: 0.0005", 'snapshot_prefix: "model/1_F/"'):
        assert f"{line}\n" in solver
    solver = (tmp_path / "3_N1_solver.prototxt").read_text()
    assert "base_lr: 0.005\n" in solver and "snapshot: 10000\n" in solver
    assert (tmp_path / "1_F_train.prototxt").read_text().count("batch_size: 64") == 2


def test_the_command_sets_variables_of_the_templates(tmp_path, capsys):
    from deeplandmark import generate as command
    arguments = ["--levels", "2", "--out", str(tmp_path), "--set", "rotation=20", "--set", "iterations=500"]
    assert command.main([*arguments, "--set", "loss=EuclideanLoss"]) == 0
    train = (tmp_path / "2_LE1_train.prototxt").read_text()
    assert "rotation: 20.0\n" in train and 'type: "SmoothL1Loss"' not in train and train.count('"EuclideanLoss"') == 2
    assert "max_iter: 500\n" in (tmp_path / "2_LE1_solver.prototxt").read_text()
    assert command.main(arguments) == 0 and "SmoothL1Loss" in (tmp_path / "2_LE1_train.prototxt").read_text()
    capsys.readouterr()
    for wrong in ("rotatoin=20", "level=3"):
        assert command.main(["--out", str(tmp_path), "--set", wrong]) == 1
        err = capsys.readouterr().err
        assert f"generate: no template has a variable {wrong.split('=')[0]} to be set (known: base_lr, " in err
    for wrong in ("rotation", "=3", "a b=3"):
        with pytest.raises(SystemExit):
            command.main(["--set", wrong])
        assert "expected NAME=VALUE" in capsys.readouterr().err


def test_frozen_nets_read_patches_and_others_cut_them(tmp_path):
    for frozen, kinds in ((True, ["HDF5Data", "HDF5Data"]), (False, ["HDF5PatchData", "HDF5Data"])):
        generate(tmp_path, levels=(3,), frozen=frozen)
        assert re.findall(r'type: "(HDF5\w+)"', (tmp_path / "3_N1_train.prototxt").read_text()) == kinds
    generate(tmp_path, levels=(3,), variant="original")
    assert "HDF5PatchData" not in (tmp_path / "3_N1_train.prototxt").read_text()


def test_the_wide_family_costs_at_most_25_million_multiply_adds(tmp_path):
    """And has the windows and answers of the paper's, with more of everything between; its weights fit into 10 MiB."""
    for variant in ("paper", "wide"):
        generate(tmp_path / variant, variant=variant)
    total = size = 0
    for times, name in ((1, "1_F"), (2, "1_EN"), (20, "2_LE1")):
        paper, wide = (Net(str(tmp_path / variant / f"{name}_deploy.prototxt"), TEST) for variant in ("paper", "wide"))
        for blob in ("data", *BLOBS):
            if blob in wide.blobs:
                same = blob in ("data", "fc2")
                assert (wide.blobs[blob].data.shape == paper.blobs[blob].data.shape) is same
        total += times * sum(multiply_adds(wide, layer) for layer in wide.params)
        size += times * sum(blob.data.nbytes for blobs in wide.params.values() for blob in blobs)
    assert 15e6 < total <= 25e6 and size < 10 * 2 ** 20


def multiply_adds(net, layer):
    """Of one face: a weight of a convolution is used once for every pixel of its region."""
    weights = net.params[layer][0].data
    if weights.ndim == 2:
        return weights.size
    if weights.ndim < 4:
        return 0
    _, maps, rows, columns = net.blobs[layer].data.shape
    return weights.size * rows * columns // (weights.shape[0] // maps)
