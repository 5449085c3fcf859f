"""What pictures suffer: darkness, blur, noise, compression, things before a face. All draws are from a numpy
Generator; pictures are uint8 (h, w, 3), blue green red."""
import cv2
import numpy as np

DARK = (0.03, 0.5)         # how much light is left, drawn evenly in its logarithm


def lit(image, rng):
    """With another light: contrast, brightness, gamma, tint."""
    tone = np.arange(256) / 255
    tone = tone ** np.exp(rng.normal(0, 0.25)) * np.exp(rng.normal(0, 0.2)) + rng.normal(0, 0.06)
    if rng.random() < 0.1:                                       # haze
        tone = 0.5 + (tone - 0.5) * rng.uniform(0.3, 0.8)
    tint = np.exp(rng.normal(0, 0.05, 3))
    return cv2.LUT(image, np.clip(tone[:, None] * tint * 255 + 0.5, 0, 255).astype(np.uint8)[None])


def blurred(image, strength, rng):
    """Out of focus, moved while it was taken, or enlarged from few pixels; `strength` in pixels."""
    kind = rng.integers(3)
    if kind == 0:
        return cv2.GaussianBlur(image, (0, 0), max(strength, 0.3))
    if kind == 1:
        length = max(2, round(3 * strength))
        kernel = np.zeros((2 * length + 1,) * 2, np.float32)
        end = length * np.array((np.cos(angle := rng.uniform(0, np.pi)), np.sin(angle)))
        cv2.line(kernel, *((tuple(np.rint(length + sign * end / 2).astype(int).tolist())) for sign in (-1, 1)), 1)
        return cv2.filter2D(image, -1, kernel / kernel.sum())
    size = np.maximum(np.array(image.shape[1::-1]) / (1 + strength), 4).astype(int)
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, image.shape[1::-1], interpolation=rng.choice([cv2.INTER_LINEAR, cv2.INTER_CUBIC]))


def covered(image, box, stuff, rng):
    """With a piece of another picture, or of one colour, before part of what a box (4,) frames: half of it at most."""
    left, top, right, bottom = box
    side = rng.integers(4)
    share, width, height = rng.uniform(0.2, 0.5), right - left, bottom - top
    wide = rng.uniform(0.05, 0.4, 2)
    window = [(left - wide[0] * width, bottom - share * height, right + wide[1] * width, bottom + 0.5 * height),
              (left - wide[0] * width, top - 0.5 * height, right + wide[1] * width, top + 0.7 * share * height),
              (left - 0.4 * width, top - 0.4 * height, left + share * width, bottom + 0.4 * height),
              (right - share * width, top - 0.4 * height, right + 0.4 * width, bottom + 0.4 * height)][side]
    corner = np.clip(np.rint(window).astype(int), 0, np.tile(image.shape[1::-1], 2))
    if (corner[2:] - corner[:2] < 1).any():
        return image
    image = image.copy()
    place = image[corner[1]:corner[3], corner[0]:corner[2]]
    if rng.random() < 0.3:
        place[:] = rng.integers(0, 256, 3)
    else:
        place[:] = cv2.resize(stuff, place.shape[1::-1], interpolation=cv2.INTER_AREA)
    return image


def spoiled(image, rng):
    """As a camera and a file may leave it: grey, noisy, dark, compressed."""
    if rng.random() < 0.3:
        image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    if rng.random() < 0.25:
        shape = image.shape if rng.random() < 0.5 else (*image.shape[:2], 1)
        noise = rng.standard_normal(shape, np.float32) * rng.uniform(2, 14)
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.15:
        image = np.rint(image * np.exp(rng.uniform(*np.log(DARK)))).astype(np.uint8)
    if rng.random() < 0.3:
        _, coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 90))])
        image = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    return image
