"""HDF5PatchData: patches show what their landmarks say, under every pose that it draws."""
import h5py
import numpy as np
import pytest

import deeplandmark.caffe as caffe
from deeplandmark.caffe.errors import NetError

EXTENT = (-1.6, -1.6, 1.6, 1.6)


def blob(x, y, size=64, width=0.12):
    """A window (1, size, size) over EXTENT with a bright round blob at (x, y)."""
    axis = (np.arange(size) + 0.5) / size * 3.2 - 1.6
    distance = (axis[None] - x) ** 2 + (axis[:, None] - y) ** 2
    return np.rint(255 * np.exp(-distance / (2 * width ** 2))).astype(np.uint8)[None]


def write(folder, count=40, seed=0, **others):
    rng = np.random.default_rng(seed)
    landmark = rng.uniform(-0.2, 0.2, (count, 2)).astype(np.float32)
    values = {"window": np.stack([blob(*point) for point in landmark]), "landmark": landmark,
              "extent": np.tile(np.float32(EXTENT), (count, 1)), **others}
    with h5py.File(folder / "a.h5", "w") as file:
        for name, array in values.items():
            file[name] = array
    (folder / "list.txt").write_text(str(folder / "a.h5"))
    return landmark


def net(folder, extra="", seed=0, size="rows: 20 columns: 30", batch=40):
    return caffe.Net(f"""layer {{ name: "d" type: "HDF5PatchData" top: "data" top: "landmark" hdf5_patch_data_param {{
        source: "{folder / 'list.txt'}" batch_size: {batch} {size} {extra} }} }}""", caffe.TRAIN, seed=seed)


def centres(patches):
    """Where the blob of each patch is, in the units of its rectangle -1 .. 1: the middle of what is bright."""
    bright = np.clip(patches[:, 0] - (patches[:, 0].max((1, 2), keepdims=True) * 0.3), 0, None)
    rows, columns = patches.shape[2:]
    x, y = ((np.arange(n) + 0.5) / n * 2 - 1 for n in (columns, rows))
    total = bright.sum((1, 2))
    return np.stack([(bright * x).sum((1, 2)) / total, (bright * y[:, None]).sum((1, 2)) / total], 1)


@pytest.mark.parametrize("extra", ["", "shift: 0.3", "rotation: 40", "scale: 0.3", "rotation: 30 scale: 0.2 shift: 0.3",
                                   "rotation: 30 shift: 0.2 light: 0.1 blur: 0.5"])
def test_the_landmark_is_where_the_picture_shows_it(tmp_path, extra):
    stored = write(tmp_path)
    top = net(tmp_path, extra).forward()
    assert np.abs(centres(top["data"]) - top["landmark"]).max() < 0.012        # a fifth of a pixel
    assert np.allclose(top["landmark"], stored, atol=1e-6) == (extra == "")
    assert np.allclose(top["data"].mean((1, 2, 3)), 0, atol=1e-5)
    assert np.allclose(top["data"].std((1, 2, 3)), 1, atol=1e-4)


def test_a_patch_of_another_rectangle(tmp_path):
    stored = write(tmp_path)
    top = net(tmp_path, "left: -1.2 right: 0.8 top: -0.5 bottom: 1", size="rows: 30 columns: 40").forward()
    in_units = centres(top["data"]) * (1, 0.75) + (-0.2, 0.25)
    assert np.abs(in_units - stored).max() < 0.012


def test_start_is_the_middle_of_its_share(tmp_path):
    start = np.random.default_rng(1).uniform(-0.3, 0.3, (40, 2)).astype(np.float32)
    stored = write(tmp_path, start=start)
    assert np.allclose(net(tmp_path, "start_share: 1").forward()["landmark"], stored - start, atol=1e-6)
    half = net(tmp_path, "start_share: 0.5", batch=400).forward()["landmark"]
    moved = np.abs(half - np.tile(stored, (10, 1))).max(1) > 1e-5
    assert 150 < moved.sum() < 250
    assert np.array_equal(half, net(tmp_path, "start_share: 0.5", batch=400).forward()["landmark"])


def test_poses_fill_their_range_and_are_drawn_anew(tmp_path):
    stored = write(tmp_path)
    moving = net(tmp_path, "shift: 0.25", batch=400)
    shift = np.tile(stored, (10, 1)) - moving.forward()["landmark"]
    assert 0.23 < np.abs(shift).max() <= 0.25 and np.abs(shift.mean(0)).max() < 0.04
    assert not np.allclose(shift[:40], np.tile(stored, (10, 1))[:40] - moving.forward()["landmark"][:40])


def test_every_pose_is_drawn_by_itself(tmp_path):
    """Seen in where the landmark moves to: a point far from the middle tells angle and factor, two points the shift."""
    landmark = np.tile(np.float32([0.8, 0.1, -0.7, 0.2]), (40, 1))
    write(tmp_path, landmark=landmark)
    found = net(tmp_path, "shift: 0.25 rotation: 30 scale: 0.5", batch=2000).forward()["landmark"] @ np.kron(
        np.eye(2), [[1], [1j]])
    across = (found[:, 0] - found[:, 1]) / (1.5 - 0.1j)          # a line seen in the patch's axes
    middle = (0.8 + 0.1j) - found[:, 0] / across
    drawn = np.column_stack([middle.real / 0.25, middle.imag / 0.25, np.degrees(np.angle(across)) / 30,
                             np.log(np.abs(across)) / 0.5])
    assert (np.abs(drawn) < 1 + 1e-4).all() and (drawn.max(0) > 0.97).all() and (drawn.min(0) < -0.97).all()
    assert np.abs(drawn.mean(0)).max() < 0.06 and np.abs(np.corrcoef(drawn.T) - np.eye(4)).max() < 0.1
    assert drawn.std(0) == pytest.approx([3 ** -0.5] * 4, abs=0.03)                       # evenly over -1 .. 1


def test_a_share_of_the_poses_is_hard(tmp_path):
    """Two points tell shift, angle and factor; all three of a hard patch reach `hard` times as far, and only its."""
    write(tmp_path, landmark=np.tile(np.float32([0.8, 0.1, -0.7, 0.2]), (40, 1)))
    settings = "shift: 0.1 rotation: 15 scale: 0.13 hard_share: 0.3 hard: 3"
    found = net(tmp_path, settings, batch=4000).forward()["landmark"] @ np.kron(np.eye(2), [[1], [1j]])
    across = (found[:, 0] - found[:, 1]) / (1.5 - 0.1j)
    middle = (0.8 + 0.1j) - found[:, 0] / across
    drawn = np.abs(np.column_stack([middle.real / 0.1, middle.imag / 0.1, np.degrees(np.angle(across)) / 15,
                                    np.log(np.abs(across)) / 0.13]))
    assert (drawn < 3 + 1e-3).all() and (drawn.max(0) > 2.9).all()
    beyond = drawn > 1 + 1e-3
    assert beyond.mean(0) == pytest.approx([0.3 * 2 / 3] * 4, abs=0.03)
    hard = beyond.any(1)
    assert hard.mean() == pytest.approx(0.3 * (1 - 3 ** -4), abs=0.03)                    # four chances to show it
    assert drawn[hard].mean(0) == pytest.approx([1.5] * 4, abs=0.1)
    with pytest.raises(NetError, match="hard_share lie in 0 .. 1"):
        net(tmp_path, "hard_share: 1.5")


def test_blur_is_a_share_of_the_mean_of_nine(tmp_path):
    write(tmp_path, window=np.random.default_rng(2).integers(0, 256, (40, 1, 64, 64), np.uint8))
    plain, blurred = (net(tmp_path, f"mean: 0 deviation: 1 {extra}", batch=400).forward()["data"].astype(np.float64)
                      for extra in ("", "blur: 0.8"))
    padded = np.pad(plain, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    smooth = sum(padded[..., i:i + 20, j:j + 30] for i in range(3) for j in range(3)) / 9
    change = smooth - plain
    share = ((blurred - plain) * change).sum((1, 2, 3)) / np.square(change).sum((1, 2, 3))
    np.testing.assert_allclose(blurred, plain + share[:, None, None, None] * change, atol=1e-3)
    assert 0 <= share.min() < 0.03 and 0.77 < share.max() <= 0.8 and share.mean() == pytest.approx(0.4, abs=0.05)


def test_the_zoom_is_tied_to_the_rotation(tmp_path):
    """Two points tell angle and factor of each patch: 0.7 of its size at the largest angle, all of it upright."""
    write(tmp_path, landmark=np.tile(np.float32([0.8, 0.1, -0.7, 0.2]), (40, 1)))
    found = net(tmp_path, "rotation: 45 zoom: 0.7", batch=2000).forward()["landmark"] @ np.kron(np.eye(2), [[1], [1j]])
    seen = (found[:, 0] - found[:, 1]) / (1.5 - 0.1j)
    angle = np.abs(np.degrees(np.angle(seen)))
    np.testing.assert_allclose(np.abs(seen), 1 - 0.3 * angle / 45, atol=1e-5)
    assert angle.max() > 44 and angle.min() < 1
    stored = write(tmp_path)
    top = net(tmp_path, "rotation: 40 zoom: 0.8 shift: 0.1").forward()
    assert np.abs(centres(top["data"]) - top["landmark"]).max() < 0.012 and len(stored) == 40


def test_noise_has_a_deviation_up_to_what_is_asked(tmp_path):
    write(tmp_path, window=np.full((40, 3, 8, 8), 100, np.uint8))
    found = net(tmp_path, "mean: 100 deviation: 1 noise: 12", batch=400).forward()["data"]
    deviations = found.std((1, 2, 3))
    assert np.abs(found.mean()) < 0.2 and deviations.max() == pytest.approx(12, rel=0.1)
    assert deviations.min() < 0.5 and deviations.mean() == pytest.approx(6, rel=0.1)
    channels = found.transpose(1, 0, 2, 3).reshape(3, -1)
    assert np.abs(np.corrcoef(channels) - np.eye(3)).max() < 0.02


def test_a_rectangle_of_one_colour_covers_part_of_a_share(tmp_path):
    write(tmp_path, window=np.full((40, 3, 8, 8), 300 - 200, np.uint8))
    found = net(tmp_path, "mean: 0 deviation: 1 occlusion: 0.6", batch=400).forward()["data"]
    covered = (found != 100).any(1)
    sides = np.stack([covered.any(axis).sum(1) for axis in (2, 1)], axis=1)
    assert (sides[:, 0] <= 10).all() and (sides[:, 1] <= 15).all() and sides.max(0).tolist() == [10, 15]
    assert (covered.sum((1, 2)) == sides.prod(1)).all()           # one rectangle
    assert 0.45 < covered.any((1, 2)).mean() < 0.62              # some are too narrow for a pixel
    for patch, mask in zip(found, covered):
        assert not mask.any() or (np.ptp(patch[:, mask], axis=1) == 0).all()
    assert covered.any(0).all()                                  # anywhere


def test_light_is_a_slope_in_both_directions(tmp_path):
    write(tmp_path, window=np.full((40, 1, 8, 8), 100, np.uint8))
    lit = net(tmp_path, "mean: 0 deviation: 100 light: 0.3", batch=400).forward()["data"].astype(np.float64) - 1
    y, x = np.meshgrid(np.linspace(-1, 1, 20), np.linspace(-1, 1, 30), indexing="ij")
    slopes, left = np.linalg.lstsq(np.column_stack([x.ravel(), y.ravel()]), lit.reshape(400, -1).T, rcond=None)[:2]
    assert left.max() < 1e-8 and np.abs(slopes).max() <= 0.3 + 1e-6
    assert (slopes.max(1) > 0.28).all() and (slopes.min(1) < -0.28).all()
    assert abs(np.corrcoef(slopes)[0, 1]) < 0.15


def test_beyond_the_window_its_border_is_repeated(tmp_path):
    write(tmp_path, window=np.full((40, 1, 8, 8), 7, np.uint8))
    assert not net(tmp_path, "shift: 2 rotation: 40 scale: 1").forward()["data"].any()


def test_the_channels_of_a_colour_window_move_together(tmp_path):
    """Blobs of three brightnesses at one place: each channel shows it there, under every pose; fixed numbers end it."""
    landmark = write(tmp_path)
    grey = np.stack([blob(*point) for point in landmark])
    write(tmp_path, window=np.concatenate([grey, grey // 2, grey // 3], axis=1))
    top = net(tmp_path, "rotation: 30 scale: 0.2 shift: 0.3 mean: 0 deviation: 255").forward()
    assert top["data"].shape == (40, 3, 20, 30) and 0 <= top["data"].min() and top["data"].max() <= 1
    for channel, share in enumerate((1, 1 / 2, 1 / 3)):
        assert np.abs(centres(top["data"][:, channel:channel + 1]) - top["landmark"]).max() < 0.015
        assert np.allclose(top["data"][:, channel], top["data"][:, 0] * share, atol=0.012)
    for wrong in ("mean: 127.5", "deviation: 128", "mean: 127.5 deviation: 0"):
        with pytest.raises(NetError, match="mean and deviation, above 0, belong together"):
            net(tmp_path, wrong)


def test_one_colour_becomes_zeros(tmp_path):
    write(tmp_path, window=np.full((40, 1, 8, 8), 7, np.uint8))
    assert not net(tmp_path).forward()["data"].any()


@pytest.mark.parametrize("extra, size, message", [
    ("", "rows: 0 columns: 3", "needs rows, columns"), ("left: 2", "rows: 3 columns: 3", "left < right"),
    ("blur: 2", "rows: 3 columns: 3", "lie in 0 .. 1"), ("zoom: 0", "rows: 3 columns: 3", "zoom above 0"),
    ("occlusion: 1.5", "rows: 3 columns: 3", "lie in 0 .. 1"), ("start_share: 0.5", "rows: 3 columns: 3", "start"),
    ("rotation: -1", "rows: 3 columns: 3", "must not be negative")])
def test_wrong_settings(tmp_path, extra, size, message):
    write(tmp_path)
    with pytest.raises(NetError, match=message):
        net(tmp_path, extra, size=size)


def test_wrong_files(tmp_path):
    write(tmp_path, window=np.zeros((40, 8, 8), np.uint8))
    with pytest.raises(NetError, match=r"window \(1 or 3, H, W\)"):
        net(tmp_path)
