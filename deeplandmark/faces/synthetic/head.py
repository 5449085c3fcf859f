"""A head in three dimensions, and the camera that looks at it.

Head frame: origin in the middle of the head, one unit is half a face's width; x to the right of the picture, y down,
z towards the viewer.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Head:
    """The bare shape: an egg that narrows towards the chin."""
    height: float   # of the face, from the middle to the chin
    depth: float    # from the middle to the front
    taper: float    # how much of the half width is lost at the chin

    def half_width(self, y):
        """Half the width of the egg at height y, before it closes."""
        below = np.maximum(y / self.height, 0)
        return 1 - self.taper * below ** 2

    def lift(self, x, y, proud=0.0):
        """Points (n, 3) on the front surface above x, y (n,), standing `proud` of it."""
        x, y = np.broadcast_arrays(np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64))
        across = np.maximum(1 - (x / self.half_width(y)) ** 2, 0)
        along = np.maximum(1 - np.abs(y / self.height) ** 5, 0)
        return np.stack([x, y, self.depth * np.sqrt(across * along) + proud], axis=-1)

    def shell(self, top, bottom, half_angle, grow=1.0):
        """Points (n, 3) of the egg between two heights and +-half_angle (radians from the front), grown by `grow`."""
        y, theta = np.meshgrid(np.linspace(top, bottom, 24), np.linspace(-half_angle, half_angle, 17), indexing="ij")
        closing = np.sqrt(np.clip(1 - np.abs(y / self.height) ** 2.8, 0, None))
        front = np.sqrt(np.clip(1 - np.abs(y / self.height) ** 5, 0, None))
        # The back of a head closes like a ball, the front runs on down to the chin.
        z = self.depth * np.cos(theta) * np.where(np.cos(theta) > 0, front, closing)
        return grow * np.stack([self.half_width(y) * closing * np.sin(theta), y, z], axis=-1).reshape(-1, 3)


@dataclass(frozen=True)
class Camera:
    """Turns the head and projects it with a mild perspective."""
    rotation: np.ndarray  # (3, 3)
    scale: float          # pixels a unit
    centre: tuple         # of the head, pixels
    distance: float       # from the head, in units

    @classmethod
    def of_pose(cls, yaw, pitch, roll, scale, centre, distance):
        """Angles in degrees. Positive yaw turns the face to the right of the picture, positive pitch downwards,
        positive roll clockwise to the eye."""
        (cy, cp, cr), (sy, sp, sr) = np.cos(np.radians([yaw, pitch, roll])), np.sin(np.radians([yaw, pitch, roll]))
        turn = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
        nod = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
        tilt = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
        return cls(tilt @ nod @ turn, scale, centre, distance)

    def project(self, points):
        """Points (n, 3) in the head's frame to pixels (n, 2)."""
        turned = np.asarray(points) @ self.rotation.T
        return self.centre + self.scale * turned[:, :2] / (1 - turned[:, 2:] / self.distance)
