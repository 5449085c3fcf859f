"""The styles of a picture against their formulas, and `deeplandmark restyle`."""
import cv2
import numpy as np
import pytest

from deeplandmark.__main__ import main
from deeplandmark.faces.picture import read_colour
from deeplandmark.faces.synthetic import draw_face
from deeplandmark.training.styles import STYLES, restyled


@pytest.fixture(scope="module")
def picture():
    grey, _, _ = draw_face(np.random.default_rng(3))
    return cv2.applyColorMap(cv2.resize(grey, (70, 50)), cv2.COLORMAP_BONE)


def around(grey, cell):
    """Means of whole cells, and at each pixel bilinear between them, the first and last on the picture's edges."""
    rows, columns = grey.shape
    cells = np.array([[grey[y:y + cell, x:x + cell].mean() for x in range(0, columns, cell)]
                      for y in range(0, rows, cell)])
    found = np.zeros_like(grey)
    for row, column in np.ndindex(grey.shape):
        y, x = row * (cells.shape[0] - 1) / (rows - 1), column * (cells.shape[1] - 1) / (columns - 1)
        for a, b in np.ndindex(cells.shape):
            found[row, column] += max(0, 1 - abs(y - a)) * max(0, 1 - abs(x - b)) * cells[a, b]
    return found


def test_formulas(picture):
    found, unit = restyled(picture), picture / 255
    assert list(found) == list(STYLES) and all(image.dtype == np.uint8 for image in found.values())
    grey = unit @ [0.114, 0.587, 0.299]
    sketch = np.minimum(1, (grey + 0.02) / (around(grey, 50 // 8) + 0.02)) ** 2
    wanted = {"grey": np.repeat(grey[..., None], 3, 2), "light": np.sqrt(unit), "dark": unit ** 2,
              "sketch": np.repeat(sketch[..., None], 3, 2)}
    wanted["aggregated"] = (unit + sum(wanted.values())) / 5
    for name, image in wanted.items():
        assert np.abs(found[name] - 255 * image).max() < 0.51, name
    assert np.abs(found["grey"][..., 0].astype(int) - cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)).max() <= 1
    assert (found["light"] >= picture).all() and (found["dark"] <= picture).all()


def test_one_colour_and_one_pixel():
    """A sketch of one colour is paper, black as well; a picture may be smaller than a cell."""
    for shape, value in (((20, 30, 3), 90), ((9, 9, 3), 0), ((1, 1, 3), 200)):
        assert (restyled(np.full(shape, value, np.uint8))["sketch"] == 255).all()


def test_restyle(tmp_path, picture, capsys):
    (tmp_path / "in/below").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "in/a.png"), picture)
    cv2.imwrite(str(tmp_path / "in/below/b.png"), picture[:20])
    (tmp_path / "in/bad.png").write_bytes(b"no picture")
    assert main(["restyle", str(tmp_path / "in"), str(tmp_path / "out")]) == 1
    told = capsys.readouterr()
    assert "2 pictures in 5 styles" in told.out and "bad.png" in told.err
    for style in STYLES:
        np.testing.assert_array_equal(read_colour(tmp_path / "out" / style / "a.png"), restyled(picture)[style])
        assert read_colour(tmp_path / "out" / style / "below/b.png").shape == (20, 70, 3)
    assert main(["restyle", str(tmp_path / "in/below"), str(tmp_path / "some"), "--styles", "dark"]) == 0
    assert [path.name for path in (tmp_path / "some").iterdir()] == ["dark"]


def test_what_is_refused(tmp_path, capsys):
    assert main(["restyle", str(tmp_path), str(tmp_path / "out")]) == 1
    assert "there are no pictures" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["restyle", str(tmp_path), "out", "--styles", "grey,oil"])
    assert "'oil' is no style" in capsys.readouterr().err
