"""One synthetic photograph: picture, five landmarks, face box; or, of a head that may be turned far, its exact pose."""

import cv2
import numpy as np

from deeplandmark.faces.box import BBox
from deeplandmark.faces.head_pose import HeadPose, rotation_of
from deeplandmark.faces.synthetic.canvas import Canvas
from deeplandmark.faces.synthetic.features import draw_brow, draw_eye, draw_mouth, draw_nose
from deeplandmark.faces.synthetic.head import Camera
from deeplandmark.faces.synthetic.looks import (
    draw_beard,
    draw_behind,
    draw_front_hair,
    draw_glasses,
    draw_skull,
    draw_wrinkles,
)
from deeplandmark.faces.synthetic.person import draw_person
from deeplandmark.faces.synthetic.scene import draw_background, light_gain, occlude, photograph

OCCLUDED = 0.08          # share of pictures with something before the face
BOX_SIDE = 1.79          # in units of the head's frame: from brow to chin
BOX_JITTER = 0.035       # standard deviation of a box's place, as a fraction of its side
SIZE_JITTER = 0.07       # of its size


# Degrees of pitch, yaw and roll: deviation and largest of faces as they are usually drawn; largest of those turned far.
SPREAD, MOST, FAR = np.array([9.0, 18.0, 10.0]), np.array([22.0, 40.0, 25.0]), np.array([25.0, 65.0, 30.0])
_FAR_OFF = 40.0                          # units: from there nearer parts are hardly larger, as a HeadPose has it


def draw_face(rng):
    """Draws with `rng` alone: (image uint8 (h, w, 3), landmark_px (5, 2) float64, bbox with whole edges)."""
    image, landmarks, camera = _photographed(rng, _place_camera)
    landmark_px = camera.project(landmarks)
    return image, landmark_px, _detect_box(rng, camera, landmark_px)


def draw_posed_face(rng, far=True):
    """Draws a face under a known pose: (image uint8 (h, w, 3), HeadPose of it, bbox). Its angles are uniform in +-FAR,
    or else as those of `draw_face`: normal with deviation SPREAD, at most MOST."""
    angles = rng.uniform(-FAR, FAR) if far else np.clip(rng.normal(0, SPREAD), -MOST, MOST)

    def place(rng, width, height):
        side, centre = _size_and_place(rng, width, height)
        return Camera(rotation_of(angles), side / BOX_SIDE, tuple(centre), _FAR_OFF)
    image, landmarks, camera = _photographed(rng, place)
    middle = landmarks[[0, 1, 3, 4]].mean(axis=0)
    pose = HeadPose(angles[None], np.array([camera.scale]), camera.project(middle[None]))
    return image, pose, _detect_box(rng, camera, camera.project(landmarks))


def _photographed(rng, place_camera):
    """(picture, landmarks (5, 3) in the head's frame, Camera)"""
    width, height = (int(v) for v in rng.integers(235, 291, 2))
    person = draw_person(rng)
    camera = place_camera(rng, width, height)
    light = _light(rng)
    canvas = Canvas(draw_background(rng, width, height))
    landmarks = _draw_head(canvas, camera, person, light, rng)
    if rng.random() < OCCLUDED:
        occlude(canvas, camera, person, rng)
    return photograph(canvas.finished(), rng), landmarks, camera


def _draw_head(canvas, camera, person, light, rng):
    """Draws the head back to front. Returns the landmarks (5, 3) in the head's frame."""
    draw_behind(canvas, camera, person, rng)
    outline_px, _ = draw_skull(canvas, camera, person, rng)
    draw_wrinkles(canvas, camera, person)
    if person.beard or person.moustache:
        draw_beard(canvas, camera, person, _stubble(rng, canvas.pixels.shape))
    eyes = [draw_eye(canvas, camera, person, side) for side in (-1, 1)]
    mouth = draw_mouth(canvas, camera, person)
    for side in (-1, 1):
        draw_brow(canvas, camera, person, side)
    nose = draw_nose(canvas, camera, person, light[0])
    draw_front_hair(canvas, camera, person, rng)
    gain = light_gain(rng, canvas.width, canvas.height, camera.centre, 1.15 * camera.scale, light)
    canvas.shade(gain, outline_px)
    if person.glasses != "none":
        draw_glasses(canvas, camera, person, rng)
    return np.array([*eyes, nose, *mouth])


def _size_and_place(rng, width, height):
    """Side of a face's box and centre of the head, pixels."""
    side = rng.uniform(0.46, 0.62) * min(width, height)
    return side, np.array([width, height]) * [0.5, 0.48] + rng.normal(0, 0.03, 2) * [width, height]


def _place_camera(rng, width, height):
    side, centre = _size_and_place(rng, width, height)
    order = [1, 0, 2]                                            # a head of a seed shall stay the same
    yaw, pitch, roll = np.clip(rng.normal(0, SPREAD[order]), -MOST[order], MOST[order])
    return Camera.of_pose(yaw, pitch, roll, side / BOX_SIDE, tuple(centre), rng.uniform(6, 14))


def _light(rng):
    light = np.array([rng.normal(0, 0.7), rng.normal(-0.5, 0.5), 1.0])
    return light / np.linalg.norm(light)


def _stubble(rng, shape):
    fine = rng.uniform(0.5, 1, (shape[0] // 2, shape[1] // 2)).astype(np.float32)
    return cv2.resize(fine, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)


def _detect_box(rng, camera, landmark_px):
    """A square as a face detector gives it: from brow to chin, a few per cent off in place and size."""
    eyes_px, mouth_px = landmark_px[:2].mean(axis=0), landmark_px[3:].mean(axis=0)
    side = BOX_SIDE * camera.scale * np.exp(rng.normal(0, SIZE_JITTER))
    centre = (eyes_px + mouth_px) / 2 + side * rng.normal(0, BOX_JITTER, 2)
    left, top = np.round(centre - side / 2)
    return BBox(float(left), float(top), float(left + round(side)), float(top + round(side)))
