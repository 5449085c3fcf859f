"""One layer against a plain float64 function of its bottoms: values, and gradients by central differences of it."""
import numpy as np

import deeplandmark.caffe as caffe


def one_layer(definition, arrays, tops="y", phase=caffe.TEST):
    """A Net of the layer `op` on Input blobs x0, x1, ... that hold the arrays."""
    text = "force_backward: true\n" + "".join(
        f'layer {{ name: "in{i}" type: "Input" top: "x{i}" input_param {{ shape {{ '
        f'{" ".join(f"dim: {n}" for n in array.shape)} }} }} }}\n' for i, array in enumerate(arrays))
    bottoms = " ".join(f'bottom: "x{i}"' for i in range(len(arrays)))
    names = " ".join(f'top: "{top}"' for top in tops.split())
    net = caffe.Net(f'{text}layer {{ name: "op" {bottoms} {names} {definition} }}', phase, seed=3)
    for i, array in enumerate(arrays):
        net.blobs[f"x{i}"].data = array
    return net


def worst_error(found, wanted):
    """Largest difference, relative to the largest wanted value where that is above 1."""
    wanted = np.asarray(wanted, np.float64)
    assert found.shape == wanted.shape
    return float(np.abs(found - wanted).max(initial=0) / max(1.0, np.abs(wanted).max(initial=0)))


def check_layer(net, reference, wanted_diffs=(), tolerance=1e-5, backward=None):
    """Compares top y and the diffs of some bottoms with `reference(*bottoms)`, float64 arrays; returns both errors.

    `backward(top_diff, *bottoms)` gives the diffs where they are not the derivative, a list, one for each wanted diff.
    """
    bottoms = [net.blobs[name].data.astype(np.float64) for name in net.inputs]
    found = net.forward()["y"]
    forward_error = worst_error(found, reference(*bottoms))
    assert forward_error < tolerance
    if not wanted_diffs:
        return forward_error, 0.0
    top_diff = np.random.default_rng(9).standard_normal(found.shape).astype(np.float32)
    net.blobs["y"].diff = top_diff
    net.backward()
    wanted = backward(top_diff, *bottoms) if backward else [
        _derivative(lambda x, i=i: (reference(*bottoms[:i], x, *bottoms[i + 1:]) * top_diff).sum(), bottoms[i])
        for i in wanted_diffs]
    backward_error = max(worst_error(net.blobs[f"x{i}"].diff, diff) for i, diff in zip(wanted_diffs, wanted))
    assert backward_error < tolerance
    return forward_error, backward_error


def _derivative(function, x, step=1e-5):
    """Central differences of a number, float64."""
    slopes = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        moved = x.copy()
        moved[place] += step
        above = function(moved)
        moved[place] -= 2 * step
        slopes[place] = (above - function(moved)) / (2 * step)
    return slopes
