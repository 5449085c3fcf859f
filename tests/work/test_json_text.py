"""JSON of people's files through every reader: a byte order mark is read over, what is wrong is one ValueError."""
import json

import pytest

from deeplandmark.cascade.settings import CascadeSettings
from deeplandmark.faces.alignment import read_template
from deeplandmark.faces.errors import FacesError
from deeplandmark.faces.points_file import read_points
from deeplandmark.models import system_of
from deeplandmark.work.json_text import parse_json

DEEP = ("[" * 100_000, '{"a":' * 100_000, '{"points": ' + "[" * 5000)
POINTS, TEMPLATE = {"names": ["a", "b"], "mirror": []}, {"size": [9, 9], "points": [[1, 2], [3, 4]]}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_every_unicode_is_read(tmp_path, encoding):
    assert parse_json('{"é": 1}'.encode(encoding)) == {"é": 1}
    path = tmp_path / "file.json"
    path.write_text(json.dumps(POINTS), encoding=encoding)
    assert read_points(path).names == ("a", "b")
    path.write_text(json.dumps(TEMPLATE), encoding=encoding)
    assert read_template(path).size == (9, 9)
    assert parse_json("\ufeff[1]") == [1]


@pytest.mark.parametrize("text", [*DEEP, "", "[", "\0", "NaN,", "9" * 5000, b"\xff\xfe\xff", b"\xe9"])
@pytest.mark.parametrize("name, read", [
    ("points.json", read_points), ("template.json", read_template), ("model.json", lambda path: system_of(path.parent)),
    ("cascade.json", lambda path: CascadeSettings.load(path.parent))])
def test_whatever_is_wrong_is_one_line_with_the_file(tmp_path, text, name, read):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises((ValueError, FacesError), match=name) as refused:
        read(path)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 400


@pytest.mark.parametrize("values", [
    {"size": [float("inf"), 9]}, {"size": [float("nan"), 9]}, {"size": [9]}, {"size": 9}, {"size": [1e6, 1e6]},
    {"points": [[float("inf"), 1], [2, 3]]}, {"points": [[1, 2], [3]]}, {"points": {}}, {"points": [["a", "b"]]}])
def test_templates_of_no_size_or_place(tmp_path, values):
    (tmp_path / "template.json").write_text(json.dumps({**TEMPLATE, **values}))
    with pytest.raises(FacesError, match="template.json: "):
        read_template(tmp_path / "template.json")
