"""Pictures as people have them: each kind gives the pixels of the file, or words that say what to pass."""
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from deeplandmark.faces.errors import PictureError
from deeplandmark.faces.picture import read_upright
from deeplandmark.faces.picture_input import colour_picture, grey_picture, uint8_picture
from tests.helpers.patience import PATIENCE

BGR = np.random.default_rng(3).integers(0, 256, (6, 9, 3), dtype=np.uint8)
RGB, GREY = BGR[..., ::-1], BGR[..., 1]
BGRA = np.dstack([BGR, np.arange(54, dtype=np.uint8).reshape(6, 9) * 4])
RGBA = BGRA[..., [2, 1, 0, 3]]


@pytest.fixture
def file(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), BGR)
    return tmp_path / "a.png"


@pytest.mark.parametrize("image", [
    BGR, BGR.astype(np.float32) / 255, BGR.astype(np.float64) / 255, BGR[:, ::-1][:, ::-1], Image.fromarray(RGB),
    torch.from_numpy(BGR), torch.from_numpy(RGB.transpose(2, 0, 1).copy()),
    torch.from_numpy(RGB.transpose(2, 0, 1) / 255.0).requires_grad_(),
    torch.from_numpy(RGB.transpose(2, 0, 1).astype(np.float32) / 255)], ids=lambda image: type(image).__name__)
def test_colour_of_every_kind(image):
    found = uint8_picture(image)
    assert found.dtype == np.uint8 and np.array_equal(found, BGR)
    assert np.array_equal(colour_picture(image), BGR)
    assert np.array_equal(grey_picture(image), cv2.cvtColor(BGR, cv2.COLOR_BGR2GRAY))


@pytest.mark.parametrize("image", [
    GREY, GREY[..., None], GREY / 255, Image.fromarray(GREY), torch.from_numpy(GREY.copy()),
    torch.from_numpy(GREY.copy())[None], torch.from_numpy(GREY.copy())[..., None]],
                         ids=lambda image: f"{type(image).__name__}{tuple(np.shape(image))}")
def test_grey_of_every_kind(image):
    assert np.array_equal(uint8_picture(image), GREY) and np.array_equal(grey_picture(image), GREY)
    assert np.array_equal(colour_picture(image), cv2.merge([GREY] * 3))
    assert grey_picture(image).flags.c_contiguous


def test_files_are_read_upright(file):
    for path in (file, str(file)):
        assert np.array_equal(uint8_picture(path), BGR)
    with pytest.raises(PictureError, match="b.png: no such picture"):
        uint8_picture(file.with_name("b.png"))


@pytest.mark.parametrize("image", [
    BGRA, BGRA / 255, Image.fromarray(RGBA), torch.from_numpy(RGBA.transpose(2, 0, 1).copy())],
    ids=["array", "float", "pillow", "tensor"])
def test_opacity_is_laid_over_white_as_in_files(image, tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), BGRA)
    assert np.array_equal(uint8_picture(image), read_upright(tmp_path / "a.png"))
    alpha = BGRA[..., 3:] / 255
    assert np.abs(uint8_picture(image) - (BGR * alpha + 255 * (1 - alpha))).max() <= 0.51


def test_pillow_pictures_of_other_modes():
    picture = Image.fromarray(RGB)
    palette = picture.convert("P", palette=Image.Palette.ADAPTIVE, colors=256)
    assert np.array_equal(uint8_picture(palette), np.asarray(palette.convert("RGB"))[..., ::-1])
    bits = Image.fromarray(GREY).convert("1")
    assert set(np.unique(uint8_picture(bits))) <= {0, 255}
    cmyk = picture.convert("CMYK")
    assert np.array_equal(uint8_picture(cmyk), np.asarray(cmyk.convert("RGB"))[..., ::-1])
    assert np.array_equal(uint8_picture(Image.fromarray(GREY).convert("LA")), cv2.merge([GREY] * 3))
    with pytest.raises(ValueError, match="mode F: its values have no fixed white"):
        uint8_picture(Image.fromarray(GREY.astype(np.float32)))


@pytest.mark.parametrize("image, error, words", [
    (None, TypeError, "None, which cv2.imread gives"), (3, TypeError, "found int"), ([[1, 2]], TypeError, "found list"),
    (b"bytes", TypeError, "found bytes"), (np.array("face.jpg"), ValueError, "uint8"),
    (object(), TypeError, "found object"),
    (np.zeros((3, 8, 9), np.uint8), ValueError, r"channels come last, pass image.transpose\(1, 2, 0\)"),
    (np.zeros((2, 8, 9, 3), np.uint8), ValueError, "one picture at a time"),
    (torch.zeros(2, 3, 8, 9), ValueError, "one picture at a time"),
    (np.zeros((8, 9, 5), np.uint8), ValueError, r"\(8, 9, 5\)"),
    (np.zeros((0, 9), np.uint8), ValueError, "a picture has pixels"), (np.zeros(9, np.uint8), ValueError, r"\(9,\)"),
    (np.full((8, 9), 255.0), ValueError, r"from 255 to 255: pass image.astype\('uint8'\)"),
    (np.full((8, 9), -0.1), ValueError, "0 .black. to 1 .white."),
    (np.full((8, 9), np.nan), ValueError, "float picture is 0"),
    (np.zeros((8, 9), np.int64), ValueError, r"int64: pass image.astype\('uint8'\)"),
    (np.zeros((8, 9), np.uint16), ValueError, r"uint16: pass \(image >> 8\).astype"),
    (np.zeros((8, 9), bool), ValueError, "bool"), (np.zeros((8, 9), complex), ValueError, "complex128")])
def test_what_is_no_picture_is_refused_in_words(image, error, words):
    with pytest.raises(error, match=words):
        uint8_picture(image)


@pytest.mark.process
def test_neither_torch_nor_pillow_is_imported():
    script = "import sys, deeplandmark.faces.picture_input; sys.exit(bool({'torch', 'PIL'} & set(sys.modules)))"
    process = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2], timeout=PATIENCE)
    assert process.returncode == 0
