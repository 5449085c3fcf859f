"""Boxes that users give: in files as they come, in orders that they may mean, and what is wrong named by its place."""
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeplandmark.commandline.finder_arguments import with_boxes_joined
from deeplandmark.detectors import read_boxes
from deeplandmark.detectors.given import doubtful_order
from deeplandmark.faces.errors import FacesError
from deeplandmark.running.faces_in_picture import Located
from deeplandmark.running.row_file import RowFile
from deeplandmark.running.rows import CSV, JSON_LINES

HEAD = "picture,left,top,right,bottom\n"
JSON = '{"picture": "a.jpg", "box": [1, 2, 30, 40]}\n'


@pytest.mark.parametrize("text, says", [
    (HEAD + "a.jpg,1,2\n", "boxes:2: .* is not a box"),
    (HEAD + '"' + "a" * 200_000 + '",1,2,3,4\n', "boxes:2: .*field"),
    ('"' + "a" * 200_000 + '"\n', "boxes:1: neither JSON lines nor CSV"), ("\0\xff\xfe\n", "boxes:1: neither"),
    (HEAD + "a\0b,1,2,30,40\n", "boxes:2: .*(no name of a picture|NUL)"),
    (HEAD + "a" * 5000 + ",1,2,30,40\n", "boxes:2: "),
    ('{"picture": 5, "box": [1, 2, 30, 40]}\n', "boxes:1: '5' is no name of a picture"),
    ('{"picture": "a\\u0000b", "box": [1, 2, 30, 40]}\n', "boxes:1: .* is no name"),
    ('{"picture": "\\ud800", "box": [1, 2, 30, 40]}\n', "boxes:1: .* is no name"),
    (JSON + '{"picture": "' + "a" * 5000 + '", "box": [1, 2, 30, 40]}\n', "boxes:2: 'aaa.* is no name"),
    ("{" + "[" * 100_000, "boxes:1: expected"), ('{"a":' * 100_000, "boxes:1: expected"),
    ('{"picture": "a", "box": [1, 2, 30, 1e999]}', "boxes:1: box .* has no area"),
    ('{"picture": "a", "box": {"1": 2}}', "boxes:1: "), ('{"picture": "a", "box": null}', "boxes:1: "),
    ('{"picture": "a", "box": "1234"}', "boxes:1: ")])
def test_damaged_files_are_one_line_with_its_place(tmp_path, text, says):
    (tmp_path / "boxes").write_bytes(text.encode("latin-1"))
    with pytest.raises(FacesError, match=f"{tmp_path}/{says}") as refused:
        read_boxes(tmp_path / "boxes")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("layout", [JSON_LINES, CSV], ids=["json", "csv"])
def test_own_rows_with_names_of_any_bytes(tmp_path, layout):
    name = os.fsdecode(bytes(tmp_path) + b"/caf\xe9.jpg")
    rows = RowFile(tmp_path / "rows", layout, 5)
    rows.write(Located(name, np.array([[1, 2, 30, 40]]), np.zeros((1, 5, 2)), np.zeros((1, 5)), np.array([3.0])))
    rows.finish()
    assert read_boxes(tmp_path / "rows") == {Path(name): [(1, 2, 30, 40)]}


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path):
    for text in (HEAD + "/a.jpg,1,2,30,40\n", '{"picture": "/a.jpg", "box": [1, 2, 30, 40]}\n'):
        (tmp_path / "boxes").write_bytes(b"\xef\xbb\xbf" + text.encode())
        assert read_boxes(tmp_path / "boxes") == {Path("/a.jpg"): [(1, 2, 30, 40)]}


square = st.tuples(st.integers(0, 500), st.integers(0, 500), st.integers(60, 300))


@given(st.lists(square, min_size=1, max_size=5))
def test_squares_in_another_order_are_remarked(squares):
    boxes = np.array([(left, top, left + side, top + side) for left, top, side in squares])
    assert doubtful_order(boxes) is None
    archive = boxes[:, [0, 2, 1, 3]]
    sizes = np.column_stack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])
    for other, says in ((archive, "left,right,top,bottom"), (sizes, "left,top,width,height")):
        sides = np.sort(other[:, 2:] - other[:, :2], axis=1)
        if (sides[:, 1] < 1.2 * sides[:, 0]).all():
            assert doubtful_order(other) is None                 # squares as they stand
        elif not (sides[:, 0] > 0.8 * sides[:, 1]).all():
            assert says in (doubtful_order(other) or "")


def test_nothing_to_remark():
    assert doubtful_order([]) is None and doubtful_order([(0, 0, 10, 90)]) is None


def test_a_box_may_begin_with_a_minus():
    words = "a.jpg --boxes -40,-20,30,50 --boxes 1,2,3,4 --json - -x --boxes --out".split()
    assert with_boxes_joined(words) == "a.jpg --boxes=-40,-20,30,50 --boxes 1,2,3,4 --json - -x --boxes --out".split()
