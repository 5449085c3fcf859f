"""What a detector's training is made of: a system is a row that says its stages."""
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Stage:
    """One step of the training, which goes on where it was, and returns at once when it is done.

    Attributes
    ----------
    name : str
        As it is called on the command line.
    minutes : float
        About what it takes on one core, to share the time among the stages.
    function : callable ([what,] Job) -> str
        Does it, and says what there is now.
    what : object, optional
        What of the system it is about, such as one of its networks.
    """
    name: str
    minutes: float
    function: Callable[..., str]
    what: Any = None

    def run(self, job):
        """Does it for a Job; a line for people."""
        return self.function(*(() if self.what is None else (self.what,)), job)


@dataclass(frozen=True)
class DetectorSystem:
    """A detector that is trained here.

    Attributes
    ----------
    name : str
        Of `--system NAME`, and of the folder of its templates.
    description : str
    stages : tuple of Stage
        In their order.
    """
    name: str
    description: str
    stages: tuple

    def stage(self, name):
        """The Stage of a name. Raises ValueError for another."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise ValueError(f"{self.name} has no stage {name} (known: {', '.join(each.name for each in self.stages)})")
