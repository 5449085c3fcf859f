"""Draws images/limits.jpg for limits.md, and prints its table: python -m docs.limits_pictures [FILE]"""
import sys

import cv2
import numpy as np

import deeplandmark
from deeplandmark.faces.draw import draw_faces
from deeplandmark.faces.picture import write_picture
from deeplandmark.faces.synthetic import draw_face

FACES, SIDE = 60, 200
SEED = 4                                # of the face that is shown


def small(image, pixels=20):
    """So that the face's box has about so many pixels, and as large as before again."""
    size = max(8, round(image.shape[1] * pixels / 120)), max(8, round(image.shape[0] * pixels / 120))
    return cv2.resize(cv2.resize(image, size, interpolation=cv2.INTER_AREA), image.shape[1::-1])


def covered(image, points):
    """The lower half of the face grey."""
    image, (eyes, mouth) = image.copy(), (points[:2].mean(axis=0), points[3:].mean(axis=0))
    top, half = int((eyes + mouth)[1] / 2), int(1.2 * abs(points[1, 0] - points[0, 0]))
    image[top:top + 2 * half, max(0, int(eyes[0]) - half):int(eyes[0]) + half] = 128
    return image


CHANGES = {
    "as it is": lambda image, points: image,
    "a tenth as bright": lambda image, points: image // 10,
    "overexposed, 2.5 times": lambda image, points: cv2.convertScaleAbs(image, alpha=2.5),
    "blurred by 5 pixels": lambda image, points: cv2.GaussianBlur(image, (0, 0), 5),
    "a face of 20 pixels": lambda image, points: small(image),
    "lower half covered": covered,
}


def measured(change):
    """(share of the faces found, mean error in % of the box's width of the found, mean confidence)."""
    errors, confidences = [], []
    for seed in range(FACES):
        image, points, box = draw_face(np.random.default_rng(seed))
        found = deeplandmark.find(change(image, points))
        distances = np.linalg.norm(found.points - points, axis=2).mean(axis=1) / box.width
        if len(distances) and distances.min() < 0.3:             # another than this one is no answer to it
            errors.append(distances.min())
            confidences.append(found.confidence[distances.argmin()].mean())
    return len(errors) / FACES, 100 * np.mean(errors), np.mean(confidences)


def main(path):
    """Prints the table, writes the picture."""
    image, points, _ = draw_face(np.random.default_rng(SEED))
    tiles = []
    for name, change in CHANGES.items():
        print("| {} | {:.0%} | {:.1f} | {:.2f} |".format(name, *measured(change)))
        changed = change(image, points)
        found = deeplandmark.find(changed)
        tiles.append(cv2.resize(draw_faces(changed, found.points, found.boxes), (SIDE, SIDE)))
    write_picture(path, np.hstack(tiles))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "docs/images/limits.jpg")
