"""Runs an exported net in ONNX Runtime beside our own."""
import os

import numpy as np
import onnx
import onnxruntime
import torch

import deeplandmark.caffe as caffe

CONV = 'weight_filler { type: "gaussian" std: 0.3 } bias_filler { type: "uniform" }'


def net_text(definition, *shapes, tops="out"):
    """A net of one layer `op` on Input blobs x0, x1, ..."""
    text = "".join(f'layer {{ name: "x{i}" type: "Input" top: "x{i}" input_param {{ shape {{ '
                   f'{" ".join(f"dim: {n}" for n in shape)} }} }} }}\n' for i, shape in enumerate(shapes))
    bottoms = " ".join(f'bottom: "x{i}"' for i in range(len(shapes)))
    names = " ".join(f'top: "{top}"' for top in tops.split())
    return f'{text}layer {{ name: "op" {bottoms} {names} {definition} }}'


def run_both(text, batch, tmp_path, scale=2.0, seed=0, **inputs):
    """{output: (ours, ONNX Runtime's)} for random inputs with another batch than the definition's."""
    caffe.set_random_seed(seed)
    weights = caffe.Net(text, caffe.TEST).to_proto()
    path = tmp_path / "net.onnx"
    model = caffe.to_onnx(text, weights, path)
    assert os.listdir(tmp_path) == ["net.onnx"] and onnx.load(path) == model
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options)
    rng = np.random.default_rng(seed)
    for node in session.get_inputs():
        shape = [batch if size == "N" else size for size in node.shape]
        inputs.setdefault(node.name, (scale * rng.standard_normal(shape)).astype(np.float32))
    with torch.no_grad():
        ours = caffe.to_torch(text, weights)(**{name: torch.from_numpy(x) for name, x in inputs.items()})
    names = [node.name for node in session.get_outputs()]
    theirs = dict(zip(names, session.run(None, {name: inputs[name] for name in inputs})))
    assert set(ours) == {name.removesuffix("_out") if name not in ours else name for name in names}
    return {name: (x.numpy(), theirs.get(name, theirs.get(f"{name}_out"))) for name, x in ours.items()}


def check(text, batch, tmp_path, **more):
    for name, (ours, theirs) in run_both(text, batch, tmp_path, **more).items():
        assert theirs.shape == ours.shape, name
        assert np.isnan(theirs).tolist() == np.isnan(ours).tolist()
        np.testing.assert_allclose(theirs, ours, rtol=1e-5, atol=1e-5 * max(1, np.nanmax(np.abs(ours), initial=0)))
