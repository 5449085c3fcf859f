"""DataAugmentation of FlowNet2 against loops: its mean while it is computed, from a file, of other sizes; its crop."""
import numpy as np
import pytest

import deeplandmark.caffe as caffe
from deeplandmark.caffe.proto import caffe_pb2
from tests.helpers.layer_checks import check_layer, one_layer, worst_error
from tests.helpers.onnx_runs import check, net_text

SHAPE = (2, 3, 5, 6)
DEPLOY = "max_multiplier: 1 augment_during_test: false recompute_mean: 1000 mean_per_pixel: false"


def values(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def augmentation(settings, more=""):
    return f'type: "DataAugmentation" {more} augmentation_param {{ {settings} }}'


def middle(x, rows, columns):
    """A crop of (N, C, H, W): bilinear samples at half of what is left, at most 1.05 cells before the end."""
    size, top = x.shape[2:], np.zeros((*x.shape[:2], rows, columns))
    for r, c in np.ndindex(rows, columns):
        place = [min(max(at + (full - part) / 2, 0), max(full - 1.05, 0))
                 for at, full, part in zip((r, c), size, (rows, columns))]
        low = [int(np.floor(at)) for at in place]
        for i, j in np.ndindex(2, 2):
            share = np.prod([1 - abs(at - (cell + step)) for at, cell, step in zip(place, low, (i, j))])
            if share:
                top[:, :, r, c] += share * x[:, :, low[0] + i, low[1] + j]
    return top


@pytest.mark.parametrize("per_pixel", [False, True])
def test_the_mean_of_the_first_forwards(per_pixel):
    net = one_layer(augmentation(f"recompute_mean: 2 mean_per_pixel: {str(per_pixel).lower()}"), [values(SHAPE)])
    batches, seen = [values(SHAPE, seed).astype(np.float64) + seed for seed in range(4)], []
    for count, batch in enumerate(batches, 1):
        seen += [batch] if count <= 2 else []
        pixels = sum(part.sum(0) for part in seen) / (len(seen) * len(batch))
        channels = np.array([[[cells.sum() / cells.size]] for cells in pixels])
        top = net.forward(x0=batch)["y"]
        assert worst_error(top, batch - (pixels if per_pixel else channels)) < 1e-6
        number, *means = (blob.data for blob in net.params["op"])
        assert number.tolist() == [[[[count]]]]
        assert worst_error(means[0], pixels[None]) < 1e-6 and worst_error(means[1], channels[None]) < 1e-6
    net.blobs["y"].diff = 1
    with pytest.raises(caffe.NetError, match="has no backward"):
        net.backward()


def stored(shape, count=5000, seed=7):
    """A NetParameter with the means of a training on pictures of `shape` (C, H, W)."""
    net = caffe_pb2.NetParameter()
    layer = net.layer.add(name="op", type="DataAugmentation")
    arrays = np.full((1, 1, 1, 1), count), values((1, *shape), seed), values((1, shape[0], 1, 1), seed + 1)
    layer.blobs.extend(caffe.io.array_to_blobproto(array.astype(np.float32)) for array in arrays)
    return net, arrays


@pytest.mark.parametrize("per_pixel, size", [(False, (5, 6)), (False, (4, 8)), (True, (5, 6)), (True, (4, 8))])
@pytest.mark.parametrize("suffix", ["caffemodel", "caffemodel.h5"])
def test_the_mean_of_a_file(per_pixel, size, suffix, tmp_path):
    """Per pixel a mean of another size becomes that of its channels."""
    text = augmentation("recompute_mean: 1000 mean_per_pixel: true")
    weights, (_, pixels, channels) = stored((3, *size))
    path = tmp_path / f"net.{suffix}"
    writer = one_layer(text, [values((1, 3, *size))])
    writer.copy_from(weights)
    writer.params["op"][2].data = channels                       # in a file it need not be the mean of the pixels'
    (writer.save_hdf5 if suffix.endswith("h5") else writer.save)(str(path))

    net = one_layer(augmentation(DEPLOY.replace("mean_per_pixel: false", "mean_per_pixel: true")
                                 if per_pixel else DEPLOY), [values(SHAPE)])
    net.copy_from(path)
    mean = channels
    if per_pixel:
        mean = pixels if size == SHAPE[2:] else pixels.mean((2, 3), keepdims=True)
    check_layer(net, lambda x: x - mean)
    assert net.params["op"][0].data.item() == 5001
    if not per_pixel:
        net.blobs["x0"].reshape(1, 3, 7, 9)
        net.reshape()
        assert worst_error(net.forward()["y"], net.blobs["x0"].data - mean) < 1e-6


def test_files_that_change_nothing_or_do_not_fit():
    net = one_layer(augmentation(DEPLOY), [values(SHAPE)])
    weights, _ = stored((3, 5, 6))
    del weights.layer[0].blobs[1:]
    net.copy_from(weights)
    assert net.params["op"][0].data.item() == 0
    alone = one_layer(augmentation("mean: 1 mean: 2 mean: 3 mean_per_pixel: false"), [values(SHAPE)])
    alone.copy_from(stored((3, 5, 6))[0])
    assert len(alone.params["op"]) == 1
    with pytest.raises(caffe.FileFormatError, match="layer 'op': blob 1 has shape 1 4 5 6"):
        net.copy_from(stored((4, 5, 6))[0])
    weights, _ = stored((3, 5, 6))
    del weights.layer[0].blobs[2:]
    with pytest.raises(caffe.FileFormatError, match="2 blobs in the file, 3 in the net"):
        net.copy_from(weights)


@pytest.mark.parametrize("rows, columns", [(5, 6), (3, 4), (4, 3), (1, 1), (2, 6)])
def test_crop(rows, columns, tmp_path):
    text = augmentation(f"crop_height: {rows} crop_width: {columns} mean: 1 mean: 2 mean: 3 mean_per_pixel: false")
    mean = np.array([1, 2, 3]).reshape(3, 1, 1)
    check_layer(one_layer(text, [values(SHAPE)]), lambda x: middle(x, rows, columns) - mean)
    check(net_text(text, SHAPE), 3, tmp_path)


def test_one_row():
    text = augmentation("crop_height: 1 crop_width: 2")
    check_layer(one_layer(text, [values((2, 1, 1, 3))]), lambda x: middle(x, 1, 2))


@pytest.mark.parametrize("settings", ["", "mean: 1 mean: 2 mean: 3", "mean: 1 mean_per_pixel: false",
                                      "crop_height: 2", "translate { spread: 1 }"])
@pytest.mark.parametrize("phase", [caffe.TRAIN, caffe.TEST])
def test_nothing_to_do(settings, phase, tmp_path):
    """Without both sides of a crop the fork augments nothing, whatever it is told."""
    check_layer(one_layer(augmentation(settings), [values(SHAPE)], phase=phase), lambda x: x)
    check(net_text(augmentation(settings), SHAPE), 3, tmp_path)


def test_coefficients(tmp_path):
    tops = one_layer(augmentation("crop_height: 2 crop_width: 3"), [values(SHAPE)], "y z").forward()
    assert tops["z"].shape == (2, 42, 1, 1) and not tops["z"].any()
    check(net_text(augmentation("crop_height: 2 crop_width: 3"), SHAPE, tops="y z"), 3, tmp_path)
    rows = values((2, 42, 1, 1))
    tops = one_layer(augmentation(""), [values(SHAPE), rows], "y z").forward()
    np.testing.assert_array_equal(tops["z"], rows)


def test_exported_only_with_a_mean_that_is_done(tmp_path):
    text = net_text(augmentation(DEPLOY), SHAPE)
    with pytest.raises(caffe.NetError, match="its mean is not done after 0 of 1000 forwards"):
        caffe.to_onnx(text, caffe.Net(text, caffe.TEST).to_proto(), tmp_path / "net.onnx")
    weights, _ = stored((3, 5, 6))
    caffe.to_onnx(text, weights, tmp_path / "net.onnx")


CROP = "crop_height: 2 crop_width: 2 "


@pytest.mark.parametrize("settings, shapes, phase, message", [
    (CROP + "mirror { prob: 0.5 } zoom { spread: 1 }", [SHAPE], caffe.TRAIN,
     r"layer 'op': augmentation_param mirror, zoom: random augmentation of lmb-freiburg/flownet2 is not covered"),
    (CROP + "augment_during_test: true noise { spread: 1 }", [SHAPE], caffe.TEST, "noise: random"),
    (CROP, [SHAPE, (2, 42, 1, 1)], caffe.TEST, "coefficients of another layer"),
    ("crop_height: 6 crop_width: 2", [SHAPE], caffe.TEST, "6 x 2 does not fit into a bottom of 5 x 6"),
    ("crop_height: 0 crop_width: 2", [SHAPE], caffe.TEST, "does not fit"),
    ("mean: 1 mean: 2 mean: 3 mean_per_pixel: false", [(2, 4, 5, 6)], caffe.TEST, "for a bottom of 4 channels"),
    ("", [(2, 3)], caffe.TEST, "4 axes")])
def test_refused(settings, shapes, phase, message):
    with pytest.raises(caffe.NetError, match=message):
        one_layer(augmentation(settings), [values(shape) for shape in shapes], phase=phase)
    if "during_test" not in settings and "random" in message:
        one_layer(augmentation(settings), [values(shape) for shape in shapes])


def test_another_size_while_the_mean_is_computed():
    net = one_layer(augmentation(DEPLOY), [values(SHAPE)])
    net.blobs["x0"].reshape(2, 3, 4, 4)
    net.reshape()
    with pytest.raises(caffe.NetError, match=r"its mean of shape \(1, 3, 5, 6\) is not done after 1 of 1000"):
        net.forward()
    net = one_layer(augmentation("recompute_mean: 3"), [values(SHAPE)])
    net.blobs["x0"].reshape(2, 3, 4, 4)
    with pytest.raises(caffe.NetError, match="does not fit a top"):
        net.reshape()
