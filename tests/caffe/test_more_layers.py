"""What the recorded cases leave open: forks' layers, ties, refusals, random choices, files."""
import h5py
import numpy as np
import pytest

import deeplandmark.caffe as caffe
from deeplandmark.caffe.errors import NetError

RNG = np.random.default_rng


def net_of(definition, *shapes, phase=caffe.TEST, force=True, seed=0):
    """A net of one layer `op` on Input blobs x0, x1, ..."""
    text = "force_backward: true\n" if force else ""
    for i, shape in enumerate(shapes):
        text += (f'layer {{ name: "x{i}" type: "Input" top: "x{i}" input_param {{ shape {{ '
                 f'{" ".join(f"dim: {n}" for n in shape)} }} }} }}\n')
    bottoms = " ".join(f'bottom: "x{i}"' for i in range(len(shapes)))
    return caffe.Net(f'{text}layer {{ name: "op" {bottoms} {definition} }}', phase, seed=seed)


def forward(net, *arrays):
    return net.forward(**{f"x{i}": array for i, array in enumerate(arrays)})


def backward(net, diff=1.0):
    net.blobs["out"].diff = diff
    return net.backward()["x0"]


def refusal(call, *arguments, **more):
    with pytest.raises(NetError) as caught:
        call(*arguments, **more)
    assert "layer 'op'" in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("definition, x, y, slope", [
    ('type: "ReLU6"', [-1, 0, 3, 6, 7], [0, 0, 3, 6, 6], [0, 0, 1, 0, 0]),
    ('type: "Clip" clip_param { min: -1 max: 2 }', [-2, -1, 0, 2, 3], [-1, -1, 0, 2, 2], [0, 1, 1, 1, 0]),
    ('type: "ELU" elu_param { alpha: 0.5 }', [0, 1], [0, 1], [0.5, 1]),
    ('type: "PReLU" prelu_param { channel_shared: true }', [-4, 0, 4], [-1, 0, 4], [0.25, 0.25, 1]),
    ('type: "BNLL"', [-1000, 0, 49, 51, 1000], [0, np.log(2), 49, 51, 1000], [0, 0.5, 1, 1, 1]),
    ('type: "Exp" exp_param { base: 2 shift: 3 }', [0, 1], [8, 16], [8 * np.log(2), 16 * np.log(2)]),
    ('type: "Exp" exp_param { base: 1 }', [-3, 5], [1, 1], [0, 0]),
    ('type: "Log" log_param { base: 2 scale: 4 }', [1, 2], [2, 3], [1 / np.log(2), 0.5 / np.log(2)]),
    ('type: "Reduction" reduction_param { operation: ASUM coeff: 2 axis: 1 }', [[-3, 0, 2]], [10], [[-2, 0, 2]])])
def test_values_and_gradients_at_the_corners(definition, x, y, slope):
    x = np.atleast_2d(x)
    net = net_of(f'{definition} top: "out"', x.shape)
    np.testing.assert_allclose(np.ravel(forward(net, x)["out"]), y, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(backward(net), np.atleast_2d(slope), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("shape", [(2, 1, 1, 1), (1, 3, 2, 4), (2, 8, 5, 3)])      # also less than the window
@pytest.mark.parametrize("within", [False, True])
@pytest.mark.parametrize("size", [1, 3, 7, 1999999999])
def test_lrn(shape, within, size):
    region = "WITHIN_CHANNEL" if within else "ACROSS_CHANNELS"
    net = net_of(f"""type: "LRN" top: "out" lrn_param {{ local_size: {size} alpha: 0.7 beta: 0.6 k: 3
        norm_region: {region} }}""", shape)
    x = RNG(0).normal(size=shape).astype(np.float32)
    expected = np.zeros(shape)
    for n, c, h, w in np.ndindex(shape):
        around = [slice(max(0, i - size // 2), i + size // 2 + 1) for i in (c, h, w)]
        cells = x[(n, c, *around[1:])] if within else x[n, around[0], h, w]
        scale = 1 + 0.7 * (cells ** 2).sum() / size ** 2 if within else 3 + 0.7 * (cells ** 2).sum() / size
        expected[n, c, h, w] = x[n, c, h, w] * scale ** -0.6
    np.testing.assert_allclose(forward(net, x)["out"], expected, rtol=1e-5)


@pytest.mark.parametrize("definition, shapes, reason", [
    ('type: "PReLU" top: "out"', [(3,)], "at least 2 axes"),
    ('type: "Exp" top: "out" exp_param { base: -2 }', [(3,)], "base must be above 0"),
    ('type: "Log" top: "out" log_param { base: 1 }', [(3,)], "base 1"),
    ('type: "LRN" top: "out" lrn_param { local_size: 4 }', [(1, 2, 3, 3)], "odd, found 4"),
    ('type: "LRN" top: "out"', [(1, 2, 3)], "4 axes"),
    ('type: "BatchNorm" top: "out" batch_norm_param { eps: nan }', [(1, 2)], "eps must not be negative, found nan"),
    ('type: "Reduction" top: "out" reduction_param { axis: 2 }', [(3, 4)], "axis 2 is out of range"),
    ('type: "ArgMax" top: "out" argmax_param { top_k: 7 }', [(2, 3, 2)], "top_k 7 must lie between 1 and 6"),
    ('type: "ArgMax" top: "out" argmax_param { axis: 1 top_k: 0 }', [(2, 3)], "top_k 0"),
    ('type: "Tile" top: "out"', [(2, 3)], "tiles of at least 1, found 0"),
    ('type: "Crop" top: "out" crop_param { offset: 3 }', [(1, 1, 5, 5), (1, 1, 3, 3)], "reach beyond axis 2"),
    ('type: "Crop" top: "out" crop_param { axis: 1 offset: 1 offset: 1 }', [(1, 2, 5, 5), (1, 1, 3, 3)],
     "2 offset for the 3 axes"),
    ('type: "Crop" top: "out"', [(1, 1, 5, 5), (1, 1, 3)], "cannot cut"),
    ('type: "BatchReindex" top: "out"', [(3, 2), (3, 1)], "list of indices with 1 axis"),
    ('type: "Filter" top: "out"', [(3, 2), (2,)], "differ in their first dimension"),
    ('type: "Filter" top: "out"', [(3, 2), (3, 2)], "must have size 1"),
    ('type: "Filter" top: "out" top: "more"', [(3, 2), (3,)], "a top for each bottom but the selector: 1, found 2"),
    ('type: "Embed" top: "out" embed_param { num_output: 2 }', [(3,)], "input_dim"),
    ('type: "SPP" top: "out"', [(1, 1, 4, 4)], "pyramid_height"),
    ('type: "SPP" top: "out" spp_param { pyramid_height: 3 }', [(1, 1, 3, 3)], "pad (1, 1) must be smaller"),
    ('type: "Pooling" top: "out" pooling_param { pool: STOCHASTIC kernel_size: 2 pad: 1 }', [(1, 1, 4, 4)],
     "takes no pad"),
    ('type: "HDF5Output" hdf5_output_param { file_name: "no/where.h5" }', [(2, 1), (2,)], "no such folder"),
    ('type: "HDF5Output" hdf5_output_param { file_name: "a.h5" }', [(2, 1), (3,)], "2 and 3"),
    ('type: "HDF5Output" hdf5_output_param { file_name: "a.h5" }', [(2, 1, 1, 1, 1), (2,)], "up to 4 axes")])
def test_refused(definition, shapes, reason):
    assert reason in refusal(net_of, definition, *shapes)


@pytest.mark.parametrize("settings, shape", [("", (2, 1, 3)), ("out_max_val: true", (2, 2, 3)),
                                             ("axis: -1", (2, 3)), ("axis: 1 out_max_val: true", (2, 3))])
def test_argmax_takes_the_last_of_equals_first(settings, shape):
    net = net_of(f'type: "ArgMax" top: "out" argmax_param {{ top_k: 3 {settings} }}', (2, 5))
    top = forward(net, [[1, 7, 7, 0, 2], [5, 5, 5, 5, 5]])["out"]
    places, values = [[2, 1, 4], [4, 3, 2]], [[7, 7, 2], [5, 5, 5]]
    assert top.shape == shape
    expected = values if "axis: 1" in settings else np.stack([places, values], 1) if "true" in settings else places
    np.testing.assert_array_equal(top.reshape(np.shape(expected)), expected)


def test_argmax_keeps_the_axes_of_a_picture():
    net = net_of('type: "ArgMax" top: "out"', (2, 3, 2, 2))
    x = RNG(0).random((2, 3, 2, 2))
    top = forward(net, x)["out"]
    assert top.shape == (2, 1, 1, 1)
    np.testing.assert_array_equal(top.ravel(), x.reshape(2, -1).argmax(1))


@pytest.mark.parametrize("layer", ["ArgMax", "Threshold"])
def test_no_backward_is_said_when_a_loss_needs_it(layer):
    net = caffe.Net(f"""layer {{ name: "data" type: "Input" top: "x" input_param {{ shape {{ dim: 2 dim: 3 }} }} }}
        layer {{ name: "fc" type: "InnerProduct" bottom: "x" top: "fc" inner_product_param {{ num_output: 3 }} }}
        layer {{ name: "op" type: "{layer}" bottom: "fc" top: "op" loss_weight: 1 }}""", caffe.TRAIN)
    assert "no backward" in refusal(net.forward_backward)
    assert "cannot get a gradient" in refusal(net.forward)


def test_rows_are_chosen_by_value_and_checked():
    net = net_of('type: "BatchReindex" top: "out"', (3, 2), (4,))
    x = RNG(0).random((3, 2)).astype(np.float32)
    np.testing.assert_array_equal(forward(net, x, [2, 0, 2, 2])["out"], x[[2, 0, 2, 2]])
    np.testing.assert_array_equal(backward(net), [[1, 1], [0, 0], [3, 3]])
    assert "indices from -1 to 3; expected 0 to 2" in refusal(forward, net, x, [0, 3, -1, 0])
    table = net_of('type: "Embed" top: "out" embed_param { num_output: 2 input_dim: 5 }', (3,))
    assert "indices from 0 to 5; expected 0 to 4" in refusal(forward, table, [0, 5, 1])


def test_filter_may_choose_nothing():
    net = net_of('type: "Filter" top: "out"', (3, 2), (3, 1, 1))
    assert net.blobs["out"].shape == (3, 2)
    x = RNG(0).random((3, 2))
    assert forward(net, x, np.zeros((3, 1, 1)))["out"].shape == (0, 2)
    np.testing.assert_array_equal(backward(net), np.zeros((3, 2)))
    assert forward(net, x, np.ones((3, 1, 1)))["out"].shape == (3, 2)


def test_spp_follows_the_size_of_its_bottom():
    net = net_of('type: "SPP" top: "out" spp_param { pyramid_height: 3 }', (2, 3, 8, 8))
    for size in ((8, 8), (12, 16), (20, 9)):
        net.blobs["x0"].reshape(2, 3, *size)
        top = forward(net, RNG(0).random((2, 3, *size)))["out"]
        assert top.shape == (2, 3 * (1 + 4 + 16))
        np.testing.assert_array_equal(top[:, :3], net.blobs["x0"].data.max((2, 3)))


def test_parameter_learns():
    net = caffe.Net("""layer { name: "p" type: "Parameter" top: "w" parameter_param { shape { dim: 2 dim: 3 } } }
        layer { name: "data" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
        layer { name: "loss" type: "EuclideanLoss" bottom: "w" bottom: "x" top: "loss" }""", caffe.TRAIN)
    x = RNG(0).random((2, 3)).astype(np.float32)
    net.blobs["x"].data = x
    net.params["p"][0].data = 2 * x
    assert net.forward_backward() == pytest.approx((x ** 2).sum() / 4, rel=1e-6)
    np.testing.assert_allclose(net.params["p"][0].diff, x / 2, rtol=1e-6)


def test_hdf5_output_writes_one_batch(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    net = net_of('type: "HDF5Output" hdf5_output_param { file_name: "out.h5" }', (2, 3), (2,), force=False)
    assert not list(tmp_path.iterdir())
    data = RNG(0).random((2, 3)).astype(np.float32)
    forward(net, data, [4, 5])
    with h5py.File("out.h5") as file:
        assert file["data"].shape == (2, 3, 1, 1) and file["label"].shape == (2, 1, 1, 1)
        np.testing.assert_array_equal(file["data"][:, :, 0, 0], data)
    assert "Caffe writes one forward" in refusal(forward, net, data, [4, 5])
    assert [path.name for path in tmp_path.iterdir()] == ["out.h5"]


STOCHASTIC = 'type: "Pooling" top: "out" pooling_param { pool: STOCHASTIC kernel_size: 2 stride: 2 }'


def windows_of_two(x):
    """The cells of every 2 x 2 window of a map with odd sides, those outside left out: {place: values}."""
    rows, columns = ((n + 1) // 2 for n in x.shape)
    return {(i, j): x[2 * i:2 * i + 2, 2 * j:2 * j + 2] for i in range(rows) for j in range(columns)}


def test_stochastic_pooling_weights_the_mean_in_test():
    net = net_of(STOCHASTIC, (1, 1, 5, 7))
    x = RNG(0).random((5, 7)) * (RNG(1).random((5, 7)) > 0.5)
    x[:2, :2] = 0                                                    # Caffe adds FLT_MIN to the sum: 0, no NaN
    top = forward(net, x[None, None])["out"][0, 0]
    for place, cells in windows_of_two(x).items():
        assert top[place] == pytest.approx((cells ** 2).sum() / max(cells.sum(), 1e-30), rel=1e-5)


def test_stochastic_pooling_draws_in_proportion_in_train():
    net = net_of(STOCHASTIC, (4000, 1, 3, 3), phase=caffe.TRAIN)
    x = np.float32([[1, 0, 4], [2, 3, 0], [0, 5, 0]])
    top = forward(net, np.broadcast_to(x, (4000, 1, 3, 3)))["out"][:, 0].copy()
    diffs = backward(net)[:, 0]
    for (i, j), cells in windows_of_two(x).items():
        drawn = diffs[:, 2 * i:2 * i + 2, 2 * j:2 * j + 2]
        np.testing.assert_array_equal(drawn.sum((1, 2)), 1)          # one cell of each window has the whole diff
        np.testing.assert_array_equal((drawn * cells).sum((1, 2)), top[:, i, j])
        shares = cells / cells.sum() if cells.any() else np.eye(1, cells.size).reshape(cells.shape)
        np.testing.assert_allclose(drawn.mean(0), shares, atol=0.03)
        assert (drawn.mean(0)[shares == 0] == 0).all()               # a cell of 0 is drawn only where all are 0


def test_stochastic_pooling_repeats_with_its_seed():
    x = RNG(0).random((2, 3, 6, 6))
    tops = [forward(net_of(STOCHASTIC, x.shape, phase=caffe.TRAIN, seed=seed), x)["out"].copy() for seed in (1, 1, 2)]
    np.testing.assert_array_equal(tops[0], tops[1])
    assert (tops[0] != tops[2]).any()
