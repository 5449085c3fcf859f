"""Python layers: user modules, blobs, both ways of running a net."""
import sys
import textwrap

import numpy as np
import pytest
import torch

import deeplandmark.caffe as caffe

MODULE = """
    import caffe
    import numpy as np

    class EuclideanLoss(caffe.Layer):
        '''pycaffe's own example.'''
        def setup(self, bottom, top):
            if len(bottom) != 2:
                raise Exception("Need two inputs to compute distance.")

        def reshape(self, bottom, top):
            self.diff = np.zeros_like(bottom[0].data, dtype=np.float32)
            top[0].reshape(1)

        def forward(self, bottom, top):
            self.diff[...] = bottom[0].data - bottom[1].data
            top[0].data[...] = np.sum(self.diff**2) / bottom[0].num / 2.

        def backward(self, top, propagate_down, bottom):
            self.seen = list(propagate_down)
            for i in range(2):
                if not propagate_down[i]:
                    continue
                sign = 1 if i == 0 else -1
                bottom[i].diff[...] = sign * self.diff / bottom[i].num * top[0].diff

    class Gain(caffe.Layer):
        '''gain * x; param_str is the first gain.'''
        def setup(self, bottom, top):
            self.blobs.add_blob(1)
            self.blobs[0].data[...] = float(self.param_str)

        def reshape(self, bottom, top):
            top[0].reshape(*bottom[0].data.shape)

        def forward(self, bottom, top):
            top[0].data[...] = self.blobs[0].data[0] * bottom[0].data

        def backward(self, top, propagate_down, bottom):
            self.blobs[0].diff[...] += np.sum(top[0].diff * bottom[0].data)
            if propagate_down[0]:
                bottom[0].diff[...] = self.blobs[0].data[0] * top[0].diff

    class Count(caffe.Layer):
        '''A data layer: 0, 1, 2 ..., and the phase.'''
        def setup(self, bottom, top):
            self.count = 0
        def reshape(self, bottom, top):
            top[0].reshape(2, 3)
        def forward(self, bottom, top):
            top[0].data[...] = self.count + 10 * self.phase
            self.count += 1
        def backward(self, top, propagate_down, bottom):
            pass

    class Doubler(caffe.Layer):
        '''Writes into its bottom, as Caffe allows.'''
        def setup(self, bottom, top):
            pass
        def reshape(self, bottom, top):
            top[0].reshape(*bottom[0].shape)
        def forward(self, bottom, top):
            bottom[0].data[...] *= 2
            top[0].data[...] = bottom[0].data
        def backward(self, top, propagate_down, bottom):
            bottom[0].diff[...] = 2 * top[0].diff

    class NoLayer:
        pass
"""
NET = """name: "net" {force}
    layer {{ name: "data" type: "Input" top: "x" top: "y" input_param {{ shape {{ dim: 4 dim: 3 }} }} }}
    layer {{ name: "ip" type: "InnerProduct" bottom: "x" top: "ip" inner_product_param {{ num_output: 3
             weight_filler {{ type: "xavier" }} }} }}
    {gain}
    {loss}"""
GAIN = """layer { name: "gain" type: "Python" bottom: "ip" top: "gain"
                  python_param { module: "user_layers" layer: "Gain" param_str: "1.5" } }"""
GAIN_BY_CAFFE = """layer { name: "gain" type: "Scale" bottom: "ip" top: "gain"
                           scale_param { axis: 0 num_axes: 0 filler { type: "constant" value: 1.5 } } }"""
LOSS = """layer { name: "loss" type: "Python" bottom: "gain" bottom: "y" top: "loss" loss_weight: 2
                  python_param { module: "user_layers" layer: "EuclideanLoss" } }"""
LOSS_BY_CAFFE = 'layer { name: "loss" type: "EuclideanLoss" bottom: "gain" bottom: "y" top: "loss" loss_weight: 2 }'


@pytest.fixture(autouse=True)
def user_layers(tmp_path, monkeypatch):
    (tmp_path / "user_layers.py").write_text(textwrap.dedent(MODULE))
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("user_layers", None)


def nets(force=""):
    """The net with Python layers and the same net of Caffe's own, with the same weights and inputs."""
    pair = []
    rng = np.random.default_rng(0)
    x, y = rng.random((2, 4, 3))
    for gain, loss in ((GAIN, LOSS), (GAIN_BY_CAFFE, LOSS_BY_CAFFE)):
        net = caffe.Net(NET.format(gain=gain, loss=loss, force=force), caffe.TRAIN, seed=1)
        net.blobs["x"].data, net.blobs["y"].data = x, y
        pair.append(net)
    return pair


@pytest.mark.parametrize("run", ["whole", "layers"])
def test_trains_as_caffes_own_layers(run):
    found, wanted = nets()
    for net in (found, wanted):
        for _ in range(2):                                       # diffs accumulate over two passes
            if run == "whole":
                net.forward_backward()
            else:
                net.forward()
                net.backward()
    assert found.params["gain"][0].shape == (1,) and found.params["gain"][0].data == 1.5
    for name in ("ip", "gain"):
        for one, other in zip(found.params[name], wanted.params[name]):
            np.testing.assert_allclose(one.diff.ravel(), other.diff.ravel(), rtol=1e-5)
    np.testing.assert_allclose(found.blobs["loss"].data, [wanted.blobs["loss"].data], rtol=1e-6)
    assert found.graph.nodes[-1].layer.user.seen == [True, False]


def test_force_backward_reaches_every_bottom():
    found, wanted = nets("force_backward: true")
    for net in (found, wanted):
        net.forward()
        net.backward()
    for name in ("x", "y"):
        np.testing.assert_allclose(found.blobs[name].diff, wanted.blobs[name].diff, rtol=1e-5)


def test_learned_values_are_seen_and_stored(tmp_path):
    net, _ = nets()
    before = net.forward()["loss"].copy()
    net.params["gain"][0].data[...] = 3                          # what a solver does
    assert net.forward()["loss"] != before
    net.save(tmp_path / "net.caffemodel")
    again, _ = nets()
    again.copy_from(str(tmp_path / "net.caffemodel"))
    assert again.graph.nodes[2].layer.user.blobs[0].data == 3


def test_shared_parameters():
    gains = "".join(f"""layer {{ name: "g{i}" type: "Python" bottom: "{'ip' if i == 0 else 'g'}" top: "{'g', 'gain'}"
        param {{ name: "shared" }} python_param {{ module: "user_layers" layer: "Gain" param_str: "2" }} }}"""
                    .replace("('g', 'gain')", ("g", "gain")[i]) for i in range(2))
    net = caffe.Net(NET.format(gain=gains, loss=LOSS_BY_CAFFE, force=""), caffe.TRAIN)
    assert len(net.learnable_params) == 3                        # weights, bias, one gain
    net.blobs["x"].data[...] = 1
    net.params["g0"][0].data[...] = 5
    net.forward()
    np.testing.assert_allclose(net.blobs["gain"].data, 25 * net.blobs["ip"].data, rtol=1e-6)


def test_module_of_pytorch():
    module = caffe.to_torch(NET.format(gain=GAIN, loss="", force=""))
    x = torch.rand(5, 3, requires_grad=True)
    first = module(x=x, y=torch.zeros(5, 3))["gain"]
    first.sum().backward()
    kept = first.detach().clone()
    assert module.state_dict()["gain.0"] == 1.5 and dict(module.named_parameters())["gain.0"].grad is not None
    np.testing.assert_allclose(x.grad, 1.5 * module.ip._parameters["0"].detach().sum(0).expand(5, 3), rtol=1e-5)
    module(x=torch.rand(5, 3), y=torch.zeros(5, 3))
    assert torch.equal(first, kept)                              # outputs are the caller's own


def test_data_layer_and_phase():
    text = 'layer { name: "c" type: "Python" top: "x" python_param { module: "user_layers" layer: "Count" } }'
    net = caffe.Net(text, caffe.TEST)
    assert [net.forward()["x"][0, 0] for _ in range(3)] == [10, 11, 12]


def test_what_a_layer_writes_into_its_bottom_is_seen():
    net = caffe.Net("""layer { name: "data" type: "Input" top: "x" input_param { shape { dim: 2 } } }
        layer { name: "d" type: "Python" bottom: "x" top: "y" python_param { module: "user_layers" layer: "Doubler" } }
        """, caffe.TEST)
    net.blobs["x"].data = [1, 2]
    assert net.forward()["y"].tolist() == [2, 4] and net.blobs["x"].data.tolist() == [2, 4]


def test_import_caffe_is_this_package_only_while_the_module_loads():
    nets()
    assert sys.modules["user_layers"].caffe is caffe
    assert "caffe" not in sys.modules


@pytest.mark.parametrize("module, name, reason", [
    ("no_such_module", "Gain", "no module 'no_such_module' along sys.path"),
    ("user_layers", "Missing", "has no class 'Missing'"),
    ("user_layers", "NoLayer", "does not derive from caffe.Layer"),
    ("", "Gain", "needs module and layer")])
def test_refused(module, name, reason):
    with pytest.raises(caffe.NetError, match=reason):
        caffe.Net(f"""layer {{ name: "p" type: "Python" top: "x"
            python_param {{ module: "{module}" layer: "{name}" }} }}""", caffe.TEST)


def test_errors_of_the_user_come_through():
    with pytest.raises(Exception, match="Need two inputs"):
        caffe.Net("""layer { name: "data" type: "Input" top: "x" input_param { shape { dim: 2 } } }
            layer { name: "l" type: "Python" bottom: "x" top: "loss"
                    python_param { module: "user_layers" layer: "EuclideanLoss" } }""", caffe.TRAIN)


def test_a_folder_named_caffe_is_no_package(tmp_path, monkeypatch):
    (tmp_path / "caffe").mkdir()                                  # as beside many a project made with Caffe
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "layers_beside_a_folder.py").write_text(
        "import caffe\n\n\nclass Twice(caffe.Layer):\n    def setup(self, bottom, top):\n        pass\n\n"
        "    def reshape(self, bottom, top):\n        top[0].reshape(*bottom[0].shape)\n\n"
        "    def forward(self, bottom, top):\n        top[0].data[...] = 2 * bottom[0].data\n")
    net = caffe.Net('layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 3 } } } '
                    'layer { name: "y" type: "Python" bottom: "x" top: "y" '
                    'python_param { module: "layers_beside_a_folder" layer: "Twice" } }', caffe.TEST)
    assert net.forward(x=[1, 2, 3])["y"].tolist() == [2, 4, 6]
