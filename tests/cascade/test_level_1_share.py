"""How the points of a whole cascade keep a share of level 1, against least squares by NumPy."""
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deeplandmark.cascade.level_1_share import fit_share, with_level_1_share, without_level_1_share
from deeplandmark.cascade.settings import CascadeSettings


def points(seed, *shape):
    return np.random.default_rng(seed).normal(100, 5, shape)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2 ** 32 - 1), st.floats(0, 0.9))
def test_blending_can_be_undone_and_moves_the_last_level_alone(seed, share):
    levels = points(seed, 4, 3, 5, 2)
    mixed = with_level_1_share(levels, share)
    assert (mixed[:, :2] == levels[:, :2]).all()
    np.testing.assert_allclose(mixed[:, 2], (1 - share) * levels[:, 2] + share * levels[:, 0])
    np.testing.assert_allclose(without_level_1_share(mixed, share), levels)


def test_fewer_levels_are_left_alone():
    levels = points(0, 4, 2, 5, 2)
    assert with_level_1_share(levels, 0.3) is levels and fit_share(levels, levels[:, 1], np.ones(4)) == 0


def test_the_share_is_that_of_least_squares_in_box_widths():
    rng, width = np.random.default_rng(1), np.array([50.0, 100, 200, 400])
    levels = points(1, 4, 3, 5, 2)
    truth = 0.8 * levels[:, 2] + 0.2 * levels[:, 0] + rng.normal(0, 0.01, (4, 5, 2)) * width[:, None, None]
    back = ((levels[:, 0] - levels[:, 2]) / width[:, None, None]).ravel()
    wanted = ((truth - levels[:, 2]) / width[:, None, None]).ravel()
    assert fit_share(levels, truth, width) == pytest.approx(np.linalg.lstsq(back[:, None], wanted, rcond=None)[0][0])
    assert fit_share(levels, levels[:, 2], width) == 0 and fit_share(levels, levels[:, 0], width) == 0.5
    assert fit_share(levels, levels[:, 2] + 0.2 * (levels[:, 2] - levels[:, 0]), width) == 0      # it never overshoots


def test_it_is_kept_in_the_settings(tmp_path):
    CascadeSettings(level_1_share=0.125).save(tmp_path)
    assert CascadeSettings.load(tmp_path).level_1_share == 0.125
    text = (tmp_path / "cascade.json").read_text()
    (tmp_path / "cascade.json").write_text(text.replace("0.125", "1.5"))
    with pytest.raises(ValueError, match="level_1_share 1.5"):
        CascadeSettings.load(tmp_path)
