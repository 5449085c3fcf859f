"""What lies behind and before a face, and what light, lens and file format do to the picture."""

import cv2
import numpy as np

_TURN = np.linspace(0, 2 * np.pi, 14, endpoint=False)


def draw_background(rng, width, height):
    """Gradient, texture and clutter - shapes, lines, and rings that look a little like eyes. uint8 (h, w, 3)."""
    corners = rng.uniform(15, 240) + rng.normal(0, 30, 3) + rng.normal(0, 30, (2, 2, 3))
    image = cv2.resize(corners.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    cells = int(rng.integers(4, 40))
    texture = rng.normal(0, rng.uniform(2, 16), (cells, cells, 1)).astype(np.float32)
    image += cv2.resize(texture, (width, height), interpolation=cv2.INTER_CUBIC)[..., None]
    image = np.clip(image, 0, 255).astype(np.uint8)
    for _ in range(rng.integers(0, 14)):
        _SHAPES[rng.integers(len(_SHAPES))](image, rng)
    return image


def _blob(image, rng):
    centre, size = _place(image, rng), rng.uniform(5, 70)
    radius = size * rng.uniform(0.4, 1, (len(_TURN), 1))
    points = centre + radius * np.stack([np.cos(_TURN), np.sin(_TURN)], axis=1)
    cv2.fillPoly(image, [points.astype(np.int32)], _colour(rng), cv2.LINE_AA)


def _bar(image, rng):
    start, end = _place(image, rng), _place(image, rng)
    cv2.line(image, _whole(start), _whole(end), _colour(rng), int(rng.integers(1, 22)), cv2.LINE_AA)


def _box(image, rng):
    start, thickness = _place(image, rng), int(rng.choice([-1, -1, 2, 4]))  # -1: filled
    cv2.rectangle(image, _whole(start), _whole(start + rng.uniform(8, 90, 2)), _colour(rng), thickness)


def _ring(image, rng):
    """An oval with a dark disc in it: a little like an eye."""
    centre, size = _whole(_place(image, rng)), rng.uniform(4, 14)
    axes, angle = (round(2 * size), round(size)), rng.uniform(-30, 30)
    cv2.ellipse(image, centre, axes, angle, 0, 360, _colour(rng), -1, cv2.LINE_AA)
    cv2.circle(image, centre, round(0.8 * size), (20, 20, 20), -1, cv2.LINE_AA)


_SHAPES = (_blob, _bar, _box, _ring)


def occlude(canvas, camera, person, rng):
    """Something before the face: a hand's fingers, a bar, or a scarf; it may hide a landmark or two."""
    kind = rng.choice(["fingers", "bar", "scarf"])
    centre, scale = np.array(camera.centre), camera.scale
    if kind == "scarf":
        across = np.linspace(-1.2, 1.2, 9)
        edge = person.mouth_y + rng.uniform(0.02, 0.35) + 0.1 * np.cos(2 * across)
        low = np.array([[1.5, 2.5, 0], [-1.5, 2.5, 0]])
        canvas.fill(camera.project(np.concatenate([person.head.lift(across, edge, 0.1), low])), rng.uniform(20, 230, 3))
    elif kind == "bar":
        angle = rng.uniform(0, np.pi)
        at, along = centre + scale * rng.uniform(-1, 1, 2), 4 * scale * np.array([np.cos(angle), np.sin(angle)])
        canvas.line(np.array([at - along, at + along]), rng.uniform(0, 255, 3), rng.uniform(0.06, 0.2) * scale)
    else:
        side = rng.choice([-1, 1])
        root = centre + scale * np.array([1.4 * side, rng.uniform(0.6, 1.8)])
        for finger in range(4):
            tip = centre + scale * np.array([rng.uniform(-0.1, 0.1) + 0.75 * side, 0.3 + 0.2 * finger])
            canvas.line(np.array([root, tip]), person.skin * (0.8 - 0.03 * finger), 0.17 * scale)


def light_gain(rng, width, height, centre, radius, light):
    """How much light reaches each place of a ball at `centre` with `radius` (pixels): float32 (64, 64, 3), to be
    stretched over the picture. `light` (3,) is the direction towards the lamp, z towards the viewer."""
    y = (np.arange(64)[:, None] + 0.5) * height / 64
    x = (np.arange(64)[None] + 0.5) * width / 64
    nx, ny = (x - centre[0]) / radius, (y - centre[1]) / (1.3 * radius)
    length = np.maximum(np.hypot(nx, ny), 1e-6)
    inside = np.minimum(length, 0.97)
    normal = np.stack([nx / length * inside, ny / length * inside, np.sqrt(1 - inside ** 2)], axis=-1)
    strength = rng.uniform(0.15, 0.75)
    gain = 1 - strength + strength * 1.25 * np.clip(normal @ light, 0, None)
    tint = 1 + rng.normal(0, 0.03, 3)
    return (gain[..., None] * tint).astype(np.float32)


def photograph(image, rng):
    """Exposure, contrast, focus and sensor noise. uint8 (h, w, 3) to the same."""
    sigma = abs(rng.normal(0, 0.55))
    if sigma > 0.3:
        image = cv2.GaussianBlur(image, (0, 0), sigma)
    levels = np.linspace(0, 1, 256) ** np.exp(rng.normal(0, 0.25))
    levels = 255 * ((levels - 0.5) * rng.uniform(0.55, 1.1) + 0.5 + rng.normal(0, 0.05))
    image = cv2.LUT(image, np.clip(levels, 0, 255).astype(np.uint8))
    noise = np.empty(image.shape, np.int16)
    cv2.setRNGSeed(int(rng.integers(2 ** 31)))
    cv2.randn(noise, 0, rng.uniform(0.5, 7))
    return cv2.add(image, noise, dtype=cv2.CV_8U)


def _place(image, rng):
    return rng.uniform(-0.05, 1.05, 2) * image.shape[1::-1]


def _colour(rng):
    return tuple(float(c) for c in rng.uniform(0, 255, 3))


def _whole(point):
    return tuple(round(float(c)) for c in point)
