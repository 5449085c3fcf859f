"""One network as a row: what it sees and which points it predicts."""
from dataclasses import dataclass
from math import isfinite

PREDICTION = "fc2"      # the blob that holds the answer


@dataclass(frozen=True)
class Network:
    """One network: what it sees and which points it predicts.

    Attributes
    ----------
    level : int
        Networks of level 1 see a window of the face box; those of later levels a patch around one point, where the
        level before put it.
    name : str
        Of a cascade F, EN, NM at level 1, point name and 1 or 2 after that.
    structure : str
        The part of its template's name after the family's: of the paper's s0, s1 or s2 (Table 1).
    points : tuple of int
        Predicted points, positions in Points.names.
    size : (rows, columns) of the input.
    window : (x0, x1, y0, y1) or None
        Level 1: input window in fractions of the face box.
    half_side : float or None
        Levels 2 and 3: half the side of the patch, fraction of the box's width (in x) and height (in y).
    channels : int
        1 (grey) or 3 (blue, green, red).
    earlier : tuple of str
        Blobs with answers before the last, which learn as the last does: those of a network that is a whole cascade in
        itself, after each level, or of one that comes to its answer in steps.
    half_sides : tuple of float
        Of a whole cascade: half the side of its patches at each level but the first, fraction of the box.
    turns : int
        Trainings, one after another, each from the weights of the one before: a part of the network first, then
        another, then all. Its templates are told which, `turn`.
    """
    level: int
    name: str
    structure: str
    points: tuple
    size: tuple
    window: tuple = None
    half_side: float = None
    channels: int = 1
    earlier: tuple = ()
    half_sides: tuple = ()
    turns: int = 1

    @property
    def full_name(self):
        """As in file names: 1_F, 2_LE1."""
        return f"{self.level}_{self.name}"

    def turn_name(self, turn):
        """The same of one of its trainings, 1 ... turns; of the last, which makes the network, its own."""
        return self.full_name if turn == self.turns else f"{self.full_name}_turn{turn}"

    @property
    def num_output(self):
        return 2 * len(self.points)


def network_from_json(values, point_count):
    """A Network from what JSON holds of it, lists for tuples.

    Raises
    ------
    ValueError
        If the values are not those of a network of so many points.
    """
    if not isinstance(values, dict):
        raise ValueError(f"{values!r} is no network")
    lists = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    network = Network(**{name: lists[name] for name in _KEPT},
                      **{name: lists[name] for name in _KEPT_WHERE_SET if name in lists})
    rows, columns = network.size
    whole = (network.level, network.channels, *network.points, *network.size)
    if not (all(type(number) is int for number in whole) and network.level in (1, 2, 3) and min(rows, columns) >= 1
            and isinstance(network.name, str) and isinstance(network.structure, str) and _has_place(network)
            and network.channels in (1, 3) and network.points and set(network.points) <= set(range(point_count))
            and len(set(network.points)) == len(network.points)
            and _is_whole(network)):
        raise ValueError(f"{values} is no network of {point_count} points")
    return network


def _has_place(network):
    """Whether there is a window of some size at level 1, half a side after it, and not the other."""
    first = network.level == 1
    x0, x1, y0, y1 = network.window if first else (-network.half_side, network.half_side) * 2
    unused = network.half_side if first else network.window
    return unused is None and isfinite(x1 - x0) and isfinite(y1 - y0) and x0 < x1 and y0 < y1


def _is_whole(network):
    """Whether `earlier`, `half_sides` and `turns` are those of a network, most of which have none of them."""
    return (all(isinstance(blob, str) for blob in network.earlier)
            and len(network.half_sides) in (0, len(network.earlier))
            and all(side > 0 for side in network.half_sides) and not (network.earlier and network.level > 1)
            and type(network.turns) is int and network.turns >= 1)


def network_to_json(network):
    """The fields of a Network as a dict for JSON; those of _KEPT_WHERE_SET only where they are not the usual ones."""
    unusual = [name for name in _KEPT_WHERE_SET if getattr(network, name) != getattr(Network, name)]
    return {name: getattr(network, name) for name in (*_KEPT, *unusual)}


_KEPT = ("level", "name", "structure", "points", "size", "window", "half_side")
_KEPT_WHERE_SET = ("channels", "earlier", "half_sides", "turns")
