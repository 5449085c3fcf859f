"""pooling_param ceil_mode of the forks, against OpenCV's importer and torch."""
import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

import deeplandmark.caffe as caffe


def net_text(settings, size, pool="MAX"):
    return f"""input: "x" input_shape {{ dim: 1 dim: 2 dim: {size} dim: 7 }}
        layer {{ name: "p" type: "Pooling" bottom: "x" top: "p" pooling_param {{ pool: {pool} {settings} }} }}"""


@pytest.mark.parametrize("settings", [f"kernel_size: {k} stride: {s}" for k, s in ((2, 2), (3, 2), (3, 3))])
@pytest.mark.parametrize("mode", ["ceil_mode: false", "ceil_mode: true", "ceil_mode: false round_mode: FLOOR", ""])
@pytest.mark.parametrize("size", [6, 7, 8])
def test_sizes_and_values(settings, mode, size, tmp_path):
    text = net_text(f"{settings} {mode}", size)
    x = np.random.default_rng(size).standard_normal((1, 2, size, 7)).astype(np.float32)
    found = caffe.Net(text, caffe.TEST).forward(x=x)["p"]
    kernel, stride = (int(word) for word in settings.split()[1::2])
    wanted = F.max_pool2d(torch.from_numpy(x), kernel, stride, ceil_mode="false" not in mode)
    np.testing.assert_array_equal(found, wanted)
    if "round_mode" not in mode and hasattr(cv2.dnn, "readNetFromCaffe"):    # unknown there; OpenCV 5: no Caffe at all
        (tmp_path / "net.prototxt").write_text(text)
        theirs = cv2.dnn.readNetFromCaffe(str(tmp_path / "net.prototxt"))
        theirs.setInput(x)
        np.testing.assert_array_equal(found, theirs.forward())


def test_contradictions_are_refused():
    for mode in ("ceil_mode: true round_mode: FLOOR", "ceil_mode: false round_mode: CEIL"):
        with pytest.raises(caffe.NetError, match="layer 'p': round_mode and ceil_mode contradict"):
            caffe.Net(net_text(f"kernel_size: 2 {mode}", 7), caffe.TEST)
