"""A picture drawn at twice its size and averaged down, so that edges come out smooth."""

import cv2
import numpy as np

ZOOM = 2
_SHIFT = 4      # bits below the pixel in OpenCV's drawing calls
_CLIP_MARGIN_PX = 24
_SOFT = 4       # soft layers are drawn this many times coarser than the canvas


class Canvas:
    """Draws in pixels of the final picture: pixel centres are whole numbers."""

    def __init__(self, image):
        """image: the background, uint8 (h, w, 3) of the final size."""
        self.height, self.width = image.shape[:2]
        self.pixels = cv2.resize(image, None, fx=ZOOM, fy=ZOOM, interpolation=cv2.INTER_LINEAR)

    def fill(self, points_px, colour):
        """Fills the polygon points_px (n, 2)."""
        cv2.fillPoly(self.pixels, [_fixed(points_px)], _bgr(colour), cv2.LINE_8, _SHIFT)

    def fill_hull(self, points_px, colour):
        """Fills the convex hull of points_px (n, 2)."""
        self.fill(hull(points_px), colour)

    def line(self, points_px, colour, thickness_px, closed=False):
        """A polyline through points_px (n, 2); thickness in pixels of the final picture."""
        thickness = max(1, round(ZOOM * thickness_px))
        cv2.polylines(self.pixels, [_fixed(points_px)], closed, _bgr(colour), thickness, cv2.LINE_AA, _SHIFT)

    def inside(self, points_px):
        """A canvas that shares this one's pixels and draws only inside the polygon, used as `with`."""
        return _Clipped(self, points_px)

    def blend(self, polygons_px, colour, strength, blur_px, texture=None):
        """Mixes `colour` softly into the polygons' inside; `texture` (h, w) in 0..1, of the canvas' size, makes it
        patchy."""
        rows, columns = self._span(polygons_px, 3 * blur_px + 4)
        patch = self.pixels[rows, columns]
        if patch.size == 0:
            return
        alpha = strength * _soft_mask(polygons_px, blur_px, rows, columns)
        if texture is not None:
            alpha *= texture[rows, columns]
        paint = np.full(patch.shape, np.round(np.clip(colour, 0, 255)), np.uint8)
        patch[:] = cv2.blendLinear(paint, np.ascontiguousarray(patch), alpha, 1 - alpha)

    def shade(self, gain, polygon_px, blur_px=2.0):
        """Multiplies the inside of a polygon, softly bounded, by `gain` (any h, w, 3) stretched over the picture."""
        rows, columns = self._span([polygon_px], 3 * blur_px + 4)
        patch = self.pixels[rows, columns]
        whole = self.pixels.shape
        # Light changes slowly: it is worked out on a grid as coarse as the mask.
        gain = cv2.resize(gain, (whole[1] // _SOFT, whole[0] // _SOFT), interpolation=cv2.INTER_LINEAR)
        gain = gain[rows.start // _SOFT:rows.stop // _SOFT, columns.start // _SOFT:columns.stop // _SOFT]
        alpha = _coarse_mask([polygon_px], blur_px, rows, columns)[..., None]
        factor = 1 + alpha * (gain[:alpha.shape[0], :alpha.shape[1]] - 1)
        factor = cv2.resize(factor, patch.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        patch[:] = cv2.multiply(np.ascontiguousarray(patch), factor, dtype=cv2.CV_8U)

    def finished(self):
        """The picture, uint8 (h, w, 3)."""
        return cv2.resize(self.pixels, (self.width, self.height), interpolation=cv2.INTER_AREA)

    def _span(self, polygons_px, margin_px):
        """The rows and columns of the canvas that the polygons reach, in whole cells of the soft grid."""
        points = np.concatenate([np.asarray(p) for p in polygons_px])
        limit = np.array(self.pixels.shape[1::-1]) // _SOFT
        low = np.clip((points.min(axis=0) - margin_px) * ZOOM // _SOFT, 0, limit).astype(int) * _SOFT
        high = np.clip((points.max(axis=0) + margin_px) * ZOOM // _SOFT + 1, 0, limit).astype(int) * _SOFT
        return slice(low[1], high[1]), slice(low[0], high[0])


class _Clipped:
    """Puts back, on leaving, what was drawn outside the polygon, up to _CLIP_MARGIN_PX from it."""

    def __init__(self, canvas, points_px):
        self.canvas, self.points_px = canvas, points_px
        self.span = canvas._span([points_px], _CLIP_MARGIN_PX)

    def __enter__(self):
        self.before = self.canvas.pixels[self.span].copy()
        return self.canvas

    def __exit__(self, *error):
        if self.before.size:
            mask = np.zeros(self.before.shape[:2], np.uint8)
            corner = np.array([self.span[1].start, self.span[0].start]) / ZOOM
            cv2.fillPoly(mask, [_fixed(self.points_px - corner)], 1, cv2.LINE_8, _SHIFT)
            np.copyto(self.canvas.pixels[self.span], self.before, where=mask[..., None] == 0)


def hull(points_px):
    """The convex hull (m, 2) of points_px (n, 2)."""
    return cv2.convexHull(np.asarray(points_px, np.float32))[:, 0]


def _soft_mask(polygons_px, blur_px, rows, columns):
    """0..1 float32 for these rows and columns of the canvas: the polygons, blurred."""
    coarse = _coarse_mask(polygons_px, blur_px, rows, columns)
    return cv2.resize(coarse, (columns.stop - columns.start, rows.stop - rows.start), interpolation=cv2.INTER_LINEAR)


def _coarse_mask(polygons_px, blur_px, rows, columns):
    """The same on the soft grid."""
    coarse = np.zeros(((rows.stop - rows.start) // _SOFT, (columns.stop - columns.start) // _SOFT), np.uint8)
    corner = np.array([columns.start, rows.start])
    for points_px in polygons_px:
        points = (np.asarray(points_px) * ZOOM + ZOOM / 2 - corner) / _SOFT - 0.5
        cv2.fillPoly(coarse, [np.round(points * 2 ** _SHIFT).astype(np.int32)], 255, cv2.LINE_AA, _SHIFT)
    return cv2.GaussianBlur(coarse * np.float32(1 / 255), (0, 0), max(0.4, blur_px * ZOOM / _SOFT))


def _fixed(points_px):
    # Final pixel x covers canvas pixels 2x and 2x+1, so its centre lies at 2x + 0.5.
    return np.round((np.asarray(points_px) * ZOOM + (ZOOM - 1) / 2) * 2 ** _SHIFT).astype(np.int32)


def _bgr(colour):
    return tuple(float(c) for c in np.clip(colour, 0, 255))
