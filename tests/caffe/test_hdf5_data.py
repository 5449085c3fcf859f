"""HDF5Data: wrapping, number types, shuffling, one file at a time."""
import h5py
import numpy as np
import pytest

import deeplandmark.caffe as caffe


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
