"""convert_imageset, compute_image_mean, extract_features: from pictures to databases, and back through Data."""
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

import deeplandmark.caffe as caffe
from deeplandmark.caffe.files.database import open_database
from deeplandmark.caffe.files.model_file import read_binaryproto
from deeplandmark.caffe.proto import caffe_pb2
from deeplandmark.caffe.tools.command_line import main

BACKENDS = {"lmdb": "lmdb", "leveldb": "plyvel"}                 # and the library that writes it
BOTH = pytest.mark.parametrize("backend", BACKENDS)


@pytest.fixture(autouse=True)
def pictures(tmp_path, monkeypatch):
    """Five pictures, one of them with a blank in its name, one missing, and the list of all six."""
    pytest.importorskip("lmdb")
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(2)
    os.mkdir("in")
    for i, name in enumerate(["a.png", "b c.png", "d.jpg", "e.png", "f.PNG"]):
        cv2.imwrite(f"in/{name}", cv2.resize(rng.integers(0, 256, (3, 4, 3)).astype(np.uint8), (12 + i, 10)))
    Path("list.txt").write_text("a.png 3\nb c.png 0\nmissing.png 1\nd.jpg 7\r\n\ne.png -2\nf.PNG 1\n")


def convert(*flags, backend="lmdb", name="db"):
    pytest.importorskip(BACKENDS[backend])
    assert main(["convert_imageset", *flags, f"-backend={backend}", "in/", "list.txt", name]) == 0
    found = []
    for key, value in open_database(name, backend):
        found.append((key, caffe_pb2.Datum.FromString(value)))
    return found


@BOTH
def test_pictures_become_datums(backend, capsys):
    found = convert(backend=backend)
    assert [key for key, _ in found] == [b"00000000_a.png", b"00000001_b c.png", b"00000003_d.jpg", b"00000004_e.png",
                                         b"00000005_f.PNG"]
    assert [datum.label for _, datum in found] == [3, 0, 7, -2, 1]
    for key, datum in found:
        picture = cv2.imread(f"in/{key[9:].decode()}")
        assert (datum.channels, datum.height, datum.width) == (3, *picture.shape[:2]) and not datum.encoded
        np.testing.assert_array_equal(caffe.io.datum_to_array(datum), picture.transpose(2, 0, 1))
    out, err = capsys.readouterr()
    assert out.splitlines() == ["A total of 6 images.", "Processed 5 files."]
    assert err == "in/missing.png: No such file or directory: left out\n"
    assert sorted(os.listdir()) == ["db", "in", "list.txt"]


def test_gray_and_resized():
    for key, datum in convert("--gray", "--resize_width=7", "--resize_height", "5"):
        picture = cv2.resize(cv2.imread(f"in/{key[9:].decode()}", cv2.IMREAD_GRAYSCALE), (7, 5))
        np.testing.assert_array_equal(caffe.io.datum_to_array(datum), picture[None])


def test_files_are_kept_as_they_are_or_encoded_anew():
    for key, datum in convert("-encoded"):
        assert datum.encoded and datum.data == Path(f"in/{key[9:].decode()}").read_bytes()
    for key, datum in convert("-encode_type", "png", "-resize_width=6", "-resize_height=6", name="other"):
        picture = cv2.resize(cv2.imread(f"in/{key[9:].decode()}"), (6, 6))
        assert datum.data.startswith(b"\x89PNG")
        np.testing.assert_array_equal(cv2.imdecode(np.frombuffer(datum.data, np.uint8), cv2.IMREAD_COLOR), picture)


def test_a_random_order():
    orders = [[datum.label for _, datum in convert("-shuffle", *seed, name=f"db{i}")]
              for i, seed in enumerate([("--seed", "3"), ("--seed", "3"), ()])]
    assert orders[0] == orders[1] != [3, 0, 7, -2, 1] and sorted(orders[2]) == sorted(orders[0])


@BOTH
def test_the_workflow(backend, capsys):
    """Database, mean, a net over both, its features as a database, and a net over that."""
    convert("--resize_width=8", "--resize_height=6", backend=backend)
    assert main(["compute_image_mean", f"-backend={backend}", "db", "mean.binaryproto"]) == 0
    pictures = np.stack([cv2.resize(cv2.imread(f"in/{name}"), (8, 6)).transpose(2, 0, 1)
                         for name in ("a.png", "b c.png", "d.jpg", "e.png", "f.PNG")]).astype(np.float64)
    np.testing.assert_allclose(read_binaryproto("mean.binaryproto")[0], pictures.mean(0), rtol=1e-6)
    Path("net.prototxt").write_text(f"""
        layer {{ name: "data" type: "Data" top: "data" top: "label" transform_param {{ mean_file: "mean.binaryproto" }}
          data_param {{ source: "db" batch_size: 5 backend: {backend.upper()} }} }}
        layer {{ name: "pool" type: "Pooling" bottom: "data" top: "pool"
          pooling_param {{ pool: AVE global_pooling: true }} }}
        layer {{ name: "ip" type: "InnerProduct" bottom: "pool" top: "ip" inner_product_param {{ num_output: 4
          weight_filler {{ type: "xavier" }} }} }}""")
    caffe.Net("net.prototxt", caffe.TEST, seed=0).save("net.caffemodel")
    assert main(["extract_features", "net.caffemodel", "net.prototxt", "pool,ip", "features,products", "2", backend,
                 "CPU"]) == 0
    assert "Extracted features of 10 query images for feature blob pool" in capsys.readouterr().out
    for name, blob, shape in (("features", "pool", (3, 1, 1)), ("products", "ip", (4, 1, 1))):
        rows = list(open_database(name, backend))
        assert [key for key, _ in rows] == [b"%010d" % i for i in range(10)]
        datums = [caffe_pb2.Datum.FromString(value) for _, value in rows]
        assert all((d.channels, d.height, d.width) == shape and len(d.float_data) == shape[0] for d in datums)
        if blob == "pool":
            means = (pictures - pictures.mean(0)).mean((2, 3))
            np.testing.assert_allclose([d.float_data for d in datums], [*means, *means], atol=1e-4)
    again = caffe.Net(f"""layer {{ name: "d" type: "Data" top: "d" data_param {{ source: "products" batch_size: 10
        backend: {backend.upper()} }} }}""", caffe.TEST)
    assert again.forward()["d"].shape == (10, 4, 1, 1)


def test_an_lmdb_grows_as_it_must(monkeypatch):
    monkeypatch.setattr("deeplandmark.caffe.files.database._MAP", 1 << 16)
    monkeypatch.setattr("deeplandmark.caffe.files.database._BATCH", 2)
    Path("list.txt").write_text("a.png 1\n" * 100)
    assert len(convert("--resize_width=40", "--resize_height=40")) == 100


@pytest.mark.parametrize("arguments, reason", [
    (["convert_imageset", "in/", "none.txt", "db"], "none.txt"),
    (["convert_imageset", "in/", "list.txt", "in"], "there is something already"),
    (["convert_imageset", "in/", "list.txt", "no/db"], "No such file"),
    (["convert_imageset", "in/", "wrong.txt", "db"], "wrong.txt:2: expected a name and a label"),
    (["convert_imageset", "nowhere/", "list.txt", "db"], "none of its pictures"),
    (["convert_imageset", "-check_size", "in/", "list.txt", "db"], "in/b c.png: 10 x 13, the first picture 10 x 12"),
    (["convert_imageset", "-encode_type", "xyz", "in/", "list.txt", "db"], "cannot be encoded as 'xyz'"),
    (["extract_features", "w", "n", "a,b", "one", "1", "lmdb"], "2 blobs and 1 databases"),
    (["compute_image_mean", "--backend", "leveldb", "in"], "cannot read its source")])
def test_one_clear_line_and_nothing_left(arguments, reason, capfd):
    if "leveldb" in arguments:
        pytest.importorskip("plyvel")
    Path("wrong.txt").write_text("a.png 1\nb.png x\n")
    before = sorted(os.listdir("."))
    assert main(arguments) == 1
    message = capfd.readouterr().err.splitlines()[-1]
    assert reason in message and message.startswith(f"{arguments[0]}: ")
    assert sorted(os.listdir(".")) == before


@pytest.mark.parametrize("module", ["lmdb", "plyvel"])
def test_without_the_library(module, monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, module, None)
    backend = {name: kind for kind, name in BACKENDS.items()}[module]
    assert main(["convert_imageset", f"-backend={backend}", "in/", "list.txt", "db"]) == 1
    assert f'take the library {module}: pip install ".[database]"' in capsys.readouterr().err


def test_an_lmdb_that_is_called_a_leveldb():
    pytest.importorskip("plyvel")
    convert()
    with pytest.raises(caffe.NetError, match=r"it is an LMDB database: set backend: LMDB \(a data_param without"):
        caffe.Net('layer { name: "d" type: "Data" top: "d" data_param { source: "db" batch_size: 1 } }', caffe.TEST)
