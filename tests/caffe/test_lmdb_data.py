"""Data over LMDB against plain loops over the Datums that the test writes."""
import cv2
import lmdb
import numpy as np
import pytest

import deeplandmark.caffe as caffe


def write(folder, datums):
    with lmdb.open(str(folder / "db"), map_size=1 << 22) as environment, environment.begin(write=True) as transaction:
        for index, datum in enumerate(datums):
            transaction.put(b"%08d" % index, datum if isinstance(datum, bytes) else datum.SerializeToString())


def datum(values, label=0):
    proto = caffe.proto.caffe_pb2.Datum(channels=values.shape[0], height=values.shape[1], width=values.shape[2],
                                        label=label)
    if values.dtype == np.uint8:
        proto.data = values.tobytes()
    else:
        proto.float_data.extend(values.ravel().tolist())
    return proto


def encoded(picture, label=0, suffix=".png"):
    return caffe.proto.caffe_pb2.Datum(data=cv2.imencode(suffix, picture)[1].tobytes(), label=label, encoded=True)


def make(folder, phase=caffe.TEST, settings="batch_size: 3 backend: LMDB", transform="", tops=("data", "label")):
    tops = " ".join(f'top: "{name}"' for name in tops)
    return caffe.Net(f"""layer {{ name: "d" type: "Data" {tops}
        data_param {{ source: "{folder / 'db'}" {settings} }} transform_param {{ {transform} }} }}""", phase, seed=0)


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_datums_in_the_order_of_their_keys(tmp_path, kind):
    values = (np.random.default_rng(0).random((5, 2, 3, 4)) * 255).astype(kind)
    write(tmp_path, [datum(one, label) for label, one in enumerate(values)])
    net = make(tmp_path)
    for batch in range(4):
        out = net.forward()
        wanted = [(3 * batch + k) % 5 for k in range(3)]         # wraps inside a batch
        np.testing.assert_array_equal(out["data"], values[wanted].astype(np.float32))
        assert out["label"].tolist() == wanted


def test_two_nets_share_a_database(tmp_path):
    write(tmp_path, [datum(np.full((1, 2, 2), i, np.uint8), i) for i in range(4)])
    train, test = make(tmp_path, caffe.TRAIN), make(tmp_path, tops=("data",))
    assert train.forward()["label"].tolist() == [0, 1, 2]
    assert test.forward()["data"][:, 0, 0, 0].tolist() == [0, 1, 2]
    assert train.forward()["label"].tolist() == [3, 0, 1]
    with lmdb.open(str(tmp_path / "db")):                        # nor is it locked
        assert test.forward()["data"][:, 0, 0, 0].tolist() == [3, 0, 1]


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_encoded_pictures(tmp_path, suffix):
    rng = np.random.default_rng(0)
    colour, grey = rng.integers(0, 256, (6, 5, 3), np.uint8), rng.integers(0, 256, (6, 5), np.uint8)
    write(tmp_path, [encoded(colour, suffix=suffix), encoded(grey, suffix=suffix)])
    stored = [cv2.imdecode(cv2.imencode(suffix, picture)[1], cv2.IMREAD_UNCHANGED) for picture in (colour, grey)]
    net = make(tmp_path, settings="batch_size: 1 backend: LMDB")
    np.testing.assert_array_equal(net.forward()["data"][0], stored[0].transpose(2, 0, 1))
    np.testing.assert_array_equal(net.forward()["data"][0, 0], stored[1])
    out = make(tmp_path, transform="force_color: true", settings="batch_size: 2 backend: LMDB").forward()["data"]
    assert out.shape == (2, 3, 6, 5) and (out[1] == stored[1]).all()
    out = make(tmp_path, settings="batch_size: 2 backend: LMDB force_encoded_color: true").forward()["data"]
    assert out.shape[1] == 3
    assert make(tmp_path, transform="force_gray: true").forward()["data"].shape == (3, 1, 6, 5)


def test_transform(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (1, 3, 6, 8), np.uint8)
    write(tmp_path, [datum(values[0])])
    out = make(tmp_path, transform="crop_size: 4 scale: 0.25 mean_value: 10").forward()["data"]
    np.testing.assert_array_equal(out[0], (values[0, :, 1:5, 2:6].astype(np.float32) - 10) / 4)


@pytest.mark.parametrize("datums, settings, reason", [
    ([datum(np.zeros((1, 2, 2), np.uint8))], "batch_size: 3", "a data_param without backend means LEVELDB"),
    ([datum(np.zeros((1, 2, 2), np.uint8))], "backend: LMDB", "needs batch_size"),
    ([], "batch_size: 3 backend: LMDB", "is empty"),
    (None, "batch_size: 3 backend: LMDB", "no such folder"),
    ([b"\xff\xff\xff"], "batch_size: 3 backend: LMDB", "holds no Datum"),
    ([caffe.proto.caffe_pb2.Datum(data=b"123", encoded=True)], "batch_size: 3 backend: LMDB", "cannot decode"),
    ([caffe.proto.caffe_pb2.Datum(data=b"123", channels=1, height=2, width=2)], "batch_size: 3 backend: LMDB",
     "3 values for 1 channels of 2 x 2")])
def test_refused(tmp_path, datums, settings, reason):
    if datums is not None:
        write(tmp_path, datums)
    with pytest.raises(caffe.NetError, match=reason):
        make(tmp_path, settings=settings)


def test_something_else_is_no_database(tmp_path):
    (tmp_path / "db").mkdir()
    (tmp_path / "db" / "data.mdb").write_bytes(b"no" * 5000)
    with pytest.raises(caffe.NetError, match="not an LMDB database"):
        make(tmp_path)
