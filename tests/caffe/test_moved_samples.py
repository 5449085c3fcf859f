"""SpatialTransformer and DeformableConvolution against loops over places, at the borders and beyond them."""
import numpy as np
import pytest

import deeplandmark.caffe as caffe
from tests.helpers.between_cells import between, held
from tests.helpers.layer_checks import check_layer, one_layer, worst_error
from tests.helpers.onnx_runs import check, net_text

SIZE = (2, 2, 4, 5)


def values(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


# No place lies on a cell, where the slope changes.
THETA = np.array([[0.93, 0.21, 0.073, -0.31, 1.07, -0.043], [1.7, 0.4, 0.33, 0.21, -1.3, 0.6]], np.float32)


def transformed(x, theta, size):
    top = np.zeros((*x.shape[:2], *size))
    height, width = x.shape[2:]
    for n, s, t in np.ndindex(len(x), *size):
        p, q = theta[n].reshape(2, 3) @ [s / size[0] * 2 - 1, t / size[1] * 2 - 1, 1]
        top[n, :, s, t] = between(x[n], (p + 1) / 2 * height, (q + 1) / 2 * width)
    return top


@pytest.mark.parametrize("size", [None, (4, 9), (1, 3)])
@pytest.mark.parametrize("preset", [[], [1, 3], [0, 1, 3, 4]])
def test_spatial_transformer(size, preset, tmp_path):
    given = {1: 0.27, 3: -0.46, 0: 0.81, 4: 1.23}
    words = [f"theta_{i // 3 + 1}_{i % 3 + 1}: {given[i]}" for i in preset]
    words += [f"output_H: {size[0]} output_W: {size[1]}"] if size else []
    text = f'type: "SpatialTransformer" st_param {{ {" ".join(words)} }}'
    free = [i for i in range(6) if i not in preset]
    numbers = THETA[:, free][..., None] if preset else THETA

    def reference(x, theta):
        whole = np.zeros((len(x), 6))
        whole[:, free], whole[:, preset] = theta.reshape(len(x), -1), [given[i] for i in preset]
        return transformed(x, whole, size or SIZE[2:])
    check_layer(one_layer(text, [values(SIZE), numbers]), reference, [0, 1], 2e-5)
    check(net_text(text, SIZE, numbers.shape), 2, tmp_path, x1=numbers)


def test_spatial_transformer_without_a_gradient_of_the_maps():
    net = one_layer('type: "SpatialTransformer" st_param { to_compute_dU: false }', [values(SIZE), THETA])
    net.forward()
    net.blobs["y"].diff = 1
    net.backward()
    assert not net.blobs["x0"].diff.any() and net.blobs["x1"].diff.any()


def test_spatial_transformer_of_the_identity():
    x = values(SIZE)
    y = one_layer('type: "SpatialTransformer"', [x, np.tile(np.float32([1, 0, 0, 0, 1, 0]), (2, 1))]).forward()["y"]
    assert worst_error(y, x) < 1e-5


# settings; (h, w) of kernel, stride, pad and dilation; both groups
DEFORMABLE = [
    ("kernel_size: 3 pad: 1", (3, 3), (1, 1), (1, 1), (1, 1), 4, 1),
    ("kernel_size: 3 pad: 2 dilation: 2 deformable_group: 2 group: 1", (3, 3), (1, 1), (2, 2), (2, 2), 1, 2),
    ("kernel_h: 2 kernel_w: 3 stride_h: 1 stride_w: 2 pad_h: 0 pad_w: 2 group: 2 deformable_group: 4 bias_term: false",
     (2, 3), (1, 2), (0, 2), (1, 1), 2, 4),
    ("kernel_size: 1 stride: 2 group: 2", (1, 1), (2, 2), (0, 0), (1, 1), 2, 1)]


def deformed(net, x, offsets, kernel, stride, pad, dilation, group, deformable):
    weight, *bias = (blob.data.astype(np.float64) for blob in net.params["op"])
    (rows, columns), share = offsets.shape[2:], x.shape[1] // deformable
    cells = np.zeros((len(x), x.shape[1], *kernel, rows, columns))
    for n, g, i, j, r, c in np.ndindex(len(x), deformable, *kernel, rows, columns):
        down, along = offsets[n, (g * kernel[0] * kernel[1] + i * kernel[1] + j) * 2:][:2, r, c]
        cells[n, g * share:(g + 1) * share, i, j, r, c] = held(
            x[n, g * share:(g + 1) * share], r * stride[0] - pad[0] + i * dilation[0] + down,
            c * stride[1] - pad[1] + j * dilation[1] + along)
    outputs, inputs = len(weight) // group, x.shape[1] // group
    tops = [np.einsum("ocij,ncijrk->nork", weight[g * outputs:(g + 1) * outputs],
                      cells[:, g * inputs:(g + 1) * inputs]) for g in range(group)]
    return np.concatenate(tops, 1) + (bias[0][:, None, None] if bias else 0)


@pytest.mark.parametrize("settings, kernel, stride, pad, dilation, group, deformable", DEFORMABLE)
def test_deformable_convolution(settings, kernel, stride, pad, dilation, group, deformable):
    text = f"""type: "DeformableConvolution" deformable_convolution_param {{ num_output: 4 {settings}
        weight_filler {{ type: "gaussian" std: 0.5 }} bias_filler {{ type: "uniform" }} }}"""
    x = values((1, 4, 3, 4))
    counts = [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, p, d, k, s in zip((3, 4), pad, dilation, kernel, stride)]
    offsets = 1.5 * values((1, deformable * 2 * kernel[0] * kernel[1], *counts), 1)
    net = one_layer(text, [x, offsets])

    def reference(x, offsets):
        return deformed(net, x, offsets, kernel, stride, pad, dilation, group, deformable)
    check_layer(net, reference, [0, 1])
    check_blob_diffs(net, reference)


def check_blob_diffs(net, reference):
    """The diffs of the blobs, by differences of the reference, whose answer is linear in them."""
    bottoms = [net.blobs[name].data.astype(np.float64) for name in net.inputs]
    before, top_diff = reference(*bottoms), net.blobs["y"].diff.copy()
    for blob in net.params["op"]:
        wanted = np.zeros(blob.data.shape)
        for place in np.ndindex(wanted.shape):
            kept = blob.data[place]
            blob.data[place] = kept + 1
            wanted[place] = ((reference(*bottoms) - before) * top_diff).sum() / (blob.data[place] - float(kept))
            blob.data[place] = kept
        assert worst_error(blob.diff, wanted) < 1e-5


def test_deformable_convolution_that_moves_nothing_is_a_convolution():
    settings = "num_output: 6 kernel_size: 3 pad: 2 stride: 2 dilation: 2 group: 2"
    x = values((2, 4, 9, 8))
    plain = one_layer(f'type: "Convolution" convolution_param {{ {settings} weight_filler {{ type: "xavier" }} }}', [x])
    wanted = plain.forward()["y"]
    moved = one_layer(f'type: "DeformableConvolution" deformable_convolution_param {{ {settings} }}',
                      [x, np.zeros((2, 36, *wanted.shape[2:]), np.float32)])
    for mine, other in zip(moved.params["op"], plain.params["op"]):
        mine.data = other.data
    assert worst_error(moved.forward()["y"], wanted) < 1e-5


CONV = "num_output: 4 kernel_size: 3"


@pytest.mark.parametrize("text, shapes, message", [
    ('type: "SpatialTransformer"', [SIZE, (2, 5)], "needs 6 numbers of each transform"),
    ('type: "SpatialTransformer" st_param { theta_1_1: 1 }', [SIZE, (2, 6)], "needs 5 numbers"),
    ('type: "SpatialTransformer"', [SIZE, (3, 6)], "numbers of N transforms"),
    ('type: "SpatialTransformer" st_param { transform_type: "projective" }', [SIZE, (2, 6)], "affine"),
    ('type: "SpatialTransformer" st_param { output_H: 0 }', [SIZE, (2, 6)], "at least 1"),
    (f'type: "DeformableConvolution" deformable_convolution_param {{ {CONV} }}', [(2, 4, 5, 6), (2, 17, 3, 4)],
     "needs 18 moves"),
    (f'type: "DeformableConvolution" deformable_convolution_param {{ {CONV} deformable_group: 3 }}',
     [(2, 4, 5, 6), (2, 54, 3, 4)], "a divisor of 4 channels"),
    (f'type: "DeformableConvolution" deformable_convolution_param {{ {CONV} axis: 2 group: 1 }}',
     [(2, 4, 5, 6), (2, 18, 3, 4)], r"takes a bottom \(N, channels, H, W\)")])
def test_what_is_refused(text, shapes, message):
    with pytest.raises(caffe.NetError, match=message):
        one_layer(text, [np.zeros(shape, np.float32) for shape in shapes])
