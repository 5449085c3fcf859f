"""The families' rows: what the paper and the Caffe project say, number by number."""
import numpy as np
import pytest

from deeplandmark.cascade.families import ORIGINAL, PAPER, WIDE
from deeplandmark.faces.augment import NO_AUGMENTATION, Augmentation


def test_the_originals_row():
    """Its data scripts: patches move by 5 % at level 2 and by 1 % at level 3, level 1 turns by 5 degrees and mirrors;
    targets are fractions of the window as they are, windows have whole pixels."""
    assert ORIGINAL.shift == {2: 0.05, 3: 0.01} and ORIGINAL.cutting == "truncate" and ORIGINAL.frozen
    assert ORIGINAL.augmentation == {1: Augmentation(5.0, 0.0, 0.0, True), 2: NO_AUGMENTATION, 3: NO_AUGMENTATION}
    targets = np.array([[0.25, 0.5], [0.0, 1.0]])
    assert ORIGINAL.encoding.encode(targets) == pytest.approx(targets)
    assert not ORIGINAL.is_exportable


@pytest.mark.parametrize("family", [PAPER, WIDE])
def test_our_rows(family):
    """Training patches move as far as the level before may err (paper, Sec. 4); only level 1 sees other boxes."""
    assert family.shift == {2: 0.05, 3: 0.02} and family.cutting == "area" and not family.frozen
    assert family.augmentation[1].shift > 0 and family.augmentation[1].mirror
    assert family.augmentation[2] == family.augmentation[3] and family.augmentation[2].shift == 0
    assert family.is_exportable
