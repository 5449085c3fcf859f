"""Sheets of evaluated faces: truth as white rings, the last level's prediction as coloured dots."""
import cv2
import numpy as np

from deeplandmark.faces import BBox, read_colour
from deeplandmark.faces.draw import SHIFT, contact_sheet, draw_box, draw_points, fixed_point
from deeplandmark.faces.metrics import mean_error
from deeplandmark.faces.picture import write_picture

_SIDE = 230        # pixels of the square shown for a face
_AROUND = 1.35     # its side, in sides of the face box
_RING, _DOT = 6, 2.5   # radii in pixels
_MANY = 20         # points of a face, of which more are drawn half as large
_BLACK, _WHITE, _PAPER = (0, 0, 0), (255, 255, 255), (245, 245, 245)


def draw_samples(evaluation, file, most=24):
    """Faces spread evenly over the list."""
    count = min(most, len(evaluation))
    indices = [i * len(evaluation) // count for i in range(count)]
    write_picture(file, _sheet(evaluation, indices, f"{count} faces spread evenly over the list"))


def draw_worst(evaluation, file, most=20):
    """The faces whose mean error at the last level is largest, the worst first."""
    indices = np.argsort(-_last_errors(evaluation), kind="stable")[:most]
    write_picture(file, _sheet(evaluation, indices, f"the {len(indices)} worst faces by mean error", columns=5))


def _sheet(evaluation, indices, heading, columns=6):
    errors = _last_errors(evaluation)
    images = [_drawn(evaluation.annotations[i], evaluation.predicted[i, -1]) for i in indices]
    titles = [_short(f"{100 * errors[i]:.1f} %  {evaluation.annotations[i].path.stem}") for i in indices]
    sheet = contact_sheet(images, columns=columns, titles=titles)
    return _headed(sheet, f"Level {evaluation.level_count}: {heading}. Dots: predicted; white rings: truth; "
                          "%: mean error over the points, in % of the box width")


def _drawn(face, predicted_px):
    """The square around the face box, with box, truth and prediction: uint8 (_SIDE, _SIDE, 3)."""
    square = face.bbox.square(_AROUND)
    scale = _SIDE / square.width
    matrix = np.array([[scale, 0, -square.left * scale], [0, scale, -square.top * scale]])
    # Shrinking needs an average of all pixels, which warpAffine does not take: blur first.
    image = read_colour(face.path)
    if scale < 0.5:
        image = cv2.GaussianBlur(image, (0, 0), 0.4 / scale)
    image = cv2.warpAffine(image, matrix, (_SIDE, _SIDE), flags=cv2.INTER_LINEAR, borderValue=_PAPER)
    corners = _moved(matrix, face.bbox.as_array().reshape(2, 2))
    image = draw_box(image, BBox(*corners.ravel()), thickness=1)
    truth_px, predicted_px = _moved(matrix, face.landmark_px), _moved(matrix, predicted_px)
    size = 0.5 if len(truth_px) > _MANY else 1
    return draw_points(_draw_truth(image, truth_px, predicted_px, size), predicted_px, radius=_DOT * size)


def _draw_truth(image, truth_px, predicted_px, size):
    """A ring round every true point, and a line to its prediction."""
    seen = np.isfinite(truth_px).all(axis=1)
    for truth, predicted in zip(fixed_point(truth_px[seen]), fixed_point(predicted_px[seen])):
        cv2.line(image, truth, predicted, _WHITE, 1, cv2.LINE_AA, SHIFT)
        for thickness, colour in ((3, _BLACK), (1, _WHITE)):
            cv2.circle(image, truth, int(_RING * size) << SHIFT, colour, thickness, cv2.LINE_AA, SHIFT)
    return image


def _moved(matrix, points_px):
    return np.asarray(points_px, dtype=np.float64) @ matrix[:, :2].T + matrix[:, 2]


def _headed(sheet, text):
    lines = _wrapped(text, sheet.shape[1] // 8)
    strip = np.full((20 * len(lines) + 8, sheet.shape[1], 3), _PAPER, np.uint8)
    for i, line in enumerate(lines):
        cv2.putText(strip, line, (5, 18 + 20 * i), cv2.FONT_HERSHEY_SIMPLEX, 0.45, _BLACK, 1, cv2.LINE_AA)
    return np.concatenate([strip, sheet])


def _wrapped(text, width):
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _short(title, most=30):
    return title if len(title) <= most else title[:most - 2] + ".."


def _last_errors(evaluation):
    """Mean over the points that are visible, (n,)."""
    return mean_error(evaluation.errors[:, -1], axis=1)
