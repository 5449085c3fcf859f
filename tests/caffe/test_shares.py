"""What ranks read: together the batches of one process, whatever their number; numbers drawn for a row go with it."""
import cv2
import h5py
import numpy as np
import pytest

import deeplandmark.caffe as caffe
from deeplandmark.caffe.files import hdf5_rows
from deeplandmark.caffe.mode import MODE, Share

ROWS, BATCHES = 23, 7                                             # of 6 rows: every round ends within a batch
PATCHES = ("rows: 5 columns: 5 left: -0.5 top: -0.5 right: 0.5 bottom: 0.5 rotation: 20 scale: 0.1 shift: 0.1 "
           "light: 0.2 blur: 0.5 noise: 4 occlusion: 0.5 start_share: 0.3")
LAYERS = {
    "HDF5Data": 'type: "HDF5Data" top: "x" top: "y" hdf5_data_param { source: "list.txt" batch_size: 6 }',
    "shuffled": 'type: "HDF5Data" top: "x" top: "y" hdf5_data_param { source: "list.txt" batch_size: 6 shuffle: true }',
    "patches": 'type: "HDF5PatchData" top: "x" top: "y" hdf5_patch_data_param { source: "list.txt" batch_size: 6 '
               'shuffle: true ' + PATCHES + " }",
    "pictures": 'type: "ImageData" top: "x" top: "y" image_data_param { source: "pictures.txt" batch_size: 6 '
                "shuffle: true } transform_param { crop_size: 5 mirror: true }",
    "labels": 'type: "ImageSegData" top: "x" top: "y" image_data_param { source: "pairs.txt" batch_size: 6 '
              "shuffle: true label_type: PIXEL } transform_param { crop_size: 5 mirror: true scale_factors: 0.5 "
              "scale_factors: 1.5 }",
    "windows": 'type: "WindowData" top: "x" top: "y" window_data_param { source: "windows.txt" batch_size: 6 '
               "fg_fraction: 0.5 } transform_param { crop_size: 5 mirror: true }",
    "lmdb": 'type: "Data" top: "x" top: "y" data_param { source: "lmdb" batch_size: 6 backend: LMDB } '
            "transform_param { crop_size: 5 mirror: true }"}


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name, rows in (("a", ROWS), ("b", 4)):
        with h5py.File(f"{name}.h5", "w") as file:
            file["x"], file["y"] = rng.normal(size=(rows, 3)), np.arange(rows) + rows
            file["window"] = rng.integers(0, 256, (rows, 1, 9, 9), dtype=np.uint8)
            file["extent"] = np.tile(np.float32([-1, -1, 1, 1]), (rows, 1))
            file["landmark"], file["start"] = rng.normal(size=(rows, 4)), 0.1 * rng.normal(size=(rows, 2))
    (tmp_path / "list.txt").write_text("a.h5\nb.h5\n")
    pictures = rng.integers(0, 256, (9, 8, 8, 3), dtype=np.uint8)
    for number, picture in enumerate(pictures):
        cv2.imwrite(f"{number}.png", picture)
    (tmp_path / "pictures.txt").write_text("".join(f"{number}.png {number}\n" for number in range(9)))
    (tmp_path / "pairs.txt").write_text("".join(f"{number}.png {8 - number}.png\n" for number in range(9)))
    (tmp_path / "windows.txt").write_text("".join(
        f"# {number}\n{number}.png\n3\n8\n8\n2\n{number + 1} 0.9 0 0 6 6\n0 0.1 2 1 7 7\n" for number in range(9)))
    import lmdb
    with lmdb.open("lmdb", map_size=1 << 24) as database, database.begin(write=True) as transaction:
        for number, picture in enumerate(pictures):
            datum = caffe.proto.caffe_pb2.Datum(channels=3, height=8, width=8, label=number,
                                                data=picture.transpose(2, 0, 1).tobytes())
            transaction.put(f"{number:03d}".encode(), datum.SerializeToString())


def batches(layer, share, monkeypatch, phase=caffe.TRAIN):
    for name, value in zip(("solver_rank", "solver_count", "batch_divided"), (share.rank, share.count, share.divided)):
        monkeypatch.setattr(MODE, name, value)
    net = caffe.Net(f'layer {{ name: "data" {layer} }}', phase, seed=3)
    found = []
    for _ in range(BATCHES):
        values = net.forward()
        found.append([values["x"].copy(), values["y"].copy()])
    return found


@pytest.mark.parametrize("count", [2, 3, 4, 6])
@pytest.mark.parametrize("kind", LAYERS)
def test_ranks_see_together_what_one_process_sees(files, monkeypatch, kind, count):
    alone = batches(LAYERS[kind], Share(), monkeypatch)
    shares = [batches(LAYERS[kind], Share(rank, count, divided=True), monkeypatch) for rank in range(count)]
    for number, whole in enumerate(alone):
        for top, expected in enumerate(whole):
            for rank in range(count):
                np.testing.assert_allclose(shares[rank][number][top], expected[rank::count], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", LAYERS)
def test_a_batch_for_each_rank_is_a_larger_batch_of_all(files, monkeypatch, kind):
    """As with Caffe's --gpu 0,1: row i is that of rank i % 2 (data_layer.cpp, Skip)."""
    alone = batches(LAYERS[kind].replace("batch_size: 6", "batch_size: 12"), Share(), monkeypatch)
    for rank in range(2):
        for found, expected in zip(batches(LAYERS[kind], Share(rank, 2), monkeypatch), alone):
            for top, whole in zip(found, expected):
                np.testing.assert_allclose(top, whole[rank::2], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("block", [40, 90, 1000])
@pytest.mark.parametrize("kind", ["HDF5Data", "shuffled"])
def test_large_files_are_read_a_share_at_a_time(files, monkeypatch, kind, block):
    expected = [batches(LAYERS[kind], Share(rank, 3, divided=True), monkeypatch) for rank in range(3)]
    monkeypatch.setattr(hdf5_rows, "BLOCK_BYTES", block)          # of 32 bytes a row
    monkeypatch.setattr(hdf5_rows, "HELD_BYTES", 0)
    for rank in range(3):
        found = batches(LAYERS[kind], Share(rank, 3, divided=True), monkeypatch)
        np.testing.assert_array_equal(np.concatenate([x for x, _ in found]),
                                      np.concatenate([x for x, _ in expected[rank]]))


def test_a_test_net_sees_all_rows(files, monkeypatch):
    alone = batches(LAYERS["shuffled"], Share(), monkeypatch, caffe.TEST)
    for found, expected in zip(batches(LAYERS["shuffled"], Share(1, 3), monkeypatch, caffe.TEST), alone):
        np.testing.assert_array_equal(found[0], expected[0])


def test_more_ranks_than_rows_are_refused(files, monkeypatch):
    with pytest.raises(caffe.NetError, match="batch_size 6 cannot be divided among 7 ranks"):
        batches(LAYERS["HDF5Data"], Share(6, 7, divided=True), monkeypatch)
    with pytest.raises(caffe.CaffeError, match="rank 2 of 2"):
        Share(2, 2)


def test_each_rank_draws_its_own_masks_and_the_order_of_data_does_not_depend_on_them(files, monkeypatch):
    dropout = (f'layer {{ name: "data" {LAYERS["shuffled"]} }} '
               'layer { name: "d" type: "Dropout" bottom: "x" top: "d" }')
    seen, masks = [], []
    for rank in range(2):
        monkeypatch.setattr(MODE, "solver_count", 2)
        monkeypatch.setattr(MODE, "solver_rank", rank)
        net = caffe.Net(dropout, caffe.TRAIN, seed=3)
        values = [{name: array.copy() for name, array in net.forward(blobs=["x"]).items()} for _ in range(BATCHES)]
        seen.append(np.stack([value["x"] for value in values]))
        masks.append(np.stack([value["d"] == 0 for value in values]))
    assert not (masks[0] == masks[1]).all() and 0.3 < masks[0].mean() < 0.7
    monkeypatch.setattr(MODE, "solver_rank", 0)
    without = batches(LAYERS["shuffled"], Share(0, 2), monkeypatch)
    np.testing.assert_array_equal(seen[0], np.stack([x for x, _ in without]))
