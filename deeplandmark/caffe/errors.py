"""The errors of this package: one family, each naming the place, what was found and what was expected."""
from __future__ import annotations

import os


class CaffeError(ValueError):
    """Any refusal of this package, a ValueError; catch this one to turn it into a line for the user."""


class PrototxtError(CaffeError):
    """A text file that does not follow the schema (caffe.proto), as `FILE:LINE: reason`."""


class FileFormatError(CaffeError):
    """A weights, HDF5 or binaryproto file that cannot be read or does not fit the net."""


class SolverError(CaffeError):
    """A solver definition (SolverParameter) or state that cannot be used."""


class ForkFieldWarning(UserWarning):
    """Fields of a fork of Caffe that change no float32 result were left out of a definition; `strict` refuses them."""


class NotFiniteWarning(UserWarning):
    """Weights that hold NaN or infinity were taken as Caffe takes them; `strict` refuses them."""


class NetError(CaffeError):
    """A net that cannot be built or run.

    Parameters
    ----------
    reason : str
        What was found and what was expected.
    layer, blob : str, optional
        Names from the net.
    file, line : str and int, optional
        Where the layer is defined; often added later, by `at`, because a layer does not know its file.
    """

    def __init__(self, reason: str, layer: str | None = None, blob: str | None = None,
                 file: str | os.PathLike[str] | None = None, line: int | None = None) -> None:
        super().__init__(reason)
        self.reason, self.layer, self.blob, self.file, self.line = reason, layer, blob, file, line

    def at(self, file: str | os.PathLike[str] | None = None, line: int | None = None,
           layer: str | None = None) -> NetError:
        """The same NetError with the missing parts of its place filled in."""
        self.file = self.file or file
        self.line = self.line or line
        self.layer = self.layer if self.layer is not None else layer
        return self

    def __str__(self) -> str:
        parts = []
        if self.file:
            parts.append(f"{self.file}:{self.line}" if self.line else str(self.file))
        if self.layer is not None:
            parts.append(f"layer {self.layer!r}")
        if self.blob is not None:
            parts.append(f"blob {self.blob!r}")
        return ": ".join([*parts, self.reason])
