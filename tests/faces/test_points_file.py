"""Points files: what they say, and the line that says what is wrong with one."""
import argparse
import json

import pytest

from deeplandmark.cascade.networks import networks
from deeplandmark.cascade.settings import PAPER_SETTINGS, CascadeSettings
from deeplandmark.commandline.points_options import add_points_argument
from deeplandmark.faces.points import FIVE_POINTS, Points
from deeplandmark.faces.points_file import read_points
from deeplandmark.models.families import settings_of

EARS = Points(("left_ear", "right_ear", "chin"), (1, 0, 2))


def written(folder, content, name="ears.json"):
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize("mirror", [[["left_ear", "right_ear"]], [["right_ear", "left_ear"]], [1, 0, 2]])
def test_pairs_and_positions_say_the_same(mirror, tmp_path):
    assert read_points(written(tmp_path, {"names": EARS.names, "mirror": mirror})) == EARS


def test_the_usual_five_in_a_file_are_the_usual_five(tmp_path):
    points = read_points(written(tmp_path, {"names": FIVE_POINTS.names, "mirror": [["LE", "RE"], ["RM", "LM"]]}))
    assert points == FIVE_POINTS and settings_of("paper", points) == PAPER_SETTINGS
    assert read_points(written(tmp_path, {"names": ["tip"], "mirror": []})) == Points(("tip",), (0,))


def test_f_and_two_networks_a_point_and_level(tmp_path):
    settings = settings_of("paper", EARS)
    assert len(networks(EARS)) == len(settings.networks) == 1 + 2 * 2 * 3
    assert {n.full_name: n.num_output for n in settings.networks}["1_F"] == 6
    settings.save(tmp_path)
    assert CascadeSettings.load(tmp_path) == settings


def labels_of(names):
    rows = [{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "keypoints": [1, 2, 2] * len(names)}]
    return {"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": rows,
            "categories": [{"id": 1, "keypoints": list(names)}]}


def test_labels_that_name_their_points(tmp_path):
    """COCO, imglab and CSV, without a points file: left and right change places."""
    assert read_points(written(tmp_path, labels_of(EARS.names))) == EARS
    found = read_points(written(tmp_path, labels_of(("Nose", "RIGHT eye", "Left eye"))))
    assert found == Points(("Nose", "RIGHT_eye", "Left_eye"), (0, 2, 1))
    parts = "".join(f"<part name='{name}' x='1' y='2'/>" for name in EARS.names)
    box = f"<box left='1' top='2' width='3' height='4'>{parts}</box>"
    xml = f"<dataset><images><image file='a.jpg'>{box}</image></images></dataset>"
    assert read_points(written(tmp_path, xml, "ears.xml")) == EARS
    columns = ",".join(f"{name}_{axis}" for name in EARS.names for axis in "xy")
    assert read_points(written(tmp_path, f"picture,{columns}\na.jpg,1,2,3,4,5,6\n", "ears.csv")) == EARS
    for content, name, text in (
            (labels_of(("left_ear", "chin")), "a.json", "the point left_ear has no right_ear"),
            (xml.replace("left_ear", "0").replace("right_ear", "1").replace("chin", "2"), "a.xml",
             "its 3 points have no names"),
            ("picture,x1,y1\na.jpg,1,2\n", "a.csv", "its 1 points have no names"), ("<a", "b.xml", "b.xml: no XML"),
            (labels_of(("f", "chin")), "a.json", "network of level 1")):
        with pytest.raises(ValueError, match=text):
            read_points(written(tmp_path, content, name))


@pytest.mark.parametrize("content, text", [
    ("{", "Expecting property name"), ("[1]", 'expected {"names": [...], "mirror": [...]}'),
    ({"names": ["a"]}, "expected"), ({"names": [], "mirror": []}, "at least one name"),
    ({"names": "ab", "mirror": []}, "at least one name"), ({"names": ["a", 3], "mirror": []}, "the name 3 is not"),
    ({"names": ["a", "a/b"], "mirror": []}, "'a/b' is not"), ({"names": ["../a"], "mirror": []}, "'../a' is not"),
    ({"names": ["a\n"], "mirror": []}, "is not"), ({"names": ["x" * 33], "mirror": []}, "is not"),
    ({"names": ["a", "A"], "mirror": []}, "'A' is there twice"),
    ({"names": ["en"], "mirror": []}, "network of level 1"),
    ({"names": ["a", "b"], "mirror": {}}, "mirror is not a list"),
    ({"names": ["a", "b"], "mirror": [["a"]]}, "not a pair"),
    ({"names": ["a", "b"], "mirror": [["a", "c"]]}, "'c' is none"),
    ({"names": ["a", "b"], "mirror": [["a", "a"]]}, "in a pair already"),
    ({"names": ["a", "b", "c"], "mirror": [["a", "b"], ["b", "c"]]}, "in a pair already"),
    ({"names": ["a", "b"], "mirror": [["a", ["b"]]]}, "is none of the names"),
    ({"names": ["a", "b"], "mirror": [0]}, "positions 0 to 1, each once"),
    ({"names": ["a", "b"], "mirror": [0, 2]}, "positions 0 to 1, each once"),
    ({"names": ["a", "b"], "mirror": [True, False]}, "not a pair"),
    ({"names": ["a", "b", "c"], "mirror": [1, 2, 0]}, "a becomes b, but b becomes c")])
def test_what_is_wrong_is_said_in_a_line(content, text, tmp_path):
    with pytest.raises(ValueError) as raised:
        read_points(written(tmp_path, content))
    assert text in str(raised.value) and str(raised.value).startswith(f"{tmp_path}/ears.json: ")
    assert "\n" not in str(raised.value)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ValueError, match="nowhere.json: cannot be read .No such file"):
        read_points(tmp_path / "nowhere.json")
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe{")
    with pytest.raises(ValueError, match="bytes.json: "):
        read_points(tmp_path / "bytes.json")


def test_the_file_names_the_folders(tmp_path, capsys):
    parser = argparse.ArgumentParser()
    add_points_argument(parser)
    usual = parser.parse_args([]).own
    assert usual.points is FIVE_POINTS and usual.folder("model") == "model"
    content = {"names": EARS.names, "mirror": [1, 0, 2]}
    own = parser.parse_args(["--points", str(written(tmp_path, content))]).own
    assert own.points == EARS and own.folder("model") == "model-ears"
    for name, text in (("a b.json", "its name becomes that of folders"),
                       ("synthetic.json", "nor beginning or ending with"),
                       ("ears-wide.json", "nor beginning or ending with"), ("68.json", "not 5 or 68 or 88"),
                       ("nowhere.json", "cannot be read")):
        if name != "nowhere.json":
            written(tmp_path, content, name)
        with pytest.raises(SystemExit):
            parser.parse_args(["--points", str(tmp_path / name)])
        assert text in capsys.readouterr().err
