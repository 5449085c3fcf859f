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
