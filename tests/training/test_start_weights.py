"""The mean shape beside a network's samples: the mean of what is visible."""
import h5py
import numpy as np
import pytest

from deeplandmark.caffe import TEST, Net
from deeplandmark.training.start_weights import MEAN_SHAPE_FILE, write_mean_shape


def test_it_is_the_mean_of_visible_points_over_all_files(tmp_path):
    rows = np.array([[0.5, 1, np.nan, 2, np.nan, 4], [1.5, 3, 7, np.nan, np.nan, 6], [-0.5, 2, 1, 4, np.nan, 5]],
                    np.float32)
    for name, part in (("a.h5", rows[:2]), ("b.h5", rows[2:])):
        with h5py.File(tmp_path / name, "w") as file:
            file["landmark"] = part
    write_mean_shape(tmp_path, ["a.h5", "b.h5"])
    net = Net('layer { name: "mean_shape" type: "Parameter" top: "y" parameter_param { shape { dim: 1 dim: 6 } } }',
              TEST)
    net.copy_from(tmp_path / MEAN_SHAPE_FILE)
    assert net.forward()["y"].tolist() == [pytest.approx([0.5, 2, 4, 3, 0, 5])]


def test_there_is_none_without_faces(tmp_path):
    h5py.File(tmp_path / "a.h5", "w").close()
    write_mean_shape(tmp_path, ["a.h5"])
    assert not (tmp_path / MEAN_SHAPE_FILE).exists()
