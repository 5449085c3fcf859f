"""Reading an upload: in memory, and never more of it than the limits allow."""
import asyncio
import json
import math
from dataclasses import dataclass

import numpy as np
from python_multipart.exceptions import FormParserError
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from deeplandmark.faces.box import usable
from deeplandmark.web.limits import Refusal

FIELDS = ("image", "boxes", "level", "points", "min_face", "thorough")
LEVELS = ("1", "2", "3")
_YES, _NO = ("true", "1", "on"), ("false", "0", "off", "")
_FIELD_BYTES = 64 * 1024


@dataclass(frozen=True)
class Upload:
    """One request: the picture's file, boxes float64 (n, 4) in its pixels or None, the last level to run, how many
    points of a face are asked for, as text, or None, and how faces are looked for (see `load_detector`)."""
    data: bytes
    boxes: np.ndarray = None
    level: int = 3
    points: str = None
    min_face: float = None
    thorough: bool = False


async def read_body(request, limits, hold=lambda count: None):
    """The bytes of a request's body.

    Parameters
    ----------
    request : starlette Request
    limits : Limits
    hold : (int) -> None
        Called with the bytes of each piece as it comes; may raise a Refusal.

    Raises
    ------
    Refusal
        413 for a body of more than `limits.bytes`: by its Content-Length before anything is read, else as soon as so
        much has come. 408 when it does not arrive in time, or too slowly. 422 for one that is no form.
    """
    if _declared_length(request) > limits.bytes:
        raise _too_large(limits)
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise Refusal(422, "the body must be multipart/form-data with a file in field 'image'")
    body, clock = bytearray(), asyncio.get_running_loop().time
    started, pieces = clock(), request.stream()
    try:
        while True:
            left = started + min(limits.seconds, limits.start + len(body) / limits.rate) - clock()
            piece = await asyncio.wait_for(anext(pieces), max(0, left))
            hold(len(piece))
            body += piece
            if len(body) > limits.bytes:
                raise _too_large(limits)
    except StopAsyncIteration:
        return bytes(body)
    except asyncio.TimeoutError:
        raise Refusal(408, f"the upload did not arrive within {limits.seconds:g} seconds, or with less than "
                           f"{limits.rate:,} bytes a second") from None


def parse_upload(content_type, body, limits):
    """The Upload of a form.

    Parameters
    ----------
    content_type : str
        Of its request.
    body : bytes
    limits : Limits

    Raises
    ------
    Refusal
        422 for a body or a field that is not as it should be.
    """
    return asyncio.run(_parsed(content_type, body, limits))


async def _parsed(content_type, body, limits):
    parser = _Parser(Headers({"content-type": content_type}), _once(body), max_files=1, max_fields=limits.faces,
                     max_part_size=_FIELD_BYTES)
    parser.spool_max_size = limits.bytes                          # so that nothing is ever moved to a temporary file
    try:
        form = await parser.parse()
    except (MultiPartException, FormParserError) as error:        # older Starlettes let the second through
        raise Refusal(422, f"not a multipart/form-data body as expected: {error}") from None
    try:
        if not parser.ended:
            raise Refusal(422, "the form stops before its closing boundary")
        return await _checked(form.multi_items(), limits)
    finally:
        await form.close()


async def _once(body):
    yield body


class _Parser(MultiPartParser):
    """Starlette's parser takes a form cut short for a whole one; this one knows."""
    ended = False

    def on_end(self):
        self.ended = True


def _declared_length(request):
    """What Content-Length tells; the HTTP server has refused all but digits. 0 when it is absent."""
    return int(request.headers.get("content-length", 0))


def _too_large(limits):
    return Refusal(413, f"an upload has at most {limits.bytes:,} bytes")


async def _checked(items, limits):
    for name, _ in items:
        if name not in FIELDS:
            raise Refusal(422, f"unknown field {name!r} (known: {', '.join(FIELDS)})")
    texts = {name: [value for key, value in items if key == name] for name in FIELDS}
    if len(texts["image"]) != 1 or not isinstance(texts["image"][0], UploadFile):
        raise Refusal(422, "field 'image' must be one file (curl: -F image=@face.jpg)")
    for name in FIELDS[1:]:
        if any(isinstance(value, UploadFile) for value in texts[name]):
            raise Refusal(422, f"field {name!r} must be text, not a file")
    once = {name: _once_at_most(name, texts[name]) for name in FIELDS[2:]}
    return Upload(boxes=parse_boxes(texts["boxes"], limits.faces), level=_parse_level(once["level"]),
                  points=once["points"] or None, min_face=_parse_min_face(once["min_face"]),
                  thorough=_parse_thorough(once["thorough"]), data=await texts["image"][0].read())


def _once_at_most(name, texts):
    """The text of a field that may be given once, "" where it is not."""
    if len(texts) > 1:
        raise Refusal(422, f"field {name!r} may be given once, found {', '.join(texts)[:40]!r}")
    return texts[0].strip() if texts else ""


def _parse_level(text):
    if text and text not in LEVELS:
        raise Refusal(422, f"field 'level' must be 1, 2 or 3, found {text[:40]!r}")
    return int(text or LEVELS[-1])


def _parse_min_face(text):
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise Refusal(422, "field 'min_face' must be pixels above 1, or up to 1 a share of the picture's shorter side, "
                           f"found {text[:40]!r}")
    return value


def _parse_thorough(text):
    if text.lower() not in _YES + _NO:
        raise Refusal(422, f"field 'thorough' must be true or false, found {text[:40]!r}")
    return text.lower() in _YES


def parse_boxes(texts, most):
    """Boxes (n, 4) of the fields `boxes`, or None when there are none (then faces are looked for).

    Each text is one box `left,top,right,bottom`, with or without brackets, or a JSON list of such: `[[l,t,r,b], ...]`.

    Raises
    ------
    Refusal
        422 for anything else, for a box that is not `usable`, and for more than `most`.
    """
    texts = [text for text in texts if text.strip()]              # a form sends empty fields, too
    if not texts:
        return None
    boxes = [box for text in texts for box in _boxes_of(text)]
    if len(boxes) > most:
        raise Refusal(422, f"at most {most} boxes, found {len(boxes)}")
    array = np.array(boxes, np.float64).reshape(-1, 4)
    for box in array[~usable(array)]:
        raise Refusal(422, f"box {box.tolist()} has no area or lies nowhere near a picture; the order is "
                           "left, top, right, bottom, in pixels")
    return array


def _boxes_of(text):
    text = text.strip()
    try:
        value = json.loads(text if text.startswith("[") else f"[{text}]", parse_int=float)
    except (ValueError, RecursionError):
        raise _no_box(text) from None
    boxes = value if all(isinstance(item, list) for item in value) else [value]
    for box in boxes:
        if len(box) != 4 or not all(isinstance(number, float) for number in box):
            raise _no_box(text)
    return boxes


def _no_box(text):
    return Refusal(422, "field 'boxes' must be left,top,right,bottom or [[left,top,right,bottom], ...], "
                        f"found {text[:60]!r}")
