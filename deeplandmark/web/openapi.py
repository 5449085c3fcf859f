"""The endpoint in OpenAPI's words; `/docs` shows it, the tests hold the answers against it."""
from deeplandmark.work.picture_header import FORMAT_NAMES

_POINT = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2, "description": "x, y"}
_POINTS = {"type": "array", "items": _POINT}


def openapi(limits):
    """The document at /openapi.json, a dict."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "deeplandmark", "version": "1",
                 "description": "Facial points by small convolutional networks. Nothing sent is kept."},
        "paths": {"/api/landmarks": {"post": _landmarks(limits)}, "/api/model": {"get": _model()}},
        "components": {"schemas": {"Upload": _upload(limits), "Found": _found(), "Face": _face(), "Model": _described(),
                                   "Error": _object({"error": {"type": "string", "description": "one line"}})}},
    }


def _landmarks(limits):
    return {
        "operationId": "landmarks",
        "summary": "Find the faces of a picture and their points",
        "description": f"Formats: {FORMAT_NAMES}; turned upright by their EXIF orientation first. "
                       "Coordinates are pixels of the upright picture; (0, 0) is the middle of its first pixel.",
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _ref("Upload")}}},
        "responses": {
            "200": _json("The faces; none is an empty list.", "Found"),
            "408": _json(f"The upload took longer than {limits.seconds:g} seconds.", "Error"),
            "413": _json(f"The upload has more than {limits.bytes:,} bytes.", "Error"),
            "422": _json(f"A field or the picture cannot be used, or has more than {limits.pixels:,} pixels.", "Error"),
            "503": _json(f"{limits.requests} requests are already at work.", "Error"),
        },
    }


def _model():
    return {"operationId": "model", "summary": "What the points are called, and what the limits are",
            "responses": {"200": _json("The model that answers.", "Model")}}


def _upload(limits):
    return {
        "type": "object", "required": ["image"], "additionalProperties": False,
        "properties": {
            "image": {"type": "string", "contentMediaType": "application/octet-stream",
                      "description": "the picture's file"},
            "boxes": {"type": "string", "examples": ["[[84, 92, 161, 169]]", "84,92,161,169"],
                      "description": f"face boxes: left, top, right, bottom; at most {limits.faces}. "
                                     "Without them faces are looked for"},
            "points": {"type": "integer", "examples": [68],
                       "description": "how many points of a face: those of the model, or of one of its others"},
            "min_face": {"type": "number", "exclusiveMinimum": 0, "examples": [20],
                         "description": "width of the smallest face to look for: pixels above 1, up to 1 a share of "
                                        "the picture's shorter side"},
            "thorough": {"type": "boolean", "default": False,
                         "description": "look at the picture turned by 45, 90 and 180 degrees, too, and for faces half "
                                        "as large"},
            "level": {"type": "integer", "minimum": 1, "maximum": 3, "default": 3,
                      "description": "the last level to run"},
        },
    }


def _found():
    size = {"type": "integer", "minimum": 1, "description": "of the upright picture, pixels"}
    return _object({
        "faces": {"type": "array", "items": _ref("Face"), "description": "in the order of the boxes given"},
        "ms": {"type": "number", "description": "time of the work, without waiting and transfer"},
        "width": size, "height": size,
    })


def _face():
    return _object({
        "box": {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 4,
                "description": "left, top, right, bottom: the box given to the cascade"},
        "points": {**_POINTS, "description": "after the last level, in the order of the model's points"},
        "confidence": {"type": "array", "items": {"type": "number", "minimum": 0, "maximum": 1},
                       "description": "of each point"},
        "score": {"type": ["number", "null"], "description": "the detector's; null for a given box"},
        "pose": {"type": ["array", "null"], "items": {"type": "number"}, "minItems": 3, "maxItems": 3,
                 "description": "pitch, yaw and roll of the head, degrees: above 0 where the nose points up, to the "
                                "right side of the picture, and where the head is tilted clockwise"},
        "levels": {"type": "array", "items": _POINTS, "description": "the points after each level"},
    })


def _described():
    return _object({
        **_set_of_points(),
        "others": {"type": "object", "additionalProperties": _object(_set_of_points()),
                   "description": "further models, by how many points they find"},
        "limits": {**_object({name: {"type": "integer"} for name in ("bytes", "pixels", "faces")}),
                   "description": "of an upload and its picture"},
    })


def _set_of_points():
    texts = {"type": "array", "items": {"type": "string"}}
    return {
        "points": {**texts, "description": "short names, left = left in the picture"},
        "names": {**texts, "description": "names for people"},
        "levels": {"type": "array", "items": {"type": "integer"}, "description": "those it has"},
        "lines": {"type": "array", "items": {"type": "array", "items": {"type": "integer"}},
                  "description": "positions of points that a drawing joins, line by line"},
        "half_sides": {"type": "object", "additionalProperties": {"type": "number"},
                       "description": "half the side of the patch seen at a level, as a fraction of the face box"},
    }


def _object(properties):
    return {"type": "object", "required": list(properties), "properties": properties, "additionalProperties": False}


def _json(description, schema):
    return {"description": description, "content": {"application/json": {"schema": _ref(schema)}}}


def _ref(schema):
    return {"$ref": f"#/components/schemas/{schema}"}
