"""Hair, ears, shoulders, beards, wrinkles and glasses."""

import numpy as np

from deeplandmark.faces.synthetic.canvas import hull
from deeplandmark.faces.synthetic.features import DARK

_RIM = np.linspace(0, 2 * np.pi, 24, endpoint=False)


def draw_behind(canvas, camera, person, rng):
    """Shoulders, neck, the hair behind the head, and ears."""
    p = person
    cloth = rng.uniform(20, 235, 3)
    if p.hair_style == "long":
        fall = p.head.shell(-1.1, 1.1, np.pi, p.hair_grow) + [0, 0.1, -0.15]
        ends = np.array([[side * 1.15 * p.hair_grow, rng.uniform(1.2, 2.2), -0.4] for side in (-1, 1)])
        canvas.fill_hull(camera.project(np.concatenate([fall, ends])), 0.8 * p.hair)
    slope, breadth = rng.uniform(1.5, 1.75), rng.uniform(1.8, 2.6)
    # The body stays upright whatever the head does.
    neck = np.array([[-0.55, 0.5], [0.55, 0.5], [0.65, 2.4], [-0.65, 2.4]])
    canvas.fill(camera.centre + camera.scale * neck, 0.72 * p.skin)
    body = np.array([[-0.6, slope], [0, slope + 0.35], [0.6, slope], [breadth, slope + 0.45], [breadth + 0.5, 5],
                     [-breadth - 0.5, 5], [-breadth, slope + 0.45]])
    canvas.fill(camera.centre + camera.scale * body, cloth)
    for ear in (-1, 1):
        ring = np.stack([0 * _RIM + ear * 1.0, 0.05 + 0.24 * np.sin(_RIM), -0.1 + 0.14 * np.cos(_RIM)], axis=1)
        ring[:, 0] += ear * 0.08 * np.cos(_RIM)
        if p.hair_style != "long":
            canvas.fill_hull(camera.project(ring), 0.85 * p.skin)


def draw_skull(canvas, camera, person, rng):
    """The whole head in hair, then the face in skin. Returns the head's outline and the face's, (n, 2) pixels."""
    p = person
    grow, top = (1.0, -p.head.height) if p.hair_style == "bald" else (p.hair_grow, p.hairline)
    face = hull(camera.project(p.head.shell(top, p.head.height, 1.45)))
    skull = camera.project(p.head.shell(-p.head.height, 0.35, np.pi, grow))
    canvas.fill_hull(skull, p.skin if p.hair_style == "bald" else p.hair)
    if p.hair_style not in ("bald", "hat"):
        _strands(canvas, camera, person, rng)
    canvas.fill(face, p.skin)
    return hull(np.concatenate([skull, face])), face


def draw_front_hair(canvas, camera, person, rng):
    """What falls over the forehead: a fringe, a parting, the brim of a hat."""
    p, lift = person, person.head.lift
    x = np.linspace(-0.93, 0.93, 15)
    if p.hair_style == "hat":
        brim = -0.6 - 0.12 * (1 - x ** 2)
        colour = rng.uniform(10, 220, 3)
        crown = camera.project(p.head.shell(-p.head.height, -0.62, np.pi, 1.15) - [0, 0.12, 0])
        canvas.fill_hull(np.concatenate([crown, camera.project(lift(x, brim, 0.12))]), colour)
        canvas.line(camera.project(lift(x, brim + 0.04, 0.15)), 0.6 * colour, 0.1 * camera.scale)
    elif p.hair_style != "bald":
        low = p.brow_gap + 0.12 if p.hair_style == "fringe" else 0.82
        part = rng.uniform(-0.6, 0.6)
        edge = p.eye_y - low + 0.35 * np.abs(x - part) ** 1.5 + rng.normal(0, 0.02, 15)
        edge = np.minimum(edge, p.eye_y + 0.1)
        top = lift(x, np.minimum(edge, -0.75) - 0.3, 0.1)
        canvas.fill(camera.project(np.concatenate([top, lift(x, edge, 0.05)[::-1]])), 0.95 * p.hair)


def draw_beard(canvas, camera, person, texture):
    """Beard and moustache: patchy hair colour; the mouth is drawn afterwards."""
    p, lift, soft = person, person.head.lift, 0.06 * camera.scale
    if p.beard:
        x = np.linspace(-0.85, 0.85, 15) * (1 - 0.5 * p.head.taper)
        low = np.sqrt(np.clip(1 - (x / 0.95) ** 2, 0, None)) * p.head.height
        outline = np.concatenate([lift(x, 0.55 + 0.05 * np.cos(3 * x) - 0.3 * np.abs(x)), lift(x, low)[::-1]])
        canvas.blend([camera.project(outline)], 0.8 * p.hair, p.beard, soft, texture)
    if p.moustache:
        x = np.linspace(-1, 1, 11) * (p.mouth_width + 0.05)
        outline = np.concatenate([lift(x, p.mouth_y - 0.22 + 0.16 * np.abs(x), 0.04),
                                  lift(x, p.mouth_y - 0.04 + 0.05 * np.abs(x), 0.04)[::-1]])
        canvas.blend([camera.project(outline)], 0.8 * p.hair, p.moustache, 0.3 * soft, texture)


def draw_wrinkles(canvas, camera, person):
    """The folds from nose to mouth, and those under the eyes and cheeks."""
    p, lift = person, person.head.lift
    t = np.linspace(0, 1, 8)
    for side in (-1, 1):
        x = side * (p.nose_width + 0.05 + (p.mouth_width + 0.08 - p.nose_width) * t ** 1.3)
        fold = camera.project(lift(x, p.nose_y + (p.mouth_y - p.nose_y - 0.02) * t))
        canvas.line(fold, (1 - 0.6 * p.wrinkles) * p.skin, 0.02 * camera.scale)
        bag = camera.project(lift(side * (p.eye_x - 0.2 + 0.4 * t), p.eye_y + 0.14 + 0.07 * np.sin(np.pi * t)))
        canvas.line(bag, (1 - 0.35 * p.wrinkles) * p.skin, 0.018 * camera.scale)
        cheek = lift(side * 0.55 + 0.2 * np.cos(_RIM), 0.3 + 0.16 * np.sin(_RIM))
        canvas.blend([camera.project(cheek)], p.skin * [0.85, 0.88, 1.1] + 5, 0.5, 0.08 * camera.scale)


def draw_glasses(canvas, camera, person, rng):
    """Clear glasses show the eyes, dark ones hide them; the landmark then lies behind the glass."""
    p = person
    half_x, half_y, power = rng.uniform(0.25, 0.33), rng.uniform(0.16, 0.26), rng.uniform(0.5, 1.0)
    frame = rng.uniform(0, 90, 3)
    z = p.head.lift(0.0, p.eye_y)[2] + 0.1
    for side in (-1, 1):
        ring = np.stack([side * (p.eye_x + 0.02) + half_x * _rounded(np.cos(_RIM), power),
                         p.eye_y + 0.03 + half_y * _rounded(np.sin(_RIM), power), 0 * _RIM + z - 0.12], axis=1)
        outline = camera.project(ring)
        if p.glasses == "dark":
            canvas.fill(outline, DARK + rng.uniform(0, 25))
        canvas.line(outline, frame, rng.uniform(0.03, 0.06) * camera.scale, closed=True)
        temple = np.array([[side * (p.eye_x + half_x), p.eye_y, z - 0.12], [side * 1.02, p.eye_y, 0.0]])
        canvas.line(camera.project(temple), frame, 0.04 * camera.scale)
    end = p.eye_x - half_x
    bridge = np.array([[-end, p.eye_y, z - 0.1], [0, p.eye_y - 0.05, z], [end, p.eye_y, z - 0.1]])
    canvas.line(camera.project(bridge), frame, 0.045 * camera.scale)


def _rounded(value, power):
    return np.sign(value) * np.abs(value) ** power


def _strands(canvas, camera, p, rng):
    for _ in range(rng.integers(6, 18)):
        theta = rng.uniform(-2, 2) + np.linspace(0, rng.uniform(-0.4, 0.4), 6)
        y = np.linspace(-1.2, rng.uniform(-0.8, 0.3), 6)
        closing = np.sqrt(np.clip(1 - np.abs(y / p.head.height) ** 2.8, 0, None))
        strand = np.stack([closing * np.sin(theta), y, p.head.depth * closing * np.cos(theta)], axis=1)
        canvas.line(camera.project(0.98 * p.hair_grow * strand), p.hair * rng.uniform(0.7, 1.4), 0.03 * camera.scale)
