"""Weights on disk: Caffe's own snapshots byte for byte, legacy shapes, refusals that name both shapes."""
from pathlib import Path

import h5py
import numpy as np
import pytest

import deeplandmark.caffe as caffe
from deeplandmark.caffe.files.model_file import read_binaryproto, read_message, read_weights
from deeplandmark.caffe.files.write_weights import write_message
from deeplandmark.caffe.proto import caffe_pb2

SOLVERS = Path(__file__).parents[1] / "data" / "caffe" / "solvers"
NET = """layer { name: "data" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "fc" type: "InnerProduct" bottom: "x" top: "fc"
  inner_product_param { num_output: 4 weight_filler { type: "xavier" } } }
layer { name: "more" type: "InnerProduct" bottom: "fc" top: "more"
  inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }"""


def test_snapshot_is_the_same_message(monkeypatch, tmp_path):
    monkeypatch.chdir(SOLVERS)
    path = "sgd_inv/snap_iter_30.caffemodel"
    net = caffe.Net("nets/net.prototxt", caffe.TRAIN, weights=path)
    assert net.to_proto() == read_message(path, caffe_pb2.NetParameter())
    net.save(tmp_path / "again.caffemodel")
    assert read_message(tmp_path / "again.caffemodel", caffe_pb2.NetParameter()) == net.to_proto()


def test_hdf5_snapshot_is_the_same_tree(monkeypatch, tmp_path):
    monkeypatch.chdir(SOLVERS)
    path = "adam_hdf5/snap_iter_30.caffemodel.h5"
    net = caffe.Net("nets/net.prototxt", path, caffe.TRAIN)
    net.save_hdf5(tmp_path / "again.h5")
    expected, found = tree(path), tree(tmp_path / "again.h5")
    assert expected.keys() == found.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(array, found[name])


def tree(path):
    """Every group (None) and dataset of an HDF5 file by name."""
    items = {}
    with h5py.File(path, "r") as file:
        file.visititems(lambda name, item: items.update({name: item[()] if isinstance(item, h5py.Dataset) else None}))
    return items


def weights(**layers):
    net = caffe_pb2.NetParameter()
    for name, blobs in layers.items():
        layer = net.layer.add(name=name, type="InnerProduct")
        for shape in blobs:
            layer.blobs.add(data=range(int(np.prod(shape)))).shape.dim.extend(shape)
    return net


def test_missing_layers_keep_their_values_and_extra_ones_are_ignored():
    net = caffe.Net(NET, caffe.TEST, seed=0)
    kept = net.params["more"][0].data.copy()
    net.copy_from(weights(fc=[(4, 3), (4,)], extra=[(9,)]))
    np.testing.assert_array_equal(net.params["fc"][0].data, np.arange(12).reshape(4, 3))
    np.testing.assert_array_equal(net.params["more"][0].data, kept)


@pytest.mark.parametrize("layers, reason", [
    ({"fc": [(4, 3), (4,)], "more": [(4, 2), (2,)]},
     r"layer 'more': blob 0 has shape 4 2 \(8\) in the file, 2 4 \(8\) in"),
    ({"fc": [(4, 3)]}, "layer 'fc': 1 blobs in the file, 2 in the net")])
def test_refused_and_nothing_copied(layers, reason):
    net = caffe.Net(NET, caffe.TEST, seed=0)
    before = net.params["fc"][0].data.copy()
    with pytest.raises(caffe.FileFormatError, match=reason):
        net.copy_from(weights(**layers))
    np.testing.assert_array_equal(net.params["fc"][0].data, before)


def test_legacy_shapes_and_doubles():
    stored = caffe_pb2.NetParameter()
    old = stored.layers.add(name="fc", type=caffe_pb2.V1LayerParameter.INNER_PRODUCT)
    old.blobs.add(num=1, channels=1, height=4, width=3, data=range(12))
    old.blobs.add(num=1, channels=1, height=1, width=4, double_data=range(4))
    net = caffe.Net(NET, caffe.TEST)
    from deeplandmark.caffe.files.upgrade import upgrade_net
    net.copy_from(upgrade_net(stored))
    np.testing.assert_array_equal(net.params["fc"][0].data, np.arange(12).reshape(4, 3))
    np.testing.assert_array_equal(net.params["fc"][1].data, np.arange(4))


def test_binary_v1_file(tmp_path):
    stored = caffe_pb2.NetParameter()
    old = stored.layers.add(name="fc", type=caffe_pb2.V1LayerParameter.INNER_PRODUCT)
    old.blobs.add(num=1, channels=1, height=4, width=3, data=range(12))
    (tmp_path / "old.caffemodel").write_bytes(stored.SerializeToString())
    layers, _ = read_weights(tmp_path / "old.caffemodel")
    assert list(layers) == ["fc"] and len(layers["fc"]) == 1


def test_cut_off_file(tmp_path):
    path = tmp_path / "cut.caffemodel"
    path.write_bytes(weights(fc=[(4, 3)]).SerializeToString()[:-5])
    with pytest.raises(caffe.FileFormatError, match="cut.caffemodel"):
        caffe.Net(NET, str(path), caffe.TEST)


def test_binaryproto_round_trip(tmp_path):
    mean = np.random.default_rng(0).random((1, 3, 4, 5)).astype(np.float32)
    write_message(tmp_path / "mean.binaryproto", caffe.io.array_to_blobproto(mean))
    np.testing.assert_array_equal(read_binaryproto(tmp_path / "mean.binaryproto"), mean)


def test_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    net = caffe.Net(NET, caffe.TEST)
    path = tmp_path / "x.caffemodel"
    net.save(path)
    before = path.read_bytes()
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError):
        net.save(path)
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["x.caffemodel"]


def test_hdf5_leaves_out_borrowed_blobs(tmp_path):
    text = NET.replace('"more" type: "InnerProduct"', '"more" type: "InnerProduct" param { name: "w" }').replace(
        '"fc" type: "InnerProduct"', '"fc" type: "InnerProduct" param { name: "w" }').replace(
        "num_output: 4", "num_output: 3").replace("num_output: 2", "num_output: 3")
    net = caffe.Net(text, caffe.TEST, seed=0)
    net.save_hdf5(tmp_path / "w.h5")
    assert "data/more/0" not in tree(tmp_path / "w.h5")
    other = caffe.Net(text, caffe.TEST, seed=1)
    other.load_hdf5(tmp_path / "w.h5")
    np.testing.assert_array_equal(other.params["more"][0].data, net.params["fc"][0].data)
