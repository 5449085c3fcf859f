"""What a model folder says of its networks besides their weights: a JSON file, one kind a system."""
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

from deeplandmark.faces.cutting import EACH_PATCH, RULES, Normalisation
from deeplandmark.faces.points import FIVE_POINTS, Points, known
from deeplandmark.networks.family import USUAL_ENCODING, Encoding
from deeplandmark.networks.network import network_from_json, network_to_json
from deeplandmark.work.json_text import parse_json
from deeplandmark.work.whole_file import write_text

FORMAT = 1


@dataclass(frozen=True)
class ModelSettings:
    """Windows, cutting rule, normalisation and target encoding that training and prediction must agree on.

    A system has a class of its own, with what it fits after the training; FILE_NAME is the file in its model folders.

    Attributes
    ----------
    points : Points
    networks : tuple of Network
    cutting : "area" or "truncate" (see faces/cutting.py)
    encoding : Encoding
    normalisation : Normalisation
    """
    FILE_NAME: ClassVar[str] = "model.json"
    SYSTEM: ClassVar[str] = ""      # which wrote it; said in a model.json, not in a file that only one system has
    FITTED: ClassVar[tuple] = ()    # names of attributes that are fitted after the training

    points: Points = FIVE_POINTS
    networks: tuple = ()
    cutting: str = "area"
    encoding: Encoding = USUAL_ENCODING
    normalisation: Normalisation = EACH_PATCH

    @classmethod
    def of(cls, family, points=FIVE_POINTS):
        """Those that a Family is trained with, for the usual five points or others."""
        return cls(points, tuple(family.networks(points)), family.cutting, family.encoding, family.normalisation)

    @property
    def channels(self):
        """1 where the networks see grey pictures, 3 for colours. Raises ValueError where they differ."""
        found = {network.channels for network in self.networks}
        if len(found) > 1:
            raise ValueError("networks of one model see either grey pictures or colours")
        return found.pop() if found else 1

    @property
    def levels(self):
        """The numbers of the levels that have networks, in their order."""
        return sorted({network.level for network in self.networks})

    def of_level(self, level):
        return [network for network in self.networks if network.level == level]

    def half_side(self, level):
        """Half the side of the largest patch of a level after the first, fraction of the box."""
        sides = [network.half_side for network in self.of_level(level)]
        sides += [network.half_sides[level - 2] for network in self.networks if network.half_sides]
        return max(sides)

    @classmethod
    def load(cls, folder):
        """The settings of a model folder. Raises ValueError if the file is missing, damaged or of a newer format."""
        path = Path(folder, cls.FILE_NAME)
        if not path.exists():
            raise ValueError(f"{folder}: no model folder, it has no {cls.FILE_NAME}")
        return cls.from_json(path.read_bytes(), path)

    @classmethod
    def is_in(cls, folder):
        """Whether a folder has the file."""
        return Path(folder, cls.FILE_NAME).is_file()

    def save(self, folder):
        """Writes the file into a model folder; it appears only when whole."""
        write_text(Path(folder, self.FILE_NAME), self.to_json() + "\n")

    def to_json(self):
        """The text of the file."""
        system = {"system": self.SYSTEM} if self.FILE_NAME == ModelSettings.FILE_NAME else {}
        values = {"format": FORMAT, **system, "normalisation": self.normalisation.to_json(),
                  "points": {"names": self.points.names, "mirror": self.points.mirror},
                  "networks": [network_to_json(network) for network in self.networks], "cutting": self.cutting,
                  "encoding": asdict(self.encoding), **self._fitted_to_json()}
        # Lists of numbers in one line each.
        return re.sub(r"\[[-+.\de\s,]*\]", lambda found: " ".join(found[0].split()), json.dumps(values, indent=1))

    @classmethod
    def from_json(cls, text, where):
        """The settings from what `to_json` wrote, str or bytes; `where` is named in errors.

        Raises
        ------
        ValueError
            If the text is damaged or of a newer format.
        """
        try:
            values = parse_json(text)
            if values["format"] != FORMAT:
                raise ValueError(f"format {values['format']}, this version reads {FORMAT}")
            if values.get("system", cls.SYSTEM) != cls.SYSTEM:
                raise ValueError(f"its system is {values['system']!r}")
            points = known(values["points"]["names"], values["points"]["mirror"])
            rows = tuple(network_from_json(network, len(points)) for network in values["networks"])
            normalisation = Normalisation.from_json(values.get("normalisation", EACH_PATCH.to_json()))
            encoding = Encoding(values["encoding"]["centre"], values["encoding"]["scale"])
            return cls(points, rows, _rule(values["cutting"]), encoding, normalisation,
                       **cls._fitted_from_json(values, len(points)))
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ValueError(f"{where}: not a {cls.SYSTEM}'s settings ({error})") from None

    def _fitted_to_json(self):
        return {}

    @classmethod
    def _fitted_from_json(cls, values, points):
        return {}


def patch_extent(network, encoding):
    """left, top, right, bottom of a network's input in the units of its target."""
    x0, x1, y0, y1 = network.window or (0, 1, 0, 1)
    return tuple(round(encoding.encode(edge), 6) for edge in (x0, y0, x1, y1))


def _rule(name):
    if name not in RULES:
        raise ValueError(f"cutting {name!r} is unknown (known: {', '.join(RULES)})")
    return name
