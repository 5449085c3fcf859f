"""Pictures of any make: orientation, transparency, depth; written whole or not at all."""

import struct
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from deeplandmark.faces import PictureError
from deeplandmark.faces.draw import draw_faces
from deeplandmark.faces.picture import decode_upright, is_truncated, read_upright, write_picture


def corner_picture():
    """Tall, grey, with red, green and blue in its left top, right top and left bottom corner (blue, green, red)."""
    image = np.full((48, 32, 3), 90, np.uint8)
    image[:16, :16], image[:16, 16:], image[32:, :16] = (0, 0, 255), (0, 255, 0), (255, 0, 0)
    return image


# EXIF orientation: how the stored picture must be changed to be upright, written with numpy.
UPRIGHT = {1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
           5: lambda a: a.transpose(1, 0, 2), 6: lambda a: np.rot90(a, -1),
           7: lambda a: np.rot90(a, 2).transpose(1, 0, 2), 8: lambda a: np.rot90(a)}


def jpeg(image, *parameters):
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 100, *parameters])[1].tobytes()


def with_exif(data, exif):
    """The bytes of a JPEG with that piece before all others."""
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_jpegs_are_turned_upright(tmp_path, orientation):
    entry = struct.pack("<HHII", 0x0112, 3, 1, orientation)
    exif = b"Exif\0\0" + b"II*\0" + struct.pack("<IH", 8, 1) + entry + struct.pack("<I", 0)
    path = tmp_path / "photo.JPG"
    path.write_bytes(with_exif(jpeg(corner_picture()), exif))
    expected = UPRIGHT[orientation](corner_picture())
    image = read_upright(path)
    assert image.shape == expected.shape
    middles = np.s_[8::16, 8::16]
    assert abs(image[middles].astype(int) - expected[middles]).max() < 12


@pytest.mark.parametrize("suffix, dtype", [(".png", np.uint8), (".png", np.uint16), (".webp", np.uint8)])
def test_transparent_parts_are_white(tmp_path, suffix, dtype):
    top = np.iinfo(dtype).max
    image = np.zeros((40, 60, 4), dtype)
    image[..., 2], image[:, :20, 3], image[:, 20:40, 3] = top, top, top // 2
    assert cv2.imwrite(str(tmp_path / f"a{suffix}"), image, [cv2.IMWRITE_WEBP_QUALITY, 101])
    red, mixed, white = read_upright(tmp_path / f"a{suffix}")[20, [10, 30, 50]].astype(int)
    np.testing.assert_allclose([red, mixed, white], [[0, 0, 255], [128, 128, 255], [255, 255, 255]], atol=2)


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
@pytest.mark.parametrize("shape", [(8, 6), (8, 6, 3)])
def test_sixteen_bits_and_grey(tmp_path, suffix, shape):
    values = np.linspace(0, 65535, int(np.prod(shape))).reshape(shape).astype(np.uint16)
    assert cv2.imwrite(str(tmp_path / f"a{suffix}"), values)
    image = read_upright(tmp_path / f"a{suffix}")
    assert image.dtype == np.uint8 and image.shape == (8, 6, 3)
    np.testing.assert_allclose(image, (values / 257).reshape(8, 6, -1) * np.ones(3), atol=1)


def test_bad_files(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    for name in ("a.png", "nothing.png"):
        with pytest.raises(PictureError, match=name):
            read_upright(tmp_path / name)


@pytest.mark.parametrize("parameters", [(), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1), (cv2.IMWRITE_JPEG_RST_INTERVAL, 1)],
                         ids=["baseline", "progressive", "restarts"])
def test_jpegs_cut_anywhere_and_whole_ones_with_more_behind(parameters):
    rng = np.random.default_rng(0)  # noise has every byte, 255 too
    data = jpeg(rng.integers(0, 256, (40, 40, 3), np.uint8), *parameters)
    for whole in (data, with_exif(data, b"Exif\0\0" + jpeg(corner_picture()))):
        assert all(is_truncated(whole[:length]) for length in range(2, len(whole)))
        assert not is_truncated(whole)
        for trailer in (bytes(9), b"\xff\xda and a film", whole[:500], *map(rng.bytes, (1, 70, 5000))):
            assert not is_truncated(whole + trailer)


def decoded(data):
    """The picture, or None where it is refused."""
    try:
        return decode_upright(data).astype(int)
    except PictureError as error:
        assert "cut short" in str(error) or "damaged" in str(error)
        return None


@pytest.mark.parametrize("parameters", [(), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1), (cv2.IMWRITE_JPEG_RST_INTERVAL, 1)],
                         ids=["baseline", "progressive", "restarts"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_jpeg_that_lacks_its_end_marker_alone_is_whole(parameters, channels):
    """And no other that is cut: what is taken has every pixel, to a grey level."""
    image = cv2.GaussianBlur(np.random.default_rng(1).integers(0, 256, (60, 75, channels), np.uint8), (0, 0), 2)
    data = jpeg(image, *parameters)
    whole, taken = decoded(data), []
    for length in range(2, len(data)):
        found = decoded(data[:length])
        if found is not None:
            assert np.abs(found - whole).max() <= 1
            taken.append(len(data) - length)
    assert {1, 2} <= set(taken) and len(taken) <= 5


@pytest.mark.parametrize("parameters", [(cv2.IMWRITE_JPEG_QUALITY, 75), (cv2.IMWRITE_JPEG_QUALITY, 90)])
def test_a_jpeg_damaged_in_the_middle_is_refused(parameters):
    """Where its data end too early for that: of a sector of zeros nearly always."""
    rng, refused = np.random.default_rng(2), 0
    data = jpeg(cv2.GaussianBlur(rng.integers(0, 256, (300, 300, 3), np.uint8), (0, 0), 5), *parameters)
    begin = data.rindex(b"\xff\xda") + 14
    for place in rng.integers(begin, len(data) - 600, 20):
        refused += decoded(data[:place] + bytes(512) + data[place + 512:]) is None
    assert refused >= 16


@pytest.mark.parametrize("corner", [(0, 0), (0, -1), (-1, 0), (-1, -1)])
def test_a_grey_corner_alone_is_no_damage(corner):
    image = np.full((64, 64, 3), 200, np.uint8)
    image[:32, :32] = 128
    image = np.ascontiguousarray(image[::-1 if corner[0] else 1, ::-1 if corner[1] else 1])
    assert decoded(jpeg(image)) is not None and decoded(jpeg(np.full((64, 64), 128, np.uint8))) is not None
    assert decoded(jpeg(np.full((1, 1), 128, np.uint8))) is not None


def test_writing_leaves_nothing_half_done(tmp_path):
    write_picture(tmp_path / "a.png", corner_picture())
    np.testing.assert_array_equal(read_upright(tmp_path / "a.png"), corner_picture())
    (tmp_path / "b.png").mkdir()
    with pytest.raises(OSError, match="b.png: cannot be written"):
        write_picture(tmp_path / "b.png", corner_picture())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]


def test_many_threads_write_one_picture(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: write_picture(tmp_path / "a.png", image), range(40)))
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    np.testing.assert_array_equal(read_upright(tmp_path / "a.png"), image)


@pytest.mark.parametrize("name", ["wide.jpg", "no.picture"])
def test_what_opencv_cannot_write_is_said(tmp_path, name):
    with pytest.raises(OSError, match=f"{name}: OpenCV writes no pictures of this kind and size, 70000 x 1 "):
        write_picture(tmp_path / name, np.zeros((1, 70000, 3), np.uint8))


def test_faces_are_drawn_in_proportion():
    image = np.zeros((400, 600, 3), np.uint8)
    points = np.array([[[50, 60]], [[400, 200]]], np.float32)
    drawn = draw_faces(image, points, [[40, 40, 60, 80], [200, 50, 550, 350]])
    small, large = (drawn[40:80, 40:60], drawn[50:350, 200:550])
    assert not image.any() and 0 < np.count_nonzero(small.any(axis=2)) < np.count_nonzero(large.any(axis=2))
    assert draw_faces(image, np.zeros((0, 5, 2)), np.zeros((0, 4))).shape == image.shape
