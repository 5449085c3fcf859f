"""Eyes, brows, nose and mouth: each is drawn on the canvas and tells where its landmarks lie, in the head's frame."""

import numpy as np

_TURN = np.linspace(0, 2 * np.pi, 20, endpoint=False)
DARK = np.array([18.0, 18.0, 22.0])


def draw_eye(canvas, camera, person, side):
    """The eye at `side` (-1 left, 1 right in the picture). Returns its landmark (3,): the pupil's centre, or the middle
    of the lids' line when the eye is shut."""
    p, head = person, person.head
    along = np.linspace(-1, 1, 13)
    arch = 1 - along ** 2
    x = side * p.eye_x + p.eye_width * along
    middle_y = p.eye_y + side * p.eye_slant * along
    upper = head.lift(x, middle_y - p.eye_height * p.eye_open * arch)
    lower = head.lift(x, middle_y + 0.6 * p.eye_height * (p.eye_open if p.eye_open else 0.5) * arch)
    shut = p.eye_open == 0
    socket = np.concatenate([head.lift(x, middle_y - 0.17 * arch - 0.02), lower[::-1]])
    canvas.blend([camera.project(socket)], 0.62 * p.skin, 0.5, 0.03 * camera.scale)
    width = camera.scale
    if shut:
        canvas.line(camera.project(lower), 0.35 * p.skin, 0.03 * width)
        return lower[6]
    pupil = head.lift(side * p.eye_x + p.gaze[0], p.eye_y - 0.012 + p.gaze[1])
    outline = camera.project(np.concatenate([upper, lower[::-1]]))
    with canvas.inside(outline):
        canvas.fill(outline, (228, 232, 236))
        _iris(canvas, camera, p, pupil)
        canvas.line(camera.project(upper) + [0, 0.02 * width], np.array([120, 120, 125]), 0.03 * width)
    canvas.line(camera.project(lower), 0.6 * p.skin, 0.012 * width)
    canvas.line(camera.project(upper), DARK, 0.028 * width)
    crease = head.lift(x, middle_y - (0.06 + p.eye_height * p.eye_open) * arch)
    canvas.line(camera.project(crease), 0.6 * p.skin, 0.014 * width)
    return pupil


def _iris(canvas, camera, p, pupil):
    def disc(radius, dx=0.0, dy=0.0):
        ring = np.stack([dx + radius * np.cos(_TURN), dy + radius * np.sin(_TURN), 0 * _TURN], axis=1)
        return camera.project(pupil + ring)
    canvas.fill(disc(p.iris_radius), 0.5 * p.iris)
    canvas.fill(disc(0.88 * p.iris_radius), p.iris)
    canvas.fill(disc(0.45 * p.iris_radius), (8, 8, 8))
    canvas.fill(disc(0.17 * p.iris_radius, -0.35 * p.iris_radius, -0.38 * p.iris_radius), (250, 250, 250))


def draw_brow(canvas, camera, person, side):
    """An eyebrow: thick at the nose, thin at the temple."""
    p = person
    along = np.linspace(-1, 1, 9)   # from the nose outwards
    x = side * (p.eye_x + 0.02 + 0.27 * along)
    y = p.eye_y - p.brow_gap + p.brow_tilt * along + 0.05 * along ** 2
    thick = p.brow_thick * (1 - 0.5 * (along + 1) / 2)
    outline = np.concatenate([p.head.lift(x, y - thick / 2, 0.03), p.head.lift(x, y + thick / 2, 0.03)[::-1]])
    canvas.blend([camera.project(outline)], 0.75 * p.hair, 0.95, 0.012 * camera.scale)


def draw_nose(canvas, camera, person, light_x):
    """The nose, its shadow away from the light. Returns the landmark (3,): the tip."""
    p, lift = person, person.head.lift
    width, bottom = p.nose_width, p.nose_y + 0.09
    tip = lift(0.0, p.nose_y, p.nose_proud)
    root = lift(0.0, p.eye_y - 0.02, 0.08)
    for side in (-1, 1):
        wing = lift(side * width, bottom - 0.03, 0.05)
        shade = 0.6 if side * light_x < 0 else 0.88
        flank = [root, tip, lift(side * 0.6 * width, bottom, 0.6 * p.nose_proud), wing, lift(side * 0.1, p.eye_y + 0.1)]
        canvas.blend([camera.project(np.array(flank))], shade * p.skin, 0.75, 0.025 * camera.scale)
    _nose_ball(canvas, camera, p, tip, bottom)
    for side in (-1, 1):
        _nostril(canvas, camera, p, side, bottom)
    return tip


def _nose_ball(canvas, camera, p, tip, bottom):
    """Light on the tip and the shadow right below it: what makes the tip a point one can find."""
    def ellipse(radius, dy):
        return tip + np.stack([radius * np.cos(_TURN), dy + 0.8 * radius * np.sin(_TURN), 0 * _TURN], axis=1)
    canvas.blend([camera.project(ellipse(0.1, 0.0))], np.minimum(1.12 * p.skin + 12, 255), 0.8, 0.018 * camera.scale)
    canvas.blend([camera.project(ellipse(0.032, -0.01))], np.minimum(1.2 * p.skin + 45, 255), 0.9, 0.01 * camera.scale)
    x = np.linspace(-0.62, 0.62, 9) * p.nose_width
    proud = p.nose_proud * (0.75 - 1.1 * (x / p.nose_width) ** 2)
    under = p.head.lift(x, bottom + 0.035 - 0.5 * np.abs(x) * 0.3, proud)
    canvas.line(camera.project(under), 0.55 * p.skin, 0.018 * camera.scale)


def _nostril(canvas, camera, p, side, bottom):
    hole = p.head.lift(side * 0.48 * p.nose_width + 0.3 * p.nose_width * np.cos(_TURN), bottom + 0.028 * np.sin(_TURN),
                       0.5 * p.nose_proud)
    canvas.fill(camera.project(hole), 0.22 * p.skin)
    turn = np.linspace(-0.6, 0.5, 7) * np.pi
    wing = p.head.lift(side * p.nose_width * (0.8 + 0.25 * np.cos(turn)), bottom - 0.02 + 0.07 * np.sin(turn), 0.08)
    canvas.line(camera.project(wing), 0.58 * p.skin, 0.016 * camera.scale)


def draw_mouth(canvas, camera, person):
    """The mouth. Returns its landmarks (2, 3): left and right corner."""
    p, scale = person, camera.scale
    along = np.linspace(-1, 1, 17)
    arch = 1 - along ** 2
    x = p.mouth_width * along
    line_y = p.mouth_y + p.smile * (0.6 - along ** 2)
    proud = 0.07 * arch
    bow = p.lip_thick * (arch ** 0.8) * (1 - 0.25 * np.exp(-(along / 0.16) ** 2))
    top = p.head.lift(x, line_y - bow - 0.25 * p.mouth_open * arch, proud)
    inner_top = p.head.lift(x, line_y - 0.25 * p.mouth_open * arch, proud)
    inner_low = p.head.lift(x, line_y + 0.75 * p.mouth_open * arch, proud)
    low = p.head.lift(x, line_y + 0.75 * p.mouth_open * arch + 1.25 * p.lip_thick * arch ** 0.7, proud)
    canvas.fill(camera.project(np.concatenate([top, inner_top[::-1]])), 0.88 * p.lips)
    canvas.fill(camera.project(np.concatenate([inner_low, low[::-1]])), p.lips)
    inside = camera.project(np.concatenate([inner_top, inner_low[::-1]]))
    if p.mouth_open:
        canvas.fill(inside, (25, 18, 40))
        with canvas.inside(inside):
            canvas.line(camera.project(inner_top), (215, 222, 228), 0.09 * scale)
    canvas.line(camera.project(inner_top), 0.3 * p.lips, 0.018 * scale)
    canvas.line(camera.project(inner_low), 0.45 * p.lips, 0.012 * scale)
    corners = inner_top[[0, -1]]
    for corner in corners:  # the little pit at each corner
        ring = corner + 0.022 * np.stack([np.cos(_TURN), np.sin(_TURN), 0 * _TURN], axis=1)
        canvas.fill(camera.project(ring), 0.3 * p.lips)
    shadow = p.head.lift(0.6 * x, line_y + 0.75 * p.mouth_open * arch + 1.25 * p.lip_thick + 0.07)
    canvas.line(camera.project(shadow), 0.82 * p.skin, 0.03 * scale)
    return corners
