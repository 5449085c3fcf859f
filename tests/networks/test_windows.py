"""Windows, frames and encodings: there and back; samples show what they say."""
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deeplandmark.cascade.networks import networks
from deeplandmark.cascade.settings import ORIGINAL_SETTINGS, PAPER_SETTINGS, CascadeSettings
from deeplandmark.faces.augment import NO_AUGMENTATION, Augmentation, Face, posed
from deeplandmark.faces.box import project, reproject
from deeplandmark.faces.points import FIVE_POINTS
from deeplandmark.networks.family import Encoding
from deeplandmark.networks.windows import frames_of
from deeplandmark.training.samples import sample, start_points
from deeplandmark.training.show_samples import points_in_patch

BY_NAME = {network.full_name: network for network in networks()}
BOX = np.array([100.0, 50.0, 300.0, 260.0])
POINTS = np.array([[150.0, 100], [250, 102], [200, 150], [160, 200], [240, 203]])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-50, 500), min_size=10, max_size=10), st.floats(1, 300), st.floats(0.1, 3), st.floats(0, 1))
def test_pixels_to_targets_and_back(numbers, size, scale, centre):
    frame, points = np.array([7.0, -3.0, 7.0 + size, -3.0 + 2 * size]), np.reshape(numbers, (5, 2))
    encoding = Encoding(centre, scale)
    back = reproject(frame[None], encoding.decode(encoding.encode(project(frame[None], points))))[0]
    assert np.allclose(back, points, atol=1e-6)


def test_the_frame_is_the_box_at_level_1_and_the_patch_after_it():
    window = np.zeros(4)
    assert frames_of(BY_NAME["1_EN"], BOX, window) is BOX
    assert frames_of(BY_NAME["2_N1"], BOX, window) is window


def test_settings_survive_the_model_folder(tmp_path):
    for expected in (PAPER_SETTINGS, ORIGINAL_SETTINGS):
        expected.save(tmp_path)
        assert CascadeSettings.load(tmp_path) == expected
    (tmp_path / "cascade.json").unlink()
    assert CascadeSettings.load(tmp_path) == ORIGINAL_SETTINGS   # a folder without it is one of the original's
    (tmp_path / "cascade.json").write_text('{"format": 99}')
    with pytest.raises(ValueError, match="format 99"):
        CascadeSettings.load(tmp_path)


def marked_face():
    """A picture that is black but for a bright spot at each point."""
    image = np.zeros((300, 400), np.uint8)
    for x, y in POINTS.astype(int):
        image[y - 3:y + 4, x - 3:x + 4] = 255
    return Face(image, BOX, POINTS)


def brightest(patch):
    """Weighted middle of what is brighter than half, patch pixels x, y."""
    rows, columns = np.nonzero(patch > (patch.max() + patch.min()) / 2)
    return np.array([columns.mean(), rows.mean()])


@pytest.mark.parametrize("settings", [PAPER_SETTINGS, ORIGINAL_SETTINGS], ids=["area", "truncate"])
@pytest.mark.parametrize("mirrored", [False, True])
def test_targets_lie_on_the_features(settings, mirrored):
    """Under any pose, mirrored or not, the target of a patch is where the spot is seen."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        augmentation = Augmentation(angle=20, scale=0.1, shift=0.05)
        face = posed(marked_face(), augmentation, mirrored, FIVE_POINTS, rng)
        for level in (2, 3):
            shift = {2: 0.05, 3: 0.02}[level]
            nets = settings.of_level(level)
            for network, seen in zip(nets, sample(face, nets, settings, start_points(face, level, shift, rng))):
                in_patch = settings.encoding.decode(seen["landmark"].reshape(-1, 2))
                expected = points_in_patch(network, in_patch)[0]
                assert np.abs(brightest(seen["data"][0]) - expected).max() < 0.75, (seed, network.full_name)


def test_mirroring_swaps_left_and_right():
    face = posed(marked_face(), NO_AUGMENTATION, True, FIVE_POINTS, np.random.default_rng(0))
    assert face.points_px[0, 0] < face.points_px[1, 0] and face.points_px[3, 0] < face.points_px[4, 0]
    assert face.points_px[0] == pytest.approx([399 - 250, 102])   # the left eye is the former right one
    assert face.box == pytest.approx([99, 50, 299, 260])


def test_shifts_stay_within_their_bound():
    rng = np.random.default_rng(5)
    face = marked_face()
    starts = np.array([start_points(face, 2, 0.05, rng) for _ in range(200)]) - POINTS
    drawn = starts.reshape(-1, 2) / [200, 210]
    assert (drawn.max(0) > 0.045).all() and (drawn.min(0) < -0.045).all() and np.abs(drawn).max() <= 0.05
    assert np.abs(drawn.mean(0)).max() < 0.005 and abs(np.corrcoef(drawn.T)[0, 1]) < 0.1
    assert np.array_equal(start_points(face, 1, 0.05, rng), POINTS)
