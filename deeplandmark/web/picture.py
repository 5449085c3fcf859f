"""An uploaded picture: looked at before it is decoded."""
import io

from PIL import Image, UnidentifiedImageError

from deeplandmark.faces.errors import PictureError
from deeplandmark.faces.picture import decode_upright
from deeplandmark.web.limits import Refusal

FORMATS = ("JPEG", "PNG", "WEBP", "BMP")


def decode(data, max_pixels):
    """The picture in a file's bytes as `faces.picture.read_upright` gives it: uint8 (h, w, 3), blue green red.

    Raises
    ------
    Refusal
        422 when the bytes are no whole picture of FORMATS or one of more than `max_pixels`.
    """
    size = read_size(data, max_pixels)
    try:
        image = decode_upright(data)
    except PictureError as error:
        raise Refusal(422, str(error)) from None
    if sorted(image.shape[:2]) != sorted(size):
        raise Refusal(422, "the picture is damaged")
    return image


def read_size(data, max_pixels):
    """(width, height) of a picture from its header alone, before it is turned upright. Errors as `decode`.

    A file of a few kilobytes can unfold to gigabytes: only what passes here may be decoded.
    """
    if not data:
        raise Refusal(422, "the picture is empty")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            width, height = picture.size
    except Image.DecompressionBombError:                          # of Pillow's own limit, which is a larger one
        raise Refusal(422, f"a picture has at most {max_pixels:,} pixels, found many more") from None
    except UnidentifiedImageError:
        raise Refusal(422, f"not a picture in a known format ({', '.join(FORMATS)})") from None
    except Exception:                                             # what a damaged header raises differs by format
        raise Refusal(422, "the picture's header is damaged") from None
    if width * height > max_pixels:
        raise Refusal(422, f"a picture has at most {max_pixels:,} pixels, "
                           f"found {width} x {height} = {width * height:,}")
    return width, height
