"""HDF5Data: wrapping, number types, shuffling, one file at a time, files that are read in blocks."""
import h5py
import numpy as np
import pytest

import deeplandmark.caffe as caffe
from deeplandmark.caffe.files import hdf5_rows


def write(folder, name, data, **others):
    with h5py.File(folder / name, "w") as file:
        file["data"] = data
        for key, values in others.items():
            file[key] = values


def make(folder, files, batch_size=4, extra="", tops='top: "data"', seed=0):
    (folder / "list.txt").write_text("".join(f"{folder / name}\n\n" for name in files))
    return caffe.Net(f"""layer {{ name: "d" type: "HDF5Data" {tops}
        hdf5_data_param {{ source: "{folder / 'list.txt'}" batch_size: {batch_size} {extra} }} }}""",
                     caffe.TRAIN, seed=seed)


def rows(net, batches):
    return [int(value) for _ in range(batches) for value in net.forward()["data"].ravel()]


def test_wraps_across_files(tmp_path):
    write(tmp_path, "a.h5", np.arange(5.)[:, None])
    write(tmp_path, "b.h5", np.arange(5., 7)[:, None])
    net = make(tmp_path, ["a.h5", "b.h5"])
    assert rows(net, 4) == [i % 7 for i in range(16)]


def test_batch_longer_than_everything(tmp_path):
    write(tmp_path, "a.h5", np.arange(3.)[:, None])
    assert rows(make(tmp_path, ["a.h5"], batch_size=8), 1) == [0, 1, 2, 0, 1, 2, 0, 1]


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "u1", "i2", ">i4", ">f4", "u4", "i8"])
def test_number_types(tmp_path, dtype):
    write(tmp_path, "a.h5", np.arange(6).reshape(6, 1).astype(dtype))
    net = make(tmp_path, ["a.h5"])
    assert net.forward()["data"].dtype == np.float32
    assert rows(net, 1) == [4, 5, 0, 1]


def test_shuffle_covers_every_row_once_a_round(tmp_path):
    for index in range(3):
        write(tmp_path, f"{index}.h5", np.arange(index * 4., index * 4 + 4)[:, None])
    net = make(tmp_path, ["0.h5", "1.h5", "2.h5"], extra="shuffle: true")
    seen = [rows(net, 3) for _ in range(6)]
    assert all(sorted(one) == list(range(12)) for one in seen)
    assert len({tuple(one) for one in seen}) > 1
    assert all(len({value // 4 for value in one[i:i + 4]}) == 1 for one in seen for i in (0, 4, 8))
    again = make(tmp_path, ["0.h5", "1.h5", "2.h5"], extra="shuffle: true")
    assert [rows(again, 3) for _ in range(6)] == seen


def test_float_rows_are_views(tmp_path):
    write(tmp_path, "a.h5", np.arange(8, dtype="f4")[:, None])
    layer = make(tmp_path, ["a.h5"]).graph.nodes[0].layer
    assert layer()[0].data_ptr() == layer.rows.datasets[0].data_ptr() or layer.row == 4


@pytest.mark.parametrize("others, tops, reason", [
    ({}, 'top: "data" top: "landmark"', "blob 'landmark': .*has no dataset of this name .it has: data"),
    ({"landmark": np.zeros((5, 2))}, 'top: "data" top: "landmark"', "differ in their number of rows"),
    ({"landmark": np.array([b"x"] * 6)}, 'top: "data" top: "landmark"', "expected numbers")])
def test_refused(tmp_path, others, tops, reason):
    write(tmp_path, "a.h5", np.zeros((6, 1)), **others)
    with pytest.raises(caffe.NetError, match=reason):
        make(tmp_path, ["a.h5"], tops=tops)


def test_broken_file(tmp_path):
    (tmp_path / "a.h5").write_bytes(b"no")
    with pytest.raises(caffe.NetError, match="a.h5"):
        make(tmp_path, ["a.h5"])


@pytest.fixture
def small_blocks(monkeypatch):
    """Every file is too large to hold; a block is 5 rows of 12 bytes."""
    monkeypatch.setattr(hdf5_rows, "BLOCK_BYTES", 60)
    monkeypatch.setattr(hdf5_rows, "HELD_BYTES", 60)


@pytest.mark.parametrize("extra", ["", "shuffle: true"])
@pytest.mark.parametrize("batch_size", [3, 4, 7, 40])
@pytest.mark.parametrize("options", [{}, {"chunks": (2, 2), "compression": "gzip"}])
def test_blocks_give_the_rows_of_held_files(tmp_path, request, extra, batch_size, options):
    """Same order, same rounds, same shuffling from the same seed, whatever lies in memory."""
    for name, rows in (("a", range(17)), ("b", range(17, 40)), ("c", range(40, 42))):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file.create_dataset("data", data=np.array(rows)[:, None] * [[1., 100.]], dtype="f4", **options)
            file["label"] = np.array(rows, "u4")                 # a type that is converted when it is read
    files, tops = ["a.h5", "b.h5", "c.h5"], 'top: "data" top: "label"'
    held = make(tmp_path, files, batch_size, extra, tops)
    wanted = [{name: blob.copy() for name, blob in held.forward().items()} for _ in range(25)]
    request.getfixturevalue("small_blocks")
    blocked = make(tmp_path, files, batch_size, extra, tops)
    assert isinstance(blocked.graph.nodes[0].layer.rows, (hdf5_rows.BlockedRows, hdf5_rows.HeldRows))
    for batch in wanted:
        found = blocked.forward()
        for name in ("data", "label"):
            np.testing.assert_array_equal(found[name], batch[name])


def test_blocks_hold_no_more_than_they_need(tmp_path, small_blocks):
    write(tmp_path, "a.h5", np.arange(300, dtype="f4").reshape(100, 3))
    layer = make(tmp_path, ["a.h5"], tops='top: "data"').graph.nodes[0].layer
    for _ in range(30):
        layer()
        assert sum(block.nbytes for block in layer.rows.block or []) <= 60


def test_more_than_2_to_31_elements(tmp_path):
    """Caffe counts a blob's elements in an int. This file claims 2.8e9 of them; only what was written is stored."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("data", (40_000, 70_000), "f4", chunks=(1, 70_000))
        data[0, 3] = 1
        data[-1, -1] = 2
    net = make(tmp_path, ["a.h5"], batch_size=2)
    assert net.forward()["data"][0, 3] == 1
    layer = net.graph.nodes[0].layer
    layer.row = 39_998
    assert net.forward()["data"][1, -1] == 2
    assert net.forward()["data"][0, 3] == 1                      # a new round


def write_claim(folder, shape, **options):
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_dataset("data", shape, "f4", **options)


@pytest.mark.parametrize("shape, options, extra, reason", [
    ((4, 10**12), {"chunks": (1, 1000)}, "", "a batch would need"),
    ((10**12, 1), {"chunks": (1000, 1)}, "shuffle: true", "the order of the 1000000000000 rows would need"),
    ((1000, 200_000), {"chunks": (1000, 200_000), "compression": "gzip"}, "", "such files are refused")])
def test_absurd_claims_are_refused(tmp_path, shape, options, extra, reason):
    write_claim(tmp_path, shape, **options)
    with pytest.raises(caffe.NetError, match=reason):
        make(tmp_path, ["a.h5"], extra=extra)


def test_a_group_is_no_dataset(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_group("data")
    with pytest.raises(caffe.NetError, match="is a group"):
        make(tmp_path, ["a.h5"])
