"""An uploaded picture: looked at before it is decoded."""
import numpy as np

from deeplandmark.faces.box import BBox, beyond_picture
from deeplandmark.faces.errors import PictureError
from deeplandmark.faces.picture import decode_upright
from deeplandmark.web.limits import Refusal
from deeplandmark.work.picture_limits import HINT, PictureLimits


def decode(data, max_pixels):
    """The picture in a file's bytes as `faces.picture.read_upright` gives it: uint8 (h, w, 3), blue green red.

    Raises
    ------
    Refusal
        422 when the bytes are no whole picture or one of more than `max_pixels`.
    """
    if not data:
        raise Refusal(422, "the picture is empty")
    try:
        return decode_upright(data, PictureLimits(max_pixels))
    except PictureError as error:
        raise Refusal(422, str(error).removesuffix(HINT)) from None


def check_boxes(boxes, width, height, most):
    """Raises Refusal 422 for boxes (n, 4) beyond a picture of that size (see `faces.box.beyond_picture`), and for such
    as cover more than `most` pixels of it altogether: each costs time by its size."""
    problem = beyond_picture(boxes, width, height)
    if problem is not None:
        raise Refusal(422, problem)
    inside = np.clip(boxes, 0, [width, height, width, height])
    covered = sum(BBox(*box).width * BBox(*box).height for box in inside)
    if covered > most:
        raise Refusal(422, f"the boxes cover {covered:,.0f} pixels of the picture altogether, at most {most:,}")
