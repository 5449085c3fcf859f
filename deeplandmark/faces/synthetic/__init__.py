"""Synthetic faces: varied drawn faces with exact points, for tests and for work without the real archive."""

from .face import draw_face
from .generate import generate

__all__ = ["draw_face", "generate"]
