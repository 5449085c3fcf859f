"""What a regressor's model folder says of its network besides the weights: `model.json`."""
from dataclasses import dataclass
from typing import ClassVar

from deeplandmark.faces.upright import patch_side
from deeplandmark.networks.looks import Manner
from deeplandmark.networks.settings import ModelSettings
from deeplandmark.regressor.confidence import Confidence


@dataclass(frozen=True)
class RegressorSettings(ModelSettings):
    """Those of a regressor.

    Attributes
    ----------
    points, networks, cutting, encoding, normalisation
        See ModelSettings; there is one network.
    confidence : Confidence or None
        None until `deeplandmark calibrate` has fitted it.
    """
    SYSTEM: ClassVar[str] = "regressor"
    FITTED: ClassVar[tuple] = ("confidence",)

    confidence: Confidence = None

    def __post_init__(self):
        if len(self.networks) != 1 or self.network.points != tuple(range(len(self.points))):
            raise ValueError(f"a regressor is one network of all {len(self.points)} points")

    @property
    def network(self):
        return self.networks[0]

    @property
    def manner(self):
        """How it looks again: see networks/looks.py."""
        x0, x1, y0, y1 = self.network.window
        fitted = self.confidence or Confidence((), ())
        return Manner(fitted.sure, fitted.lost, patch_side(max(-x0, x1 - 1, -y0, y1 - 1)))

    def _fitted_to_json(self):
        return {} if self.confidence is None else {"confidence": self.confidence.to_json()}

    @classmethod
    def _fitted_from_json(cls, values, points):
        confidence = values.get("confidence")
        if confidence is None:
            return {}
        return {"confidence": Confidence.from_json(confidence, points)}
