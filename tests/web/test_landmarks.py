"""The endpoint over real HTTP: what it answers, and what it refuses."""
import http.client
import json
import socket
import struct
import zlib

import cv2
import numpy as np
import pytest
from jsonschema import Draft202012Validator

import deeplandmark
from tests.helpers.server import BOUNDARY, encoded, face, multipart

pytestmark = pytest.mark.process  # of a server

IMAGE, TRUTH, BOX = face()
PNG = encoded(IMAGE)
WIDTH = float(BOX.split(",")[2]) - float(BOX.split(",")[0])


def points_of(server, picture, **fields):
    """(points (5, 2), the whole answer) of one face with the box given."""
    status, answer = server.post(picture, **{"boxes": BOX, **fields})
    assert status == 200, answer
    assert len(answer["faces"]) == 1
    return np.array(answer["faces"][0]["points"]), answer


def off(points, truth=TRUTH):
    """Mean distance from the truth, as a fraction of the box's width."""
    return np.linalg.norm(points - truth, axis=1).mean() / WIDTH


def schema(server, name):
    """A validator of one schema of the server's own description."""
    document = json.loads(server.get("/openapi.json")[2])
    return Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": document["components"]})


# ----------------------------------------------------------------------------------------------------------- answers
def test_a_face_that_is_found(server):
    status, answer = server.post(encoded(IMAGE, ".jpg"))
    assert status == 200 and len(answer["faces"]) == 1
    schema(server, "Found").validate(answer)
    found = answer["faces"][0]
    assert off(np.array(found["points"])) < 0.1 and found["score"] is not None
    assert found["points"] == found["levels"][-1] and len(found["levels"]) == 3
    assert (answer["height"], answer["width"]) == IMAGE.shape[:2] and answer["ms"] > 0


def test_a_given_box(server):
    points, answer = points_of(server, PNG)
    schema(server, "Found").validate(answer)
    assert off(points) < 0.06
    assert answer["faces"][0]["score"] is None and answer["faces"][0]["box"] == [float(edge) for edge in BOX.split(",")]


def test_levels(server):
    whole = points_of(server, PNG)[1]["faces"][0]["levels"]
    for level in (1, 2, 3):
        points, answer = points_of(server, PNG, level=level)
        assert np.allclose(points, whole[level - 1], atol=0.02) and len(answer["faces"][0]["levels"]) == level


@pytest.mark.parametrize("boxes, count", [
    (f"[{BOX}]", 1), (f"[[{BOX}]]", 1), (f"[[{BOX}], [0, 0, 50, 50]]", 2), ([BOX, "0,0,50,50", "-20,-20,60,60"], 3),
    ("[]", 0)])
def test_ways_to_write_boxes(server, boxes, count):
    status, answer = server.post(PNG, boxes=boxes)
    assert status == 200 and len(answer["faces"]) == count
    if count:
        assert answer["faces"][0]["points"] == points_of(server, PNG)[0].tolist()


def test_how_faces_are_looked_for(server):
    """Fields that the command line has as flags; a face that is smaller than asked for is left out, a turned one is
    found when all turns are looked at."""
    assert len(server.post(PNG, min_face="20")[1]["faces"]) == 1
    assert server.post(PNG, min_face=str(round(2 * WIDTH)))[1]["faces"] == []
    over = np.full((2 * IMAGE.shape[0], 2 * IMAGE.shape[1], 3), 90, np.uint8)
    over[:IMAGE.shape[0], :IMAGE.shape[1]] = IMAGE[::-1, ::-1]
    assert server.post(encoded(over), thorough="false")[1]["faces"] == []
    found = server.post(encoded(over), thorough="true")[1]["faces"]
    assert len(found) == 1 and off(np.array(found[0]["points"]), np.array(IMAGE.shape[1::-1]) - 1 - TRUTH) < 0.08


@pytest.mark.parametrize("tilt", [0, 40])
def test_where_a_head_looks(server, tilt):
    """As `find` says, which looks at tilted faces upright; roll is the tilt."""
    turn = cv2.getRotationMatrix2D(tuple(TRUTH.mean(axis=0).tolist()), -tilt, 1)
    image = cv2.warpAffine(IMAGE, turn, IMAGE.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
    pose = server.post(encoded(image))[1]["faces"][0]["pose"]
    assert np.allclose(pose, deeplandmark.find(image, pose=True).pose[0], atol=0.06)
    assert abs(pose[2] - tilt) < 10


def test_no_face_is_an_empty_list(server):
    status, answer = server.post(encoded(np.full((120, 160, 3), 127, np.uint8)))
    assert status == 200 and answer["faces"] == [] and (answer["width"], answer["height"]) == (160, 120)


def test_an_empty_field_of_a_form_counts_as_absent(server):
    assert server.post(PNG, boxes="")[1]["faces"][0]["score"] is not None


# ---------------------------------------------------------------------------------------------------- kinds of picture
def test_grey_alpha_and_16_bit_are_the_same_face(server):
    expected = points_of(server, PNG)[0]
    alpha = np.dstack([IMAGE, np.full(IMAGE.shape[:2], 255, np.uint8)])
    grey = cv2.cvtColor(IMAGE, cv2.COLOR_BGR2GRAY)
    for picture in (alpha, grey, IMAGE.astype(np.uint16) * 257, grey.astype(np.uint16) * 257):
        assert np.abs(points_of(server, encoded(picture))[0] - expected).max() < 0.5
    for suffix in (".bmp", ".webp"):
        assert np.abs(points_of(server, encoded(IMAGE, suffix))[0] - expected).max() < 1


def with_exif(jpeg, orientation):
    """The JPEG with an Exif segment that holds an orientation alone."""
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0" + struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0) + b"\0\0\0\0"
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]


def test_transparent_parts_are_white(server):
    outside = np.ones(IMAGE.shape[:2], bool)
    left, top, right, bottom = (round(float(edge)) for edge in BOX.split(","))
    outside[top:bottom, left:right] = False
    white, transparent = IMAGE.copy(), np.dstack([IMAGE, np.where(outside, 0, 255)]).astype(np.uint8)
    white[outside], transparent[outside, :3] = 255, 40
    assert np.array_equal(points_of(server, encoded(transparent))[0], points_of(server, encoded(white))[0])


@pytest.mark.parametrize("orientation, stored", [
    (3, cv2.rotate(IMAGE, cv2.ROTATE_180)), (6, cv2.rotate(IMAGE, cv2.ROTATE_90_COUNTERCLOCKWISE)),
    (8, cv2.rotate(IMAGE, cv2.ROTATE_90_CLOCKWISE)), (2, cv2.flip(IMAGE, 1))])
def test_exif_orientation(server, orientation, stored):
    points, answer = points_of(server, with_exif(encoded(stored, ".jpg", cv2.IMWRITE_JPEG_QUALITY, 98), orientation))
    assert (answer["height"], answer["width"]) == IMAGE.shape[:2]
    assert off(points) < 0.06


# ---------------------------------------------------------------------------------------------------------- refusals
@pytest.mark.parametrize("fields, says", [
    ({"level": "4"}, "'level' must be 1, 2 or 3"), ({"level": "two"}, "'level' must be"),
    ({"level": ["1", "2"]}, "'level'"),
    ({"levle": "2"}, "unknown field 'levle' (known: image, boxes, level, points, min_face, thorough)"),
    ({"min_face": "0"}, "'min_face' must be pixels above 1"), ({"min_face": "inf"}, "'min_face' must"),
    ({"min_face": ["20", "30"]}, "may be given once"), ({"thorough": "maybe"}, "'thorough' must be true or false"),
    ({"boxes": "1,2,3"}, "'boxes' must be left,top,right,bottom"), ({"boxes": "[[1,2,3,4],5]"}, "'boxes' must be"),
    ({"boxes": '[["1",2,3,4]]'}, "'boxes' must be"), ({"boxes": "[" * 50000}, "'boxes' must be"),
    ({"boxes": "null"}, "'boxes' must be"), ({"boxes": "9,9,3,20"}, "has no area"),
    ({"boxes": "NaN,0,9,9"}, "has no area"), ({"boxes": "10,10,10.0000001,10.0000001"}, "has no area"),
    ({"boxes": "0,0,1e999,9"}, "has no area"), ({"boxes": str([[0, 0, 9, 9]] * 101)}, "at most 100 boxes"),
    ({"boxes": "1" * 70000}, "maximum size")])
def test_wrong_fields(server, fields, says):
    status, answer = server.post(PNG, **fields)
    assert status == 422 and says in answer["error"]
    schema(server, "Error").validate(answer)


@pytest.mark.parametrize("picture, fields, says", [
    (None, {"level": "1"}, "'image' must be one file"), (None, {"image": "face.jpg"}, "'image' must be one file"),
    (PNG, {"image": "face.jpg"}, "'image' must be one file"), (b"", {}, "empty"),
    (b"GIF89a no", {}, "header is damaged"), (b"<svg/>", {}, "known format"),
    (PNG[:-200], {}, "cut short"), (encoded(IMAGE, ".jpg")[:3000], {}, "cut short"),
    (PNG[:20] + PNG[-20:], {}, "damaged"), (PNG[:60] + bytes(300) + PNG[-12:], {}, "damaged"),
    (encoded(IMAGE, ".bmp")[:5000], {}, "damaged one"), (encoded(IMAGE, ".webp")[:1000], {}, "damaged one")],
    ids=lambda value: value if isinstance(value, str) else "")
def test_no_picture(server, picture, fields, says):
    status, answer = server.post(picture, **fields)
    assert status == 422 and says in answer["error"]


@pytest.mark.parametrize("headers, body, says", [
    ({"Content-Type": "application/json"}, b"{}", "multipart/form-data"),
    ({"Content-Type": "multipart/form-data"}, b"", "boundary"),
    ({"Content-Type": "multipart/form-data; boundary=x"}, b"no form at all", "not a multipart"),
    ({}, b"", "multipart/form-data")])
def test_no_form(server, headers, body, says):
    status, _, answer = server._request("POST", "/api/landmarks", body, headers)
    assert status == 422 and says in json.loads(answer)["error"]


def test_other_methods_and_places(server):
    assert server.get("/api/landmarks")[0] == 405
    for path in ("/nowhere", "/static/../app.py", "/static/%2e%2e/app.py", "/static/"):
        assert server.get(path)[0] == 404


# ------------------------------------------------------------------------------------------------------------ limits
def head(*lines):
    form = f"Content-Type: multipart/form-data; boundary={BOUNDARY}"
    return "\r\n".join(["POST /api/landmarks HTTP/1.1", "Host: localhost", form, *lines, "", ""]).encode()


def talk(server, sent):
    """(status, body) that come back for raw bytes; the connection stays open on this side."""
    with socket.create_connection(server.address, timeout=60) as line:
        line.sendall(sent)
        response = http.client.HTTPResponse(line)
        response.begin()
        return response.status, response.read()


def test_a_declared_length_is_refused_before_anything_is_sent(server):
    status, answer = talk(server, head("Content-Length: 99999999999"))
    assert status == 413 and b"at most 2,000,000 bytes" in answer


def test_a_large_upload_is_told_so_even_to_clients_that_send_it_all_first(server):
    for chunked in (False, True):
        status, answer = server.post(bytes(8_000_000), chunked=chunked)
        assert (status, answer) == (413, {"error": "an upload has at most 2,000,000 bytes"})


def test_an_endless_chunked_body_is_refused_on_the_way(server):
    piece = b"186a0\r\n" + bytes(100_000) + b"\r\n"
    start = multipart(PNG).rsplit(b"\r\n--", 1)[0]
    sent = head("Transfer-Encoding: chunked") + f"{len(start):x}\r\n".encode() + start + b"\r\n" + 25 * piece
    assert talk(server, sent)[0] == 413


def test_a_length_that_lies(server):
    body = multipart(PNG, boxes=BOX)
    status, _ = talk(server, head(f"Content-Length: {len(body) - 50}") + body)
    assert status == 422                                          # what lies beyond it is not read as part of the form
    for wrong in ("-1", "x"):
        assert talk(server, head(f"Content-Length: {wrong}") + body)[0] == 400
    with socket.create_connection(server.address) as line:        # more is announced than comes: the client goes away
        line.sendall(head("Content-Length: 100000") + body[:100])
    assert points_of(server, PNG)[0].shape == (5, 2)              # and the server goes on


def png_bomb(width, height):
    """A small PNG that unfolds to that many black pixels."""
    packer = zlib.compressobj(1)
    rows = b"".join(packer.compress(bytes(100 * (1 + width))) for _ in range(height // 100)) + packer.flush()
    chunks = (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)), (b"IDAT", rows), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(struct.pack(">I", len(data)) + name + data
                                             + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks)


def memory(server):
    """Peak resident memory of the server's processes, the largest, bytes."""
    peaks = []
    for process in (server.process.pid, *server.workers()):
        with open(f"/proc/{process}/status", encoding="ascii") as lines:
            peaks += [1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM")]
    return max(peaks)


def test_pixels_are_counted_before_they_are_decoded(server):
    assert server.post(png_bomb(1000, 1000))[0] == 200
    status, answer = server.post(png_bomb(1001, 1000))
    assert status == 422 and "at most 1,000,000 pixels, found 1001 x 1000 = 1,001,000" in answer["error"]
    before, bomb = memory(server), png_bomb(12_000, 12_000)
    assert len(bomb) < 2_000_000 and server.post(bomb)[0] == 422
    assert memory(server) - before < 50_000_000                   # unfolded it has 144 MB at least


def test_a_bomb_of_which_only_the_header_is_there(server):
    start = PNG[:8] + b"\0\0\0\rIHDR" + struct.pack(">IIBBBBB", 50_000, 50_000, 8, 6, 0, 0, 0)
    assert server.post(start + struct.pack(">I", zlib.crc32(start[12:])) + PNG[33:])[0] == 422
