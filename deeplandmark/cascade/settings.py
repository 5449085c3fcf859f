"""What a cascade's model folder says of its networks besides their weights: `cascade.json`."""
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

from deeplandmark.cascade.confidence.confidence import read_weights
from deeplandmark.cascade.families import ORIGINAL, PAPER
from deeplandmark.cascade.networks import networks
from deeplandmark.networks.settings import ModelSettings


@dataclass(frozen=True)
class CascadeSettings(ModelSettings):
    """Those of a cascade.

    Attributes
    ----------
    points, networks, cutting, encoding, normalisation
        See ModelSettings.
    confidence : tuple of Weights or None
        Item i for a cascade that ends after level i + 1; None until `deeplandmark calibrate` has fitted them.
    level_1_share : float
        Of the points of a whole cascade (see level_1_share.py); 0 until `deeplandmark calibrate` has fitted it.
    """
    FILE_NAME: ClassVar[str] = "cascade.json"
    SYSTEM: ClassVar[str] = "cascade"
    FITTED: ClassVar[tuple] = ("confidence", "level_1_share")

    networks: tuple = networks()
    confidence: tuple = None
    level_1_share: float = 0.0

    def __post_init__(self):
        if self.channels != 1:
            raise ValueError("the networks of a cascade see grey pictures; a system that sees colours is the regressor")

    @classmethod
    def load(cls, folder):
        """The settings of a model folder; one without cascade.json is one of the original's.

        Raises
        ------
        ValueError
            If the file is damaged or of a newer format.
        """
        path = Path(folder, cls.FILE_NAME)
        return cls.from_json(path.read_bytes(), path) if path.exists() else ORIGINAL_SETTINGS

    def _fitted_to_json(self):
        fitted = {"level_1_share": self.level_1_share}
        if self.confidence is None:
            return fitted
        return {"confidence": [asdict(weights) for weights in self.confidence], **fitted}

    @classmethod
    def _fitted_from_json(cls, values, points):
        return {"confidence": read_weights(values.get("confidence"), points),
                "level_1_share": _share(values.get("level_1_share", 0.0))}


def _share(value):
    if not 0 <= value < 1:
        raise ValueError(f"level_1_share {value} is not in 0 .. 1")
    return float(value)


PAPER_SETTINGS, ORIGINAL_SETTINGS = CascadeSettings.of(PAPER), CascadeSettings.of(ORIGINAL)
