"""Points and boxes on pictures, and sheets of many pictures, for people to look at."""

import cv2
import numpy as np

from deeplandmark.faces.box import BBox
from deeplandmark.faces.head_pose import rotation_of

# Okabe and Ito's colours, told apart by colour-blind eyes too; blue, green, red.
POINT_COLOURS = ((0, 159, 230), (233, 180, 86), (66, 228, 240), (115, 158, 0), (167, 121, 204))
AXIS_COLOURS = (0, 0, 230), (0, 200, 0), (255, 120, 0)
BOX_COLOUR, BRIGHT = (178, 114, 0), (245, 245, 245)
_BLACK, _WHITE, _PAPER = (0, 0, 0), (255, 255, 255), (245, 245, 245)
SHIFT = 4  # bits after the point in `fixed_point` numbers
_FARTHEST = 1e6  # pixels; OpenCV counts in int32


def as_colour(image):
    """uint8 (h, w, 3) of a grey, colour or float picture; floats (e.g. a net's input) are stretched to 0..255."""
    image = np.asarray(image)
    if image.dtype != np.uint8:
        low, high = float(image.min()), float(image.max())
        image = ((image - low) * (255 / (high - low) if high > low else 0)).astype(np.uint8)
    return cv2.cvtColor(image, cv2.COLOR_GRAY2BGR) if image.ndim == 2 else image.copy()


def draw_points(image, landmark_px, radius=None, colours=POINT_COLOURS):
    """A colour copy of the picture with every point of landmark_px (k, 2): a filled dot in a black ring."""
    image = as_colour(image)
    radius = radius or max(1.5, 0.011 * min(image.shape[:2]))
    for i, (x, y) in enumerate(np.asarray(landmark_px, dtype=np.float64).reshape(-1, 2)):
        if np.isfinite([x, y]).all():
            for size, colour in ((radius + 1, _BLACK), (radius, colours[i % len(colours)])):
                cv2.circle(image, fixed_point([x, y]), fixed_point(size), colour, -1, cv2.LINE_AA, SHIFT)
    return image


def draw_box(image, bbox, colour=BOX_COLOUR, thickness=2):
    """A colour copy of the picture with the box's edges over a white border."""
    image = as_colour(image)
    corners = fixed_point(bbox.as_array().reshape(2, 2))
    cv2.rectangle(image, *corners, _WHITE, thickness + 2, cv2.LINE_AA, SHIFT)
    cv2.rectangle(image, *corners, colour, thickness, cv2.LINE_AA, SHIFT)
    return image


def draw_face(image, landmark_px, bbox=None):
    """A colour copy of the picture with box and points."""
    image = as_colour(image) if bbox is None else draw_box(image, bbox, thickness=max(1, round(0.005 * image.shape[1])))
    return draw_points(image, landmark_px)


def draw_faces(image, landmarks_px, boxes, lines=(), poses=None):
    """A colour copy of the picture with n faces, each drawn in proportion to its own box (or the picture, if smaller).

    Parameters
    ----------
    image : uint8 (h, w) or (h, w, 3)
    landmarks_px : (n, k, 2), pixels
    boxes : (n, 4) as left, top, right, bottom, pixels
    lines : tuple of tuples of int
        Points that are joined, as in `Points.lines`; the points of a set with lines are drawn smaller.
    poses : (n, 3) or None
        Pitch, yaw and roll, degrees: the head's axes are drawn from the middle of its points.
    """
    image = as_colour(image)
    for i, (landmark_px, box) in enumerate(zip(landmarks_px, np.asarray(boxes, dtype=np.float64).reshape(-1, 4))):
        width = min(box[2] - box[0], max(image.shape[:2]))
        image = draw_box(image, BBox(*box), thickness=max(1, round(0.012 * width)))
        image = draw_lines(image, landmark_px, lines, thickness=max(1, round(0.008 * width)))
        image = draw_points(image, landmark_px, max(1.0, 0.009 * width) if lines else max(1.5, 0.022 * width),
                            (BRIGHT,) if lines else POINT_COLOURS)
        if poses is not None:
            image = draw_axes(image, poses[i], np.mean(landmark_px, axis=0), 0.5 * width)
    return image


def draw_axes(image, pose, middle, length):
    """A colour copy of the picture with a head's axes: red to the right of the picture, green down, blue to where the
    nose points.

    pose : (3,), pitch, yaw and roll, degrees; middle : (2,), where they begin; length : of an axis, both pixels
    """
    image = as_colour(image)
    ends = np.asarray(middle, np.float64) + length * rotation_of(pose)[:2].T
    for end, colour in zip(ends, AXIS_COLOURS):
        if np.isfinite([*end, *middle]).all():
            cv2.line(image, fixed_point(middle), fixed_point(end), colour, max(1, round(0.05 * length)), cv2.LINE_AA,
                     SHIFT)
    return image


def draw_lines(image, landmark_px, lines, thickness=1):
    """A colour copy of the picture with the points of landmark_px (k, 2) joined, each line in a colour of its own."""
    image = as_colour(image)
    for i, line in enumerate(lines):
        corners = np.asarray(landmark_px, np.float64)[list(line)]
        if np.isfinite(corners).all():
            cv2.polylines(image, [np.array(fixed_point(corners))], False, POINT_COLOURS[i % len(POINT_COLOURS)],
                          thickness, cv2.LINE_AA, SHIFT)
    return image


def contact_sheet(images, landmarks=None, columns=8, scale=1.0, titles=None, boxes=None, gap=4):
    """One picture of many: uint8 (h, w, 3).

    images: n pictures of any sizes, grey, colour or float; landmarks: n arrays (k, 2), pixels of each; titles: n short
    texts, drawn above; boxes: n BBox. Every picture is enlarged by `scale` before points are drawn, so that points stay
    sharp on a 15 x 15 patch. Raises ValueError when there is nothing to show.
    """
    if not len(images):
        raise ValueError("a contact sheet needs at least one picture")
    cells = [_cell(images[i], None if landmarks is None else landmarks[i], None if boxes is None else boxes[i],
                   scale, None if titles is None else str(titles[i])) for i in range(len(images))]
    high, wide = max(c.shape[0] for c in cells) + gap, max(c.shape[1] for c in cells) + gap
    rows = -(-len(cells) // columns)
    sheet = np.full((rows * high + gap, min(columns, len(cells)) * wide + gap, 3), _PAPER, np.uint8)
    for i, cell in enumerate(cells):
        top, left = gap + i // columns * high, gap + i % columns * wide
        sheet[top:top + cell.shape[0], left:left + cell.shape[1]] = cell
    return sheet


def _cell(image, landmark_px, bbox, scale, title):
    image = as_colour(image)
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    image = cv2.resize(image, size, interpolation=cv2.INTER_NEAREST if scale > 1.5 else cv2.INTER_AREA)
    if bbox is not None:
        image = draw_box(image, type(bbox)(*_scaled(bbox.as_array(), scale)), thickness=1)
    if landmark_px is not None:
        image = draw_points(image, _scaled(landmark_px, scale))
    return image if title is None else _titled(image, title)


def _titled(image, title):
    (wide, _), _ = cv2.getTextSize(title, cv2.FONT_HERSHEY_SIMPLEX, 0.4, 1)
    strip = np.full((16, max(image.shape[1], wide + 2), 3), _PAPER, np.uint8)
    cv2.putText(strip, title, (1, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.4, _BLACK, 1, cv2.LINE_AA)
    padded = np.full((image.shape[0], strip.shape[1], 3), _PAPER, np.uint8)
    padded[:, :image.shape[1]] = image
    return np.concatenate([strip, padded])


def _scaled(points_px, scale):
    # Pixel centres are whole numbers, so the picture's corner lies at -0.5.
    return (np.asarray(points_px, dtype=np.float64) + 0.5) * scale - 0.5


def fixed_point(values_px):
    """Pixels as the whole numbers that OpenCV draws at, 2**SHIFT a pixel: an int, or a list like the array of values.
    What is too far out for OpenCV is brought nearer."""
    return np.rint(np.clip(values_px, -_FARTHEST, _FARTHEST) * 2 ** SHIFT).astype(int).tolist()
