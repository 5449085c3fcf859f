"""What a regressor's model folder says of its network besides the weights: `model.json`."""
from dataclasses import dataclass
from typing import ClassVar

from deeplandmark.networks.settings import ModelSettings


@dataclass(frozen=True)
class RegressorSettings(ModelSettings):
    """Those of a regressor.

    Attributes
    ----------
    points, networks, cutting, encoding, normalisation
        See ModelSettings; there is one network.
    confidence : tuple of k float or None
        The share of each point within 5 % of the box width on faces the network was not trained on, which is all that
        is known of a point's chances before the face is seen; None until `deeplandmark calibrate` has counted.
    """
    SYSTEM: ClassVar[str] = "regressor"
    FITTED: ClassVar[tuple] = ("confidence",)

    confidence: tuple = None

    @property
    def network(self):
        return self.networks[0]

    def _fitted_to_json(self):
        return {} if self.confidence is None else {"confidence": list(self.confidence)}

    @classmethod
    def _fitted_from_json(cls, values, points):
        confidence = values.get("confidence")
        if confidence is None:
            return {}
        if len(confidence) != points or not all(0 <= share <= 1 for share in confidence):
            raise ValueError(f"confidence: expected {points} numbers in 0 .. 1")
        return {"confidence": tuple(map(float, confidence))}
