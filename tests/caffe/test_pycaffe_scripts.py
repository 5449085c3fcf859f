"""Scripts in the manner of pycaffe's notebooks run as they are; each test looks at what its script found."""
import runpy
from pathlib import Path

import numpy as np
import pytest

SCRIPTS = Path(__file__).parent / "scripts"


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GLOG_minloglevel", "2")
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return lambda name: runpy.run_path(str(SCRIPTS / f"{name}.py"), run_name="__main__")


def test_net_surgery(run):
    found = run("net_surgery")
    assert found["shape"] == (1, 3, 26, 36) and found["shift"] == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(found["found"], found["by_hand"], atol=1e-4)
    assert found["same"]


def test_lenet(run):
    found = run("lenet_netspec")
    assert ("conv1", (32, 4, 8, 8)) in found["shapes"] and ("loss", ()) in found["shapes"]
    assert found["train_loss"][-1] < 0.1 < found["train_loss"][0]
    assert found["last_acc"] > 0.95 and len(found["test_acc"]) == 3
    assert np.abs(found["filter_updates"]).max() > 0


def test_extract_features(run):
    found = run("extract_features")
    assert found["output_prob"].sum() == pytest.approx(1, abs=1e-5) and len(found["top_inds"]) == 3
    assert found["layer_shapes"]["conv1"] == (4, 6, 6, 6) and found["param_shapes"]["fc2"] == (5, 54)
    assert found["feat"].shape == (6, 3, 3) and list(found["only_features"]) == ["pool1"]
    assert found["picture"].shape == (16, 16, 3) and 0 <= found["picture"].min() + 1e-6
    assert found["prediction"].shape == (1, 5)


def test_fully_convolutional(run):
    found = run("fully_convolutional")
    assert found["prob_map"].shape == (1, 2, 5, 7)
    np.testing.assert_allclose(found["prob_map"][0].transpose(1, 2, 0), found["windows"], atol=1e-6)


def test_python_layers(run):
    found = run("pyloss")
    ours, caffes = np.array(found["losses"]).T
    np.testing.assert_allclose(ours, caffes, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(found["learned"], [[1, -2, 0.5], [0, 1, 1]], atol=1e-2)


def test_logreg(run):
    found = run("logreg_hdf5")
    assert 0.4 < found["linear"] < 0.75 < found["nonlinear"]
    assert found["second"].iter == 600
    assert [net.outputs for net in found["first"].test_nets] == [["accuracy", "loss"]]


def test_finetune(run):
    found = run("finetune")
    tuned, source = found["tuned"].net, found["source"].net
    np.testing.assert_array_equal(tuned.params["fc1"][0].data, source.params["fc1"][0].data)   # frozen, and copied
    assert np.abs(tuned.params["fc_new"][0].data - found["start"]).max() > 0
    assert found["loss"]["tuned"][-1] < found["loss"]["tuned"][0]
    assert (found["scratch"].net.params["fc1"][0].data != tuned.params["fc1"][0].data).any()


def test_own_update(run):
    found = run("own_update")
    assert np.mean(found["losses"][-10:]) < 0.2 * np.mean(found["losses"][:10])
    assert set(found["input_diff"]) == {"data", "label", "ip1"}
    assert found["input_diff"]["data"][0, 0] == pytest.approx(float(found["numeric"]), rel=1e-2)


def test_classification(run):
    found = run("classification")
    assert found["label"].startswith("n01") and found["other_label"].startswith("n02")
    assert found["best"][0][0] > 0.9 and found["best"][0][1] == found["label"]
    np.testing.assert_array_equal(found["again"], found["output_prob"])
    net = found["net"]
    assert net.params["conv2"][0].data.shape == (4, 2, 3, 3) and net.blobs["prob"].data.shape == (1, 2)
    tiles = found["first_filters"]                               # 4 filters, 2 x 2 tiles of 3 pixels and a border
    assert tiles.shape == (8, 8, 3) and (tiles[3] == 1).all() and (tiles[:, 7] == 1).all()
    edge = np.array([[0, 0.5, 1]] * 3)
    for tile, wanted in zip((tiles[:3, :3], tiles[:3, 4:7], tiles[4:7, :3]), (edge, 1 - edge, edge.T)):
        np.testing.assert_allclose(tile, np.repeat(wanted[..., np.newaxis], 3, 2), atol=1e-6)
    assert found["second_filters"].shape == (12, 12) and found["second_filters"][8:, 8:].min() == 1
    np.testing.assert_allclose(found["second_filters"][0, :3], np.arange(3) / 71, atol=1e-6)
    assert found["conv1"].shape == (30, 30) and found["pool5"].shape == (6, 6)
    assert found["histogram"][0][-1] == 1 and found["highest"] == pytest.approx(found["best"][0][0])


def test_rcnn_detection(run):
    found = run("rcnn_detection")
    assert found["status"] == 0 and found["predictions"].shape == (2 * 10 * 13, 2)
    assert found["labels"] == ["red", "blue"] and found["best"]["red"][0] == "street.png"
    for name, squares in found["SQUARES"].items():
        for label in ("red", "blue"):
            here = sorted([x, y, x + 24, y + 24] for colour, y, x in squares if colour == label)
            kept = found["kept"][name, label]
            assert (np.diff(kept[:, 4]) <= 0).all()
            painted = np.zeros((len(kept), 96, 120))
            for mask, (left, top, right, bottom) in zip(painted, kept[:, :4].astype(int)):
                mask[top:bottom, left:right] = 1
            painted = painted.reshape(len(kept), -1)
            shared = painted @ painted.T - np.diag(painted.sum(1))
            assert (shared <= 0.3 * (2 * 24 ** 2 - shared)).all()
            assert sorted(kept[:len(here), :4].tolist()) == here         # the squares themselves score highest
            if not here:
                assert kept[0, 4] < found["scores"][label].max() / 4


def test_multilabel_datalayer(run):
    found = run("multilabel_datalayer")
    assert 0.2 < found["baseline"] < 0.8 and found["accuracies"][-1] > 0.95 and found["shared"]
    # 21 pictures in rounds of 8, 8 and 5. A net that is built calls reshape as well, as in Caffe: that takes one.
    assert found["batches"] == [(8, 3), (5, 3), (8, 3)]
    picture = found["picture"].astype(int)                       # the first of the file, RGB
    assert picture.shape == (20, 22, 3)
    shown = [name for name, (y, x), channel, other in (("sea", (13, 3), 2, 0), ("grass", (18, 3), 1, 0))
             if picture[y, x, channel] - picture[y, x, other] > 100]
    assert [name for name in found["gtlist"] if name != "sun"] == shown


def test_mnist_siamese(run):
    found = run("mnist_siamese")
    assert found["feat"].shape == (105, 2) and (found["nearest"] == found["labels"]).mean() > 0.95
    assert found["apart"] > 3 * found["spread"]
    one, two = (found["siamese"].params[name][0].data for name in ("conv1", "conv1_p"))
    assert np.shares_memory(one, two) or (one == two).all()
    np.testing.assert_array_equal(found["net"].params["ip1"][0].data, found["siamese"].params["ip1_p"][0].data)
