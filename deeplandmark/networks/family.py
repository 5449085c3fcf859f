"""A family of networks as one row: everything that training and prediction have to know of it beside its templates."""
from collections.abc import Callable
from dataclasses import dataclass, field
from math import isfinite

from deeplandmark.faces.cutting import EACH_PATCH, Normalisation


@dataclass(frozen=True)
class Encoding:
    """How a target is written for a network: (u - centre) * scale, u in 0..1 of the network's frame.

    The frame is the face box at level 1 and the patch at levels 2 and 3.
    """
    centre: float = 0.5
    scale: float = 2.0

    def __post_init__(self):
        if not (isfinite(self.centre) and isfinite(self.scale) and self.scale):
            raise ValueError(f"encoding: a centre of {self.centre} and a scale of {self.scale}")

    def encode(self, in_frame):
        return (in_frame - self.centre) * self.scale

    def decode(self, prediction):
        return prediction / self.scale + self.centre


USUAL_ENCODING = Encoding()     # -1..1 of the frame


@dataclass(frozen=True)
class Family:
    """One family of networks. To add one: this row, and its templates.

    Attributes
    ----------
    name : str
        What --variant calls it, and the beginning of its templates' names: NAME_STRUCTURE.prototxt.template for every
        structure of its networks and NAME_solver.prototxt.template, in the folder prototxt/SYSTEM/.
    system : str
        The system it belongs to: cascade, regressor ...
    networks : callable (Points) -> tuple of Network
        The rows of its networks for any set of points.
    text : str
        What it is, for people, in a line.
    cutting : "area" or "truncate"
        See faces/cutting.py. Only what is cut by "area" can be exported.
    encoding : Encoding
    normalisation : Normalisation
    variables : dict of level -> dict
        What its templates are given instead of their own defaults: rotation, scale, shift, light, blur, loss ...;
        --set goes before it.
    augmentation : dict of level -> Augmentation
        Of patches that are posed once, before the training (`prepare --frozen`).
    shift : dict of level -> float
        Largest shift of a training patch around its point, fraction of the box; every level after the first has one.
    frozen : bool
        Whether its patches are always posed before the training, and start from the shifted truth alone.
    taught : float
        Share of the published weights' own answers in the targets, where these have the same points (see
        training/teacher.py).
    calibrated : bool
        Whether `calibrate` fits a confidence to its models.
    minutes : dict of recipe -> {step: minutes}
        What the steps of ./bootstrap.sh take on two cores, where it is not what other families take.
    """
    name: str
    system: str
    networks: Callable
    text: str
    cutting: str = "area"
    encoding: Encoding = USUAL_ENCODING
    normalisation: Normalisation = EACH_PATCH
    variables: dict = field(default_factory=dict)
    augmentation: dict = field(default_factory=dict)
    shift: dict = field(default_factory=dict)
    frozen: bool = False
    taught: float = 0.0
    calibrated: bool = True
    minutes: dict = field(default_factory=dict)

    @property
    def onnx_file(self):
        """The name of the exported model in a model folder of its system."""
        return f"{self.system}.onnx"

    @property
    def is_exportable(self):
        """Whether a model of this family can be written as one ONNX graph."""
        return self.cutting == "area"
