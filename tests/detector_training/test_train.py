"""From drawn faces to a detector: samples of P, training, what P lets through as samples of R, and so to O."""
import cv2
import h5py
import numpy as np
import pytest

import deeplandmark.caffe as caffe
from deeplandmark.detector_training.nets import KINDS, NETS, O_NET, P_NET, R_NET, generate
from deeplandmark.detector_training.pictures import Picture, pictures_of
from deeplandmark.detector_training.samples import SamplePlan, prepare_samples, show_samples
from deeplandmark.detector_training.train import train_net
from deeplandmark.detectors import MtcnnDetector
from deeplandmark.faces.datasets.picture_list import read_list
from deeplandmark.faces.synthetic.generate import generate as draw_faces
from deeplandmark.training.network_training import TrainingError


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw_faces("faces", 20, 1, seed=5, jobs=1)
    return pictures_of(read_list(tmp_path / "faces/trainImageList.txt", 5, [], None))


@pytest.mark.slow
def test_three_networks_one_after_another(pictures, tmp_path):
    generate(variables={"iterations": 20, "batch": 4, "test_batch_size": 2})
    candidates = None
    for net, before in zip(NETS, ("", "p", "pr")):
        if before:
            detector = MtcnnDetector("model", 0.4, thresholds=(0.4, 0.4, 0.4), networks=before)
            candidates = lambda image, net=net, detector=detector: detector.windows(net.name, image)  # noqa: E731
        prepare_samples(SamplePlan(net, each=2, negatives=6), pictures[:10], candidates=candidates, jobs=2)
        train_net(net)
    folder = show_samples(O_NET, "train", each=20)
    assert all(cv2.imread(str(folder / f"{kind}.png")).shape[0] > 2 * 2 * 48 for kind in KINDS)
    detector = MtcnnDetector("model", 0.4, thresholds=(0, 0, 0))
    found = detector.find(cv2.imread(str(pictures[0].path)))
    assert len(found.boxes) and found.points.shape == (len(found.boxes), 5, 2)
    for net in NETS:
        assert "loss_class" in (tmp_path / "log" / f"{net.name}.log").read_text()


@pytest.mark.slow
def test_p_learns_and_its_onnx_model_says_what_the_net_says(pictures):
    prepare_samples(SamplePlan(P_NET, each=6, negatives=20), pictures, jobs=2)
    generate(nets=[P_NET], variables={"iterations": 300, "base_lr": 0.01, "batch": 16, "test_batch_size": 20})
    train_net(P_NET)
    network = MtcnnDetector("model", networks="p")._networks["p"]
    for kind, least, most in (("positive", 0.7, 1), ("negative", 0, 0.3)):
        with h5py.File(f"train/p/{kind}.h5", "r") as file:
            seen = (file[f"pixels_{kind}"][:].astype(np.float32) - 127.5) / 128
        assert least < network.run(seen)[0][:, 1].mean() < most
    image = np.random.default_rng(0).uniform(-1, 1, (1, 3, 41, 30)).astype(np.float32)
    net = caffe.Net("model/p.prototxt", "model/p.caffemodel", caffe.TEST)
    net.blobs["data"].reshape(*image.shape)
    net.reshape()
    expected = net.forward(data=image)
    for name, found in zip(("prob1", "conv4-2"), network.run(image)):
        np.testing.assert_allclose(found, expected[name], atol=1e-5)


@pytest.mark.slow
def test_a_training_goes_on_and_is_not_done_twice(pictures, tmp_path):
    prepare_samples(SamplePlan(R_NET, each=2, negatives=6), pictures, jobs=2)
    generate(nets=[R_NET], variables={"iterations": 20, "batch": 4, "test_batch_size": 10})
    train_net(R_NET)
    log = (tmp_path / "log/r.log").read_bytes()
    (tmp_path / "model/r.onnx").unlink()
    train_net(R_NET)
    assert (tmp_path / "log/r.log").read_bytes() == log and (tmp_path / "model/r.onnx").exists()
    with pytest.raises(TrainingError, match="train/p: no samples"):
        train_net(P_NET)
    prepare_samples(SamplePlan(R_NET, each=2, negatives=6), [*pictures, Picture(pictures[0].path)], jobs=2)
    train_net(R_NET)                                             # other samples: trained anew
    assert (tmp_path / "log/r.log.previous").read_bytes() == log
