"""Synthetic faces: varied drawn faces with exact points, for tests and for work without the real archive."""

from deeplandmark.faces.synthetic.face import draw_face
from deeplandmark.faces.synthetic.generate import generate

__all__ = ["draw_face", "generate"]
