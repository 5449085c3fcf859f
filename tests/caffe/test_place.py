"""A training that goes on from a snapshot with its place in the data ends as one that was never stopped."""
import h5py
import numpy as np
import pytest
from google.protobuf import text_format

from deeplandmark.caffe.errors import FileFormatError
from deeplandmark.caffe.proto import caffe_pb2
from deeplandmark.caffe.solvers import get_solver
from deeplandmark.caffe.solvers.place import go_to_place, place_path

NET = """
layer {{ name: "data" type: "{type}" top: "data" top: "label" include {{ phase: TRAIN }} {settings} {{
    source: "train.txt" batch_size: 4 shuffle: true {more} }} }}
layer {{ name: "data" type: "HDF5Data" top: "data" top: "label" include {{ phase: TEST }} hdf5_data_param {{
    source: "test.txt" batch_size: 5 }} }}
layer {{ name: "drop" type: "Dropout" bottom: "data" top: "drop" }}
layer {{ name: "ip" type: "InnerProduct" bottom: "drop" top: "ip"
        inner_product_param {{ num_output: 2 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "loss" type: "EuclideanLoss" bottom: "ip" bottom: "label" top: "loss" }}
"""
ROWS = {"type": "HDF5Data", "settings": "hdf5_data_param", "more": ""}
PATCHES = {"type": "HDF5PatchData", "settings": "hdf5_patch_data_param",
           "more": "rows: 5 columns: 5 left: -1 top: -1 right: 1 bottom: 1 rotation: 20 shift: 0.2 noise: 3"}
MAX_ITER = 14


@pytest.fixture(params=[ROWS, PATCHES], ids=["rows", "patches"])
def workplace(tmp_path, monkeypatch, request):
    """Files of 7 and 9 rows: rounds and files end within batches."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    for name, count in (("a", 7), ("b", 9), ("t", 8)):
        with h5py.File(f"{name}.h5", "w") as file:
            file["data"], file["label"] = rng.random((count, 1, 5, 5), np.float32), rng.random((count, 2), np.float32)
            file["window"] = rng.integers(0, 256, (count, 1, 12, 12), np.uint8)
            file["extent"], file["landmark"] = np.tile(np.float32([-2, -2, 2, 2]), (count, 1)), file["label"][:]
    (tmp_path / "train.txt").write_text("a.h5\nb.h5\n")
    (tmp_path / "test.txt").write_text("t.h5\n")
    (tmp_path / "net.prototxt").write_text(NET.format(**request.param))
    return tmp_path


def solver(prefix, seed=3, keeps_place=True):
    param = text_format.Parse(f'net: "net.prototxt" base_lr: 0.05 lr_policy: "fixed" max_iter: {MAX_ITER} '
                              f'momentum: 0.9 snapshot: 3 test_iter: 1 test_interval: 4 test_initialization: false '
                              f'snapshot_prefix: "{prefix}" random_seed: {seed}', caffe_pb2.SolverParameter())
    found = get_solver(param)
    found.keeps_place = keeps_place
    return found


def weights(found):
    return [blob.data.copy() for blobs in found.net.params.values() for blob in blobs]


@pytest.mark.parametrize("stopped", [3, 6, 9, 12])
def test_going_on_is_as_never_stopped(workplace, stopped):
    whole = solver("whole")
    whole.solve()
    again = solver("again", seed=99)                             # its own numbers do not count
    again.solve(f"whole_iter_{stopped}.solverstate")
    for found, expected in zip(weights(again), weights(whole)):
        np.testing.assert_array_equal(found, expected)
    again.test_all(), whole.test_all()
    np.testing.assert_array_equal(again.test_nets[0].blobs["data"].data, whole.test_nets[0].blobs["data"].data)
    for one, other in zip(np.load("again_iter_14.place.npz").items(), np.load("whole_iter_14.place.npz").items()):
        assert one[0] == other[0] and np.array_equal(one[1], other[1])


def test_without_its_place_it_goes_on_as_caffe_does(workplace):
    whole = solver("whole", keeps_place=False)
    whole.solve()
    assert not list(workplace.glob("*.npz"))
    again = solver("again", seed=99)
    again.solve("whole_iter_6.solverstate")
    assert again.iter == MAX_ITER and any((a != b).any() for a, b in zip(weights(again), weights(whole)))


def test_a_damaged_place_is_named(workplace):
    whole = solver("whole")
    whole.solve()
    path, rng = workplace / place_path("whole_iter_6.solverstate"), np.random.default_rng(5)
    data, refused = path.read_bytes(), 0
    for _ in range(60):
        damaged = bytearray(data)
        damaged[rng.integers(len(data))] ^= 1 << rng.integers(8)
        path.write_bytes(damaged[:rng.integers(len(data))] if rng.random() < 0.3 else damaged)
        try:
            go_to_place(str(path), [whole.net, *whole.test_nets])
        except FileFormatError as error:
            assert "place.npz: does not say where" in str(error)
            refused += 1
    assert refused > 40
