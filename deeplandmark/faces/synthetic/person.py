"""Who is drawn: the measures, colours and habits of one face, all from one random generator."""

from dataclasses import dataclass

import numpy as np

from deeplandmark.faces.synthetic.head import Head

# Blue, green, red, from light to dark; a person's tone lies between two neighbours.
SKIN_TONES = np.array([(200, 215, 245), (165, 190, 232), (130, 165, 215), (95, 130, 185), (65, 95, 145), (40, 60, 95)])
HAIR_COLOURS = np.array([(20, 20, 25), (25, 35, 55), (40, 65, 100), (90, 150, 200), (40, 70, 150), (165, 165, 170)])
EYE_COLOURS = np.array([(30, 45, 75), (20, 30, 50), (150, 115, 80), (95, 120, 85), (60, 90, 110)])


@dataclass(frozen=True)
class Person:
    """Lengths in units of the head's frame (half a face's width), colours as blue, green, red."""
    head: Head
    skin: np.ndarray
    hair: np.ndarray
    iris: np.ndarray
    lips: np.ndarray
    eye_x: float
    eye_y: float
    eye_width: float
    eye_height: float
    eye_slant: float
    iris_radius: float
    gaze: tuple
    eye_open: float      # 0 = shut
    brow_gap: float
    brow_thick: float
    brow_tilt: float
    nose_y: float
    nose_proud: float
    nose_width: float
    mouth_y: float
    mouth_width: float
    lip_thick: float
    smile: float         # height the corners rise by
    mouth_open: float
    hairline: float
    hair_grow: float
    hair_style: str      # bald, short, long, fringe, hat
    beard: float         # 0 = shaven, strength else
    moustache: float
    glasses: str         # none, clear, dark
    wrinkles: float


def draw_person(rng):
    """A random person with a random expression."""
    skin = _between(rng, SKIN_TONES) + rng.normal(0, 6, 3)
    smile = max(0.0, rng.normal(0.03, 0.07))
    closed = rng.random() < 0.08
    return Person(
        head=Head(rng.uniform(1.27, 1.47), rng.uniform(0.85, 1.05), rng.uniform(0.2, 0.45)),
        skin=skin, hair=_one_of(rng, HAIR_COLOURS) + rng.normal(0, 8, 3), iris=_one_of(rng, EYE_COLOURS),
        lips=skin * [0.72, 0.66, 0.86] + rng.normal(0, 10, 3),
        eye_x=rng.uniform(0.37, 0.47), eye_y=rng.uniform(-0.2, -0.06), eye_width=rng.uniform(0.17, 0.235),
        eye_height=rng.uniform(0.075, 0.12), eye_slant=rng.normal(0, 0.02), iris_radius=rng.uniform(0.085, 0.105),
        gaze=(rng.normal(0, 0.04), rng.normal(0, 0.012)), eye_open=0.0 if closed else rng.uniform(0.6, 1.1),
        brow_gap=rng.uniform(0.2, 0.31), brow_thick=rng.uniform(0.03, 0.085), brow_tilt=rng.normal(0, 0.035),
        nose_y=rng.uniform(0.24, 0.42), nose_proud=rng.uniform(0.2, 0.36), nose_width=rng.uniform(0.15, 0.235),
        mouth_y=rng.uniform(0.7, 0.85), mouth_width=rng.uniform(0.28, 0.39) + 0.7 * smile,
        lip_thick=rng.uniform(0.045, 0.1), smile=smile - 0.02,
        mouth_open=float(rng.random() < 0.4) * rng.uniform(0.03, 0.2),
        hairline=rng.uniform(-0.95, -0.65), hair_grow=rng.uniform(1.04, 1.2),
        hair_style=str(rng.choice(["bald", "short", "long", "fringe", "hat"], p=[0.1, 0.4, 0.3, 0.12, 0.08])),
        beard=float(rng.random() < 0.2) * rng.uniform(0.3, 0.9),
        moustache=float(rng.random() < 0.15) * rng.uniform(0.4, 1),
        glasses=str(rng.choice(["none", "clear", "dark"], p=[0.78, 0.17, 0.05])), wrinkles=rng.uniform(0, 0.45))


def _between(rng, colours):
    at = rng.uniform(0, len(colours) - 1.001)
    low = int(at)
    return colours[low] + (at - low) * (colours[low + 1] - colours[low])


def _one_of(rng, colours):
    return colours[rng.integers(len(colours))].astype(np.float64)
