"""What a model folder says of its networks besides their weights: `cascade.json`."""
import json
import re
from dataclasses import asdict, dataclass, fields, replace
from math import isfinite
from pathlib import Path

from deeplandmark.cascade.confidence.confidence import read_weights
from deeplandmark.cascade.networks import LEVEL_1, LEVELS, Network, networks
from deeplandmark.faces.cutting import RULES
from deeplandmark.faces.points import FIVE_POINTS, Points
from deeplandmark.work.whole_file import write_text

FILE_NAME = "cascade.json"
FORMAT = 1


@dataclass(frozen=True)
class Encoding:
    """How a target is written for a network: (u - centre) * scale, u in 0..1 of the network's frame.

    The frame is the face box at level 1 and the patch at levels 2 and 3.
    """
    centre: float = 0.5
    scale: float = 2.0

    def encode(self, in_frame):
        return (in_frame - self.centre) * self.scale

    def decode(self, prediction):
        return prediction / self.scale + self.centre


@dataclass(frozen=True)
class CascadeSettings:
    """Windows, cutting rule, normalisation and target encoding that training and prediction must agree on.

    Attributes
    ----------
    points : Points
    networks : tuple of Network
    cutting : "area" or "truncate" (see cutting.py)
    encoding : Encoding
    confidence : tuple of Weights or None
        Item i for a cascade that ends after level i + 1; None until `deeplandmark.calibrate` has fitted them.
    level_1_share : float
        Of the points of a whole cascade (see blend.py); 0 until `deeplandmark.calibrate` has fitted it.
    """
    points: Points = FIVE_POINTS
    networks: tuple = tuple(networks())
    cutting: str = "area"
    encoding: Encoding = Encoding()
    confidence: tuple = None
    level_1_share: float = 0.0

    def of_level(self, level):
        return [network for network in self.networks if network.level == level]

    def save(self, folder):
        """Writes cascade.json into a model folder; it appears only when whole."""
        write_text(Path(folder, FILE_NAME), self.to_json() + "\n")

    def to_json(self):
        """The text of cascade.json."""
        values = {"format": FORMAT, "normalisation": "each patch: (x - mean) / sqrt(variance + 0.0001)", **asdict(self)}
        if self.confidence is None:
            del values["confidence"]
        # Lists of numbers in one line each.
        return re.sub(r"\[[-+.\de\s,]*\]", lambda found: " ".join(found[0].split()), json.dumps(values, indent=1))

    @classmethod
    def load(cls, folder):
        """The settings of a model folder; one without cascade.json is one of the original's.

        Raises
        ------
        ValueError
            If the file is damaged or of a newer format.
        """
        path = Path(folder, FILE_NAME)
        return cls.from_json(path.read_bytes(), path) if path.exists() else ORIGINAL_SETTINGS

    @classmethod
    def from_json(cls, text, where):
        """The settings from what `to_json` wrote, str or bytes; `where` is named in errors."""
        try:
            values = json.loads(text)
            if values["format"] != FORMAT:
                raise ValueError(f"format {values['format']}, this version reads {FORMAT}")
            points = Points(tuple(values["points"]["names"]), tuple(values["points"]["mirror"]))
            return cls(points, tuple(_network(network, len(points)) for network in values["networks"]),
                       _rule(values["cutting"]), _encoding(**values["encoding"]),
                       read_weights(values.get("confidence"), len(points)), _share(values.get("level_1_share", 0.0)))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{where}: not a cascade's settings ({error})") from None


def patch_extent(network, settings):
    """left, top, right, bottom of a network's input in the units of its target."""
    x0, x1, y0, y1 = network.window or (0, 1, 0, 1)
    return tuple(round(settings.encoding.encode(edge), 6) for edge in (x0, y0, x1, y1))


def _rule(name):
    if name not in RULES:
        raise ValueError(f"cutting {name!r} is unknown (known: {', '.join(RULES)})")
    return name


def _encoding(centre, scale):
    if not (isfinite(centre) and isfinite(scale) and scale):
        raise ValueError(f"encoding: a centre of {centre} and a scale of {scale}")
    return Encoding(centre, scale)


def _share(value):
    if not 0 <= value < 1:
        raise ValueError(f"level_1_share {value} is not in 0 .. 1")
    return float(value)


def _network(values, point_count):
    if not isinstance(values, dict):
        raise ValueError(f"{values!r} is no network")
    lists = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    network = Network(**{field.name: lists[field.name] for field in fields(Network)})
    rows, columns = network.size
    x0, x1, y0, y1 = network.window if network.level == 1 else (-network.half_side, network.half_side) * 2
    if not (network.level in LEVELS and min(rows, columns) >= 1 and x0 < x1 and y0 < y1
            and network.points and set(network.points) <= set(range(point_count))):
        raise ValueError(f"{values} is no network of {point_count} points")
    return network


def _original_networks():
    """EN and NM are rows 0..30 and 8..38 of F's 39 rows; the rest is the paper's table."""
    x0, x1, y0, y1 = LEVEL_1[0].window
    row = (y1 - y0) / 39
    windows = {"F": (x0, x1, y0, y1), "EN": (x0, x1, y0, y0 + 31 * row), "NM": (x0, x1, y0 + 8 * row, y1)}
    return tuple(replace(network, window=windows[network.name]) if network.level == 1 else network
                 for network in networks())


ORIGINAL_SETTINGS = CascadeSettings(networks=_original_networks(), cutting="truncate", encoding=Encoding(0.0, 1.0))
PAPER_SETTINGS = CascadeSettings()
SETTINGS = {"paper": PAPER_SETTINGS, "wide": PAPER_SETTINGS, "original": ORIGINAL_SETTINGS}      # of each family


def settings_of(variant="paper", points=FIVE_POINTS):
    """The CascadeSettings that a family of templates is trained with, for the usual five points or others."""
    settings = SETTINGS[variant]
    return settings if points == FIVE_POINTS else replace(settings, points=points, networks=tuple(networks(points)))
