"""Sets of facial points: their names, and what becomes of them in a mirrored picture."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Points:
    """The facial points a cascade predicts.

    Attributes
    ----------
    names : tuple of str
        As in network names: LE RE N LM RM (left = left in the picture).
    mirror : tuple of int
        mirror[i] is the point that point i becomes in the mirrored picture.
    """
    names: tuple
    mirror: tuple

    def __len__(self):
        return len(self.names)


FIVE_POINTS = Points(names=("LE", "RE", "N", "LM", "RM"), mirror=(1, 0, 2, 4, 3))
