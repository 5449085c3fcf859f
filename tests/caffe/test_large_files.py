"""Weights of any size: values stay where they are until they are copied, and no copy is made of a whole net."""
import math
import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest

import deeplandmark.caffe as caffe
from deeplandmark.caffe.files import write_weights
from deeplandmark.caffe.files.large_message import read_large
from deeplandmark.caffe.files.model_file import read_message, read_weights
from deeplandmark.caffe.files.stored_blobs import FileBlob
from deeplandmark.caffe.proto import caffe_pb2
from deeplandmark.caffe.solvers.snapshot import SolverSnapshot, read_state, write_state

F4 = np.float32


def net_text(rows, columns):
    return f"""name: "large"
        layer {{ name: "data" type: "Input" top: "x" input_param {{ shape {{ dim: 1 dim: {columns} }} }} }}
        layer {{ name: "fc" type: "InnerProduct" bottom: "x" top: "fc" inner_product_param {{ num_output: {rows} }} }}
        layer {{ name: "slope" type: "PReLU" bottom: "fc" top: "y" prelu_param {{ channel_shared: true }} }}"""


NET = net_text(40, 60)


def filled(text=NET, seed=0):
    net = caffe.Net(text, caffe.TEST)
    rng = np.random.default_rng(seed)
    for blob in (blob for blobs in net.params.values() for blob in blobs):
        blob.data, blob.diff = rng.standard_normal(blob.shape), rng.standard_normal(blob.shape)
    return net


@pytest.mark.parametrize("write_diff", [False, True])
def test_written_piece_by_piece_is_the_message_as_a_whole(write_diff, tmp_path):
    net, path = filled(), tmp_path / "net.caffemodel"
    net.save(path, write_diff)
    assert read_message(path, caffe_pb2.NetParameter()) == net.to_proto(write_diff)


def stored(kind):
    """A net's message with the weights of fc as a fork or an old file has them."""
    values = np.random.default_rng(4).standard_normal((40, 60)).astype(F4)
    net = caffe_pb2.NetParameter()
    blob = (net.layers if kind == "V1" else net.layer).add(name="fc").blobs.add()
    if kind == "V1":
        blob.num, blob.channels, blob.height, blob.width = 1, 1, 40, 60
    else:
        blob.shape.dim.extend((40, 60))
    if kind in ("half", "raw"):
        values = values.astype(np.float16).astype(F4) if kind == "half" else values
        blob.raw_data_type = blob.FLOAT16 if kind == "half" else blob.FLOAT
        blob.raw_data = values.astype("<f2" if kind == "half" else "<f4").tobytes()
    else:
        getattr(blob, "double_data" if kind == "double" else "data").extend(values.ravel().tolist())
    blob.diff.extend([3] * 2400)
    (net.layers if kind == "V1" else net.layer)[0].blobs.add(data=range(40)).shape.dim.append(40)
    return net, values


@pytest.mark.parametrize("kind", ["float", "double", "raw", "half", "V1"])
def test_values_stay_in_the_file_until_they_are_copied(kind, tmp_path):
    net, values = stored(kind)
    path = tmp_path / "old.caffemodel"
    path.write_bytes(net.SerializeToString())
    blobs = read_weights(path)[0]["fc"]
    assert isinstance(blobs[0], FileBlob) and not (blobs[0].blob.data or blobs[0].blob.double_data)
    read = caffe.Net(NET, str(path), caffe.TEST).params["fc"]
    np.testing.assert_array_equal(read[0].data, values)
    np.testing.assert_array_equal(read[1].data, range(40))


def test_a_list_in_several_parts_is_read_as_one(tmp_path):
    """protobuf joins the parts of a packed list; nobody writes such files, but they are correct."""
    net, values = stored("float")
    half = caffe_pb2.BlobProto(data=values.ravel()[1200:].tolist()).SerializeToString()
    blob = caffe_pb2.BlobProto(data=values.ravel()[:1200].tolist())
    blob.shape.dim.extend((40, 60))
    net.layer[0].blobs[0].ParseFromString(blob.SerializeToString() + half)
    (tmp_path / "w.caffemodel").write_bytes(net.SerializeToString())
    read = caffe.Net(NET, str(tmp_path / "w.caffemodel"), caffe.TEST)
    np.testing.assert_array_equal(read.params["fc"][0].data, values)


def test_a_place_that_a_file_claims_means_nothing(tmp_path):
    net = stored("float")[0]
    for blob in net.layer[0].blobs:
        blob.stored_at = 7
    (tmp_path / "w.caffemodel").write_bytes(net.SerializeToString())
    message = caffe_pb2.NetParameter()
    read_large(tmp_path / "w.caffemodel", message)
    assert [blob.HasField("stored_at") for blob in message.layer[0].blobs] == [True, False]
    assert message.layer[0].blobs[0].stored_at == 0


def test_a_file_cut_while_it_is_read(tmp_path):
    path = tmp_path / "w.caffemodel"
    path.write_bytes(stored("float")[0].SerializeToString())
    layers, name = read_weights(path)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(caffe.FileFormatError, match="became shorter"):
        list(layers["fc"][0].chunks(name))


def test_states_are_written_and_read_likewise(tmp_path):
    history = [np.full(shape, 3, F4) + np.arange(math.prod(shape), dtype=F4).reshape(shape)
               for shape in ((40, 60), (40,), ())]
    write_state(str(tmp_path / "a.solverstate"), SolverSnapshot(9, "a.caffemodel", 2, history))
    state = read_state(str(tmp_path / "a.solverstate"))
    assert (state.iter, state.learned_net, state.current_step) == (9, "a.caffemodel", 2)
    for found, wanted in zip(state.history, history, strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_what_no_message_holds_becomes_hdf5(tmp_path, monkeypatch):
    """Two GiB are the limit; here a smaller one."""
    net, path = filled(), tmp_path / "net.caffemodel"
    monkeypatch.setattr(write_weights, "LARGEST", 9000)
    with pytest.warns(UserWarning, match=r"net.caffemodel: written as HDF5, because .* 2 GiB"):
        net.save(path)
    assert h5py.is_hdf5(path)
    np.testing.assert_array_equal(caffe.Net(NET, str(path), caffe.TEST).params["fc"][0].data, net.params["fc"][0].data)
    with pytest.raises(caffe.FileFormatError, match="a.solverstate: larger than .* set snapshot_format: HDF5"):
        write_state(str(tmp_path / "a.solverstate"), SolverSnapshot(1, "", 0, [np.zeros(9000)]))


def test_weights_that_are_not_finite_come_with_a_warning(tmp_path):
    net, path = filled(), str(tmp_path / "net.caffemodel")
    net.params["fc"][0].data[3, 5] = np.nan
    net.save(path)
    with pytest.warns(caffe.NotFiniteWarning, match="net.caffemodel: layer 'fc': blob 0: 1 of 2400 values are not f"):
        assert np.isnan(caffe.Net(NET, path, caffe.TEST).params["fc"][0].data[3, 5])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for take in (lambda: caffe.Net(NET, path, caffe.TEST, strict=True),
                     lambda: caffe.to_torch(NET, path, strict=True)):
            with pytest.raises(caffe.FileFormatError, match="not finite"):
                take()


def peak():
    """Largest memory of this process since `start_peak`, bytes."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) << 10


def start_peak():
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pytest.skip("the peak of memory cannot be reset here: it wants Linux")
    return peak()


def test_memory_of_saving_and_loading(tmp_path):
    """A net of 64 MiB of weights: neither costs a third of them, where each once took five times as much."""
    net = caffe.Net(net_text(4096, 4096), caffe.TEST)
    net.params["fc"][0].data = np.arange(4096)
    allowed = (64 << 20) // 3
    before = start_peak()
    net.save(tmp_path / "net.caffemodel")
    assert peak() - before < allowed
    before = start_peak()
    net.copy_from(tmp_path / "net.caffemodel")
    assert peak() - before < allowed
