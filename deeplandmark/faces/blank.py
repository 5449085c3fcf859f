"""Where a picture has nothing to see: around a point it is of one colour."""
import cv2
import numpy as np

REACH = 0.15            # of the box width, to each side of a point: what networks see that look at one point
_CORNERS = np.array([[-1, -1], [1, 1], [1, -1], [-1, 1]])


def blank(image, points_px, box_width):
    """Which points have nothing around them but one colour; networks say something of these, too, and agree about it.

    Parameters
    ----------
    image : uint8 (h, w) or (h, w, 3)
    points_px : (n, k, 2), pixels, x then y; those beside the picture see its border
    box_width : (n,), pixels

    Returns
    -------
    bool (n, k)
    """
    reach = REACH * np.asarray(box_width, np.float64)[:, None, None, None]
    corners = np.rint(np.asarray(points_px)[:, :, None] + reach * _CORNERS)
    if not np.isfinite(corners).all():                           # of networks that answer nonsense
        corners = np.nan_to_num(corners)
    corners = np.maximum(np.minimum(corners, (image.shape[1] - 1, image.shape[0] - 1)), 0).astype(int)
    seen = image[corners[..., 1], corners[..., 0]]
    found = (seen == seen[:, :, :1]).all(axis=tuple(range(2, seen.ndim)))
    if found.any():                                              # of few it is worth to look at every pixel
        for face, point in np.argwhere(found):
            (left, top), (right, bottom) = corners[face, point, :2]
            found[face, point] = _is_one_colour(image[top:bottom + 1, left:right + 1])
    return found


def _is_one_colour(part):
    if part.ndim == 3:
        return bool((part == part[0, 0]).all())
    least, most, _, _ = cv2.minMaxLoc(part)
    return least == most
