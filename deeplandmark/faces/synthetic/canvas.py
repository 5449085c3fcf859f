"""A picture drawn at twice its size and averaged down, so that edges come out smooth."""

import cv2
import numpy as np

ZOOM = 2
_SHIFT = 4      # bits below the pixel in OpenCV's drawing calls
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
        """Mixes `colour` softly into the polygons' inside; `texture` (h, w) in 0..1 makes it patchy."""
        alpha = self._soft_mask(polygons_px, blur_px)
        rows, columns = self._span(polygons_px, blur_px)
        alpha = strength * alpha[rows, columns, None]
        if texture is not None:
            alpha = alpha * texture[rows, columns, None]
        patch = self.pixels[rows, columns]
        patch[:] = patch + alpha * (np.array(colour, np.float32) - patch)

    def shade(self, gain, polygon_px, blur_px=2.0):
        """Multiplies the inside of a polygon by `gain` (h, w, 3), float32, of the canvas' size."""
        alpha = self._soft_mask([polygon_px], blur_px)
        rows, columns = self._span([polygon_px], blur_px)
        factor = 1 + alpha[rows, columns, None] * (gain[rows, columns] - 1)
        patch = self.pixels[rows, columns]
        patch[:] = np.clip(patch * factor, 0, 255)

    def finished(self):
        """The picture, uint8 (h, w, 3)."""
        return cv2.resize(self.pixels, (self.width, self.height), interpolation=cv2.INTER_AREA)

    def _soft_mask(self, polygons_px, blur_px):
        """0..1 float32 of the canvas' size: the polygons, blurred."""
        shape = self.pixels.shape
        coarse = np.zeros((shape[0] // _SOFT, shape[1] // _SOFT), np.uint8)
        for points_px in polygons_px:
            points = np.round(((np.asarray(points_px) * ZOOM + 0.5) / _SOFT - 0.5) * 2 ** _SHIFT).astype(np.int32)
            cv2.fillPoly(coarse, [points], 255, cv2.LINE_AA, _SHIFT)
        coarse = cv2.GaussianBlur(coarse, (0, 0), max(0.3, blur_px * ZOOM / _SOFT))
        return cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR).astype(np.float32) / 255

    def _span(self, polygons_px, blur_px):
        """The rows and columns of the canvas that the blurred polygons reach."""
        points = np.concatenate([np.asarray(p) for p in polygons_px])
        margin = 3 * blur_px + 4
        low = np.clip((points.min(axis=0) - margin) * ZOOM, 0, None).astype(int)
        high = np.clip((points.max(axis=0) + margin) * ZOOM, 0, None).astype(int)
        return slice(low[1], high[1]), slice(low[0], high[0])


class _Clipped:
    def __init__(self, canvas, points_px):
        self.canvas, self.points_px = canvas, points_px

    def __enter__(self):
        (rows, columns) = self.canvas._span([self.points_px], 1)
        self.before = self.canvas.pixels[rows, columns].copy()
        self.rows, self.columns = rows, columns
        return self.canvas

    def __exit__(self, *error):
        patch = self.canvas.pixels[self.rows, self.columns]
        if patch.size == 0:
            return
        mask = np.zeros(patch.shape[:2], np.uint8)
        corner = np.array([self.columns.start, self.rows.start]) / ZOOM
        cv2.fillPoly(mask, [_fixed(self.points_px - corner)], 255, cv2.LINE_8, _SHIFT)
        cv2.copyTo(self.before, cv2.bitwise_not(mask), patch)


def hull(points_px):
    """The convex hull (m, 2) of points_px (n, 2)."""
    return cv2.convexHull(np.asarray(points_px, np.float32))[:, 0]


def _fixed(points_px):
    # Final pixel x covers canvas pixels 2x and 2x+1, so its centre lies at 2x + 0.5.
    return np.round((np.asarray(points_px) * ZOOM + (ZOOM - 1) / 2) * 2 ** _SHIFT).astype(np.int32)


def _bgr(colour):
    return tuple(float(c) for c in np.clip(colour, 0, 255))
