"""Files as people have them: other encodings, NVIDIA's weights, lists on one line, files that are something else."""
import h5py
import numpy as np
import pytest

import deeplandmark.caffe as caffe
from deeplandmark.caffe.files.blob_proto import array_to_blob, blob_to_array
from deeplandmark.caffe.files.prototxt import read_net, read_solver
from deeplandmark.caffe.proto.caffe_pb2 import BlobProto

NET = ('{}layer {{ name: "x" type: "Input" top: "x" input_param {{ shape {{ dim: 1 dim: 4 }} }} }}\n'
       'layer {{ name: "ip" type: "InnerProduct" bottom: "x" top: "ip"\n'
       '  inner_product_param {{ num_output: 1 bias_term: false }} }}\n')


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "utf-16", "utf-16-le"])
def test_chinese_definitions(encoding, tmp_path):
    text = NET.format('# 网络定义\nname: "人脸"\n')
    data = text.encode(encoding)
    (tmp_path / "net.prototxt").write_bytes(b"\xff\xfe" + data if encoding == "utf-16-le" else data)
    net = read_net(tmp_path / "net.prototxt")
    assert net.name == "人脸" and [layer.name for layer in net.layer] == ["x", "ip"]


@pytest.mark.parametrize("comment", ["entrée", "mesuré{", 'é"', "© 2015 Müller"])
def test_western_comments(comment, tmp_path):
    (tmp_path / "net.prototxt").write_bytes(NET.format(f"# {comment}\r\n").encode("latin-1"))
    assert len(read_net(tmp_path / "net.prototxt").layer) == 2


def nvidia_blob(dtype, kind):
    """As NVCaffe 0.16 writes it: raw_data_type (10) and raw_data (12)."""
    data = np.array([1, 2, 3, 4], dtype).tobytes()
    return b"\x3a\x04\x0a\x02\x01\x04" + bytes([10 << 3, kind, 12 << 3 | 2, len(data)]) + data


@pytest.mark.parametrize("dtype, kind", [("<f8", 0), ("<f4", 1), ("<f2", 2)])
def test_weights_of_nvidias_fork(dtype, kind, tmp_path):
    blob = nvidia_blob(dtype, kind)
    layer = b"\x0a\x02ip\x12\x0cInnerProduct\x3a" + bytes([len(blob)]) + blob
    (tmp_path / "net.caffemodel").write_bytes(b"\xa2\x06" + bytes([len(layer)]) + layer)
    net = caffe.Net(NET.format(""), str(tmp_path / "net.caffemodel"), caffe.TEST)
    assert net.params["ip"][0].data.tolist() == [[1, 2, 3, 4]] and net.forward(x=np.ones((1, 4)))["ip"] == 10


def test_raw_data_of_another_length_is_refused():
    blob = BlobProto.FromString(nvidia_blob("<f2", 1))
    with pytest.raises(caffe.FileFormatError, match=r"8 bytes of raw_data, 4 a value, for shape 1 4 \(4\)"):
        blob_to_array(blob)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(), (0,), (3, 2), (40, 50), (300_000,)])
def test_blobs_there_and_back(dtype, shape):
    values, diff = np.random.default_rng(0).standard_normal((2, *shape)).astype(dtype)
    blob = BlobProto.FromString(array_to_blob(values, diff).SerializeToString())
    assert list(blob.shape.dim) == list(shape)
    np.testing.assert_array_equal(blob_to_array(blob), values.astype(np.float32))
    np.testing.assert_array_equal(blob_to_array(blob, diff=True), diff.astype(np.float32))
    listed = blob.double_data if dtype == np.float64 else blob.data
    assert len(listed) == values.size and list(listed)[:3] == values.ravel()[:3].tolist()


@pytest.mark.parametrize("text", ["a.h5 b.h5\n", "a.h5\tb.h5", "a.h5\n\n  b.h5  \n", "a.h5\r\nb.h5\r\n"])
def test_lists_of_hdf5_files_are_parted_by_any_blank(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for k, name in enumerate("ab"):
        with h5py.File(f"{name}.h5", "w") as file:
            file["data"] = np.arange(2.0, dtype="f4")[:, None] + 10 * k
    (tmp_path / "list.txt").write_text(text)
    net = caffe.Net('layer { name: "d" type: "HDF5Data" top: "data" hdf5_data_param { source: "list.txt" '
                    "batch_size: 5 } }", caffe.TEST)
    assert net.forward()["data"].ravel().tolist() == [0, 1, 10, 11, 0]


@pytest.mark.parametrize("data, reason", [
    (b"<!DOCTYPE html>\n<html><title>404</title></html>", "is a web page"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n", "is a Git LFS pointer.*git lfs pull"),
    (NET.format("").encode(), "not a binary NetParameter, but text, a definition.*comes first")])
def test_weights_that_are_something_else(data, reason, tmp_path):
    (tmp_path / "w.caffemodel").write_bytes(data)
    with pytest.raises(caffe.FileFormatError, match=f"w.caffemodel: {reason}"):
        caffe.Net(NET.format(""), str(tmp_path / "w.caffemodel"), caffe.TEST)


def test_definitions_that_are_something_else(tmp_path):
    path = tmp_path / "net.prototxt"
    caffe.Net(NET.format(""), caffe.TEST).save(path)
    with pytest.raises(caffe.PrototxtError, match="net.prototxt: is not text; a definition comes first"):
        caffe.Net(path, caffe.TEST)
    for data, reason in ((b"\n <html>{}</html>", "web page"), (b"version https://git-lfs.github.com/spec/v1", "LFS")):
        path.write_bytes(data)
        for read in (read_net, read_solver):
            with pytest.raises(caffe.PrototxtError, match=reason):
                read(path)


@pytest.mark.parametrize("raised", ["RuntimeError()", "open('list.txt')", "int('a b')", "1 / 0", "{}['k']"])
def test_errors_of_a_users_layer_pass_unchanged(raised, tmp_path, monkeypatch):
    name = f"failing_{abs(hash(raised))}"
    (tmp_path / f"{name}.py").write_text(
        "import caffe\nclass L(caffe.Layer):\n    def setup(self, bottom, top):\n        value = eval(self.param_str)\n"
        "        if isinstance(value, Exception):\n            raise value\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises((RuntimeError, OSError, ValueError, ZeroDivisionError, KeyError)) as caught:
        caffe.Net(f'layer {{ name: "d" type: "Python" top: "d" python_param {{ module: "{name}" layer: "L" '
                  f'param_str: "{raised}" }} }}', caffe.TEST)
    assert not isinstance(caught.value, caffe.CaffeError)
    assert any(entry.path.name == f"{name}.py" for entry in caught.traceback)
