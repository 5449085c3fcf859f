"""Where a picture has nothing to see: around a point it is of one colour."""
import cv2
import numpy as np

REACH = 0.15            # of the box width, to each side of a point: what networks see that look at one point


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
    height, width = image.shape[:2]
    reach = REACH * np.asarray(box_width, np.float64)[:, None, None]
    with np.errstate(invalid="ignore"):                          # of networks that answer nonsense
        edges = np.concatenate([points_px - reach, points_px + reach], axis=-1)
    edges = np.rint(np.clip(np.nan_to_num(edges), 0, [width - 1, height - 1] * 2)).astype(int)
    found = _corners_are_alike(image, edges)                     # of few it is worth to look at every pixel
    for face, point in np.argwhere(found):
        left, top, right, bottom = edges[face, point]
        found[face, point] = _is_one_colour(image[top:bottom + 1, left:right + 1])
    return found


def _corners_are_alike(image, edges):
    """bool (n, k): of regions (n, k, 4)."""
    first, *others = (np.atleast_3d(image)[edges[..., y], edges[..., x]]
                      for x, y in ((0, 1), (2, 3), (0, 3), (2, 1)))
    return np.all([(other == first).all(axis=-1) for other in others], axis=0)


def _is_one_colour(part):
    if part.ndim == 3:
        return bool((part == part[0, 0]).all())
    least, most, _, _ = cv2.minMaxLoc(part)
    return least == most
