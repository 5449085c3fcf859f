"""What a picture may cost, told from its first bytes: against what OpenCV makes of the same bytes."""
import struct
import tracemalloc
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deeplandmark.faces.errors import PictureError
from deeplandmark.faces.picture import decode_upright, read_colour, read_grey, read_upright
from deeplandmark.work.picture_header import read_header, without_texts
from deeplandmark.work.picture_limits import VARIABLE, PictureLimits, checked_header, limit_pictures, picture_limits

GREY_ONLY, FLOATS = (".pgm", ".pbm"), (".hdr", ".pfm")
SUFFIXES = [".jpg", ".png", ".webp", ".bmp", ".gif", ".tiff", ".pgm", ".pbm", ".ppm", ".pnm", ".pam", ".avif",
            ".sr", *FLOATS]


NO_SAMPLING = b"\xff\xd8\xff\xc0\0\x0b\x08\0\x10\0\x10\x01\x01\0\0\xff\xd9"     # a JPEG whose one component has none


def encoded(image, suffix, *parameters):
    """The bytes of a picture's file; skips what this OpenCV does not write."""
    try:
        done, data = cv2.imencode(suffix, image, parameters)
    except cv2.error:
        done = False
    if not done:
        pytest.skip(f"this OpenCV writes no {suffix}")
    return data.tobytes()


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width, height, rows, depth=8, colours=2, interlaced=0, texts=b"", level=9):
    """A PNG whose packed rows are the bytes given."""
    sizes = struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, interlaced)
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", sizes)
    return start + texts + chunk(b"IDAT", zlib.compress(rows, level)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=10, deadline=None)
@given(width=st.integers(1, 300), height=st.integers(1, 300))
def test_headers_tell_the_size_of_every_format(suffix, width, height):
    width, height = (max(8, width), max(8, height)) if suffix == ".avif" else (width, height)
    image = np.full((height, width) if suffix in GREY_ONLY else (height, width, 3), 90,
                    np.float32 if suffix in FLOATS else np.uint8)
    data = encoded(image, suffix)
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    header = checked_header(data)
    assert (header.height, header.width) == decoded.shape[:2] == (height, width)
    assert header.bytes_per_pixel * width * height >= decoded.nbytes


def test_the_size_of_jpeg_2000_is_that_of_its_data():
    """Its boxes tell one as well, which OpenJPEG does not go by; the picture lies between two corners."""
    sizes = struct.pack(">HHHIIIIIIIIH", 0xff51, 47, 0, 1030, 2060, 30, 60, 64, 64, 0, 0, 3)
    boxes = b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0\0\0\x16ihdr" + struct.pack(">IIHBBBB", 9, 9, 3, 7, 7, 0, 0)
    for data in (b"\xff\x4f" + sizes, boxes + b"\xff\x4f" + sizes):
        assert read_header(data)[:4] == ("JPEG 2000", 1000, 2000, 3 + 12)


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_sixteen_bits_and_opacity_count(suffix):
    data = encoded(np.zeros((50, 60, 4), np.uint16), suffix)
    assert read_header(data).bytes_per_pixel == 8
    checked_header(data, PictureLimits(4000))                    # 6 bytes a pixel: 24,000
    with pytest.raises(ValueError, match="60 x 50 at 8 bytes"):
        checked_header(data, PictureLimits(3999))


def test_coefficients_of_scans_count():
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    assert read_header(encoded(image, ".jpg")).bytes_per_pixel == 3
    whole = encoded(image, ".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
                    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)
    half = encoded(image, ".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
                   cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420)
    assert read_header(whole).bytes_per_pixel == 3 + 6 and read_header(half).bytes_per_pixel == 3 + 3


def test_pixels_are_limited_for_every_reader(tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    path = tmp_path / "a.png"
    path.write_bytes(encoded(np.zeros((30, 40), np.uint8), ".png"))
    assert picture_limits() == PictureLimits() and read_grey(path).shape == (30, 40)
    monkeypatch.setenv(VARIABLE, "")                             # so that it is taken back afterwards
    limit_pictures(1199)
    for read in (read_grey, read_colour, read_upright):
        with pytest.raises(PictureError, match=r"a\.png: a picture has at most 1,199 pixels, found 40 x 30 = 1,200"):
            read(path)
    limit_pictures(1200)
    assert read_upright(path).shape == (30, 40, 3)


def test_a_large_picture_of_few_bytes_is_refused_before_it_is_decoded(tmp_path):
    rows = zlib.compressobj(9)
    packed = b"".join(rows.compress(bytes(1 << 20)) for _ in range(200)) + rows.flush()
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 24_000, 24_000, 8, 2, 0, 0, 0)) \
        + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    tracemalloc.start()
    with pytest.raises(PictureError, match="at most 120,000,000 pixels, found 24000 x 24000"):
        decode_upright(data)
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("interlaced", [0, 1])
@pytest.mark.parametrize("depth, colours", [(8, 2), (16, 6), (1, 0), (4, 3), (8, 4)])
def test_a_png_may_unfold_to_its_rows_and_no_further(monkeypatch, depth, colours, interlaced):
    """Whole pictures by what a PNG's specification says of rows, by plain loops; one byte more is refused."""
    width, height, samples = 37, 29, {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colours]
    starts = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    total = 0
    for left, top, across, down in starts if interlaced else [(0, 0, 1, 1)]:
        columns, rows = len(range(left, width, across)), len(range(top, height, down))
        total += rows * (1 + (columns * depth * samples + 7) // 8) if columns else 0
    monkeypatch.setattr("deeplandmark.work.picture_limits._PACKED", 10 ** 9)   # as if every file were large
    for level in (0, 9):
        checked_header(png(width, height, bytes(total), depth, colours, interlaced, level=level))
        with pytest.raises(ValueError, match="unfold to more than its 37 x 29 pixels"):
            checked_header(png(width, height, bytes(total + 1), depth, colours, interlaced, level=level))


def test_png_bombs():
    with pytest.raises(ValueError, match="unfold to more than its 10 x 10"):
        checked_header(png(10, 10, bytes(4 << 20)))              # packed data longer than all rows
    image = np.zeros((1200, 1000, 3), np.uint8)
    packed = png(1000, 1200, bytes(60 << 20))                   # far into what the largest picture may unfold to
    with pytest.raises(ValueError, match="unfold to more than its 1000 x 1200"):
        checked_header(packed, PictureLimits(1_200_000))
    checked_header(encoded(image, ".png"), PictureLimits(1_200_000))


def test_a_png_may_not_claim_what_it_has_not():
    """OpenCV takes so much memory before it sees that the file ends; one that is cut short claims what it had."""
    whole = png(60, 50, bytes(50 * 181))
    place = whole.index(b"IDAT") - 4
    for claimed in (0x27FF0020, 0xFFFFFFFF):
        with pytest.raises(ValueError, match="claims more data than its 60 x 50 pixels can have"):
            checked_header(whole[:place] + struct.pack(">I", claimed) + whole[place + 4:])
    checked_header(whole[:place + 12])


def test_packed_texts_of_a_png_are_not_unpacked(monkeypatch):
    """libpng would unpack each, up to 8 MB; OpenCV is not given them."""
    rows = b"".join(b"\0" + bytes(range(30)) for _ in range(10))
    texts = b"".join([chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(100))), chunk(b"tEXt", b"b\0c"),
                      chunk(b"iTXt", b"a\0\1\0\0\0" + zlib.compress(bytes(100))), chunk(b"iCCP", b"a\0\0x")])
    plain, with_texts = png(10, 10, rows), png(10, 10, rows, texts=texts)
    assert without_texts(with_texts) == plain == without_texts(plain)
    seen, decode = [], cv2.imdecode
    monkeypatch.setattr(cv2, "imdecode", lambda data, flag: seen.append(data.tobytes()) or decode(data, flag))
    np.testing.assert_array_equal(decode_upright(with_texts), decode(np.frombuffer(plain, np.uint8), cv2.IMREAD_COLOR))
    assert set(seen) == {plain}


def test_scans_of_a_jpeg_are_counted():
    image = np.random.default_rng(0).integers(0, 256, (64, 80, 3), np.uint8)
    data = encoded(image, ".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    scan = data[data.rindex(b"\xff\xda"):-2]
    own = read_header(data).scans
    assert own == data.count(b"\xff\xda") and 5 < own < 20
    more = data[:-2] + (100 - own) * scan + b"\xff\xd9"
    assert checked_header(more).scans == 100
    with pytest.raises(ValueError, match="at most 100 scans, found 101"):
        checked_header(more[:-2] + scan + b"\xff\xd9")
    with pytest.raises(ValueError, match="at most 20 scans, found 100"):   # those of the largest picture cost more
        checked_header(more, PictureLimits(64 * 80))


def test_what_is_no_picture_or_has_none():
    for data in (b"", b"GIF", b"\0" * 100, b"<svg/>", b"\xff\xd9"):
        with pytest.raises(ValueError, match="not a picture in a known format"):
            checked_header(data)
    for data in (b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"P5\n", b"P7\n", b"RIFFxxxxWEBPVP8 ",
                 NO_SAMPLING, b"II*\0\xff\xff\xff\xff", b"#?RADIANCE\n", b"\xff\x4f\xff\x51", png(0, 10, b"")):
        with pytest.raises(ValueError, match="header is damaged"):
            checked_header(data)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(SUFFIXES), st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=8),
       st.integers(0, 2000))
@example(".png", [], 26)                                        # of the 13 bytes that tell sizes, only ten are there
@example(".pgm", [], 0)
def test_damaged_headers_raise_nothing_else(suffix, changes, length):
    image = np.full((24, 32) if suffix in GREY_ONLY else (24, 32, 3), 90, np.float32 if suffix in FLOATS else np.uint8)
    data = bytearray(encoded(image, suffix))
    for place, value in changes:
        data[place % len(data)] = value
    try:
        header = checked_header(bytes(data[:length]))
    except ValueError:
        return
    assert 0 < header.width * header.height <= PictureLimits().pixels
