"""convert_annoset: its database against what the files say; label maps; one-line errors. AnnotatedData reads it."""
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

import deeplandmark.caffe as caffe
from deeplandmark.caffe.files.annotations import read_annotations, read_label_map
from deeplandmark.caffe.layers.lmdb_data import Cursor
from deeplandmark.caffe.proto import caffe_pb2
from deeplandmark.caffe.tools.command_line import main

LABELS = """item { name: "none_of_the_above" label: 0 display_name: "background" }
item { name: "cat" label: 1 display_name: "Cat" } item { name: "9" label: 2 display_name: "dog" }"""
BOX = "<bndbox><xmin>%g</xmin><ymin>%g</ymin><xmax>%g</xmax><ymax>%g</ymax></bndbox>"
XML = f"""<annotation><size><width>40</width><height>20</height><depth>3</depth></size>
<object><name>9</name><difficult>1</difficult>{BOX % (4, 2, 20, 10)}</object>
<object>{BOX % (0, 0, 40, 20)}<name>cat</name></object><object><name>9</name>{BOX % (1, 1, 2, 3)}</object>
</annotation>"""
JSON = json.dumps({"image": {"width": 40, "height": 20}, "annotation": [
    {"category_id": 9, "iscrowd": 1, "bbox": [4, 2, 16, 8]}, {"category_id": "cat", "bbox": [0, 0, 40, 20]},
    {"category_id": 9, "iscrowd": 0, "bbox": [1, 1, 1, 2]}]})
TXT = "2 4 2 20 10\n1 0 0 40 20\n2 1 1 2 3\n"
WANTED = [(2, 0, 0.1, 0.1, 0.5, 0.5, 1), (2, 1, 0.025, 0.05, 0.05, 0.15, 0), (1, 0, 0, 0, 1, 1, 0)]


@pytest.fixture(autouse=True)
def pictures(tmp_path, monkeypatch):
    """p/a b.png with annotations of all kinds, p/c.jpg without."""
    monkeypatch.chdir(tmp_path)
    Path("p").mkdir()
    rng = np.random.default_rng(0)
    for name in ("a b.png", "c.jpg"):
        cv2.imwrite(f"p/{name}", rng.integers(0, 256, (20, 40, 3)).astype(np.uint8))
    for kind, text in (("xml", XML), ("json", JSON), ("txt", TXT)):
        Path(f"p/a.{kind}").write_text(text)
        Path(f"{kind}.lst").write_text(f"a b.png a.{kind}\nc.jpg c.{kind}\n")
    Path("labels.lst").write_text("a b.png 7\nc.jpg 3\n")
    Path("labelmap.prototxt").write_text(LABELS)


def entries(path="db"):
    cursor, found = Cursor(path), []
    for _ in range(cursor.entries):
        found.append((bytes(cursor.key), caffe_pb2.AnnotatedDatum.FromString(cursor.value)))
        cursor.next()
    return found


def rows(message):
    return [(g.group_label, a.instance_id, a.bbox.xmin, a.bbox.ymin, a.bbox.xmax, a.bbox.ymax, a.bbox.difficult)
            for g in message.annotation_group for a in g.annotation]


@pytest.mark.parametrize("kind", ["xml", "json", "txt"])
def test_every_kind_of_annotation(kind, capsys):
    arguments = ["convert_annoset", "-anno_type=detection", f"--label_type={kind}", "p/", f"{kind}.lst", "db"]
    assert main([*arguments, "--label_map_file", "labelmap.prototxt", "-check_label"]) == 0
    (key, first), (_, second) = entries()
    assert key == b"00000000_a b.png" and first.type == second.type == caffe_pb2.AnnotatedDatum.BBOX
    wanted = np.array(WANTED)
    np.testing.assert_allclose(rows(first), wanted if kind != "txt" else wanted * [1, 1, 1, 1, 1, 1, 0], rtol=1e-6)
    assert rows(second) == [] and first.datum.label == -1 and first.HasField("datum")
    picture = cv2.imread("p/a b.png")
    assert first.datum.data == picture.transpose(2, 0, 1).tobytes()
    printed = capsys.readouterr()
    assert "Processed 2 files." in printed.out and f"p/c.{kind}: no such file: a picture without" in printed.err
    net = caffe.Net('layer { name: "d" type: "AnnotatedData" top: "x" top: "y" data_param { source: "db" batch_size: 2 '
                    "backend: LMDB } }", caffe.TEST)
    out = net.forward()
    np.testing.assert_array_equal(out["x"][0], picture.transpose(2, 0, 1))
    np.testing.assert_allclose(out["y"][0, 0, :, 1:], rows(first), rtol=1e-6)


def test_labels_encoded_and_resized():
    assert main(["convert_annoset", "--encoded", "p/", "labels.lst", "db"]) == 0
    found = [message for _, message in entries()]
    assert [m.datum.label for m in found] == [7, 3] and not found[0].HasField("type")
    assert found[1].datum.data == Path("p/c.jpg").read_bytes()
    assert (found[1].datum.channels, found[1].datum.height, found[1].datum.width) == (3, 20, 40)
    for flags, size in (("--min_dim 30", (30, 60)), ("--max_dim 20", (10, 20)), ("--min_dim 30 --max_dim 50", (25, 50)),
                        ("--min_dim 10 --max_dim 50", (20, 40)), ("--resize_width 9 --resize_height 8", (8, 9))):
        name = f"db{size}"
        assert main(["convert_annoset", *flags.split(), "--encode_type", "png", "p/", "labels.lst", name]) == 0
        datum = entries(name)[0][1].datum
        assert (datum.height, datum.width) == size
        assert cv2.imdecode(np.frombuffer(datum.data, np.uint8), -1).shape == (*size, 3)


@pytest.mark.parametrize("kind, text, reason", [
    ("xml", "<annotation>", "cannot be read as xml"),
    ("xml", XML.replace("cat", "cow"), "class 'cow' is not in the label map"),
    ("xml", XML.replace("<xmin>4</xmin>", ""), "'xmin' is missing"),
    ("xml", XML.replace(BOX % (4, 2, 20, 10), ""), "'bndbox' is missing"),
    ("xml", XML.replace("<width>40", "<width>0"), "a picture of 20 x 0"),
    ("xml", XML.replace("<xmin>4", "<xmin>nan"), "a box nan"),
    ("json", "[1]", "cannot be read as json"), ("json", '{"annotation": [{"bbox": [1, 2, 3]}]}', "cannot be read"),
    ("json", "{", "cannot be read as json"), ("json", '{"image": {}}', "'height' is missing"),
    ("txt", "1 2 3 4", "4 words"), ("txt", "x 1 2 3 4", "cannot be read as txt")])
def test_damaged_annotations(kind, text, reason, capsys):
    Path(f"p/a.{kind}").write_text(text)
    assert main(["convert_annoset", "--anno_type", "detection", "--label_type", kind, "--label_map_file",
                 "labelmap.prototxt", "p/", f"{kind}.lst", "db"]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"convert_annoset: p/a.{kind}: ") and reason in error and not Path("db").exists()


def test_boxes_outside_are_told_and_kept(capsys):
    Path("p/a.txt").write_text("1 -5 0 10 10\n")
    assert main(["convert_annoset", "--anno_type", "detection", "--label_type", "txt", "p/", "txt.lst", "db"]) == 0
    assert "p/a.txt: a box is inside out or reaches outside" in capsys.readouterr().err
    assert rows(entries()[0][1])[0][2] == -0.125


def test_label_maps():
    assert read_label_map("labelmap.prototxt") == {"none_of_the_above": 0, "cat": 1, "9": 2}
    Path("twice").write_text(LABELS + 'item { name: "cat" label: 5 }')
    assert read_label_map("twice")["cat"] == 5
    with pytest.raises(caffe.CaffeError, match="comes twice"):
        read_label_map("twice", check=True)
    Path("none").write_text("nonsense")
    with pytest.raises(caffe.CaffeError, match="no label map"):
        read_label_map("none")


def test_the_size_of_the_file_itself_where_annotations_have_none():
    Path("n.json").write_text('{"annotation": [{"category_id": "cat", "bbox": [1, 2, 3, 4]}]}')
    box = read_annotations("n.json", "json", {"cat": 1}, (10, 20))[0].annotation[0].bbox
    np.testing.assert_allclose((box.xmin, box.ymin, box.xmax, box.ymax), (0.05, 0.2, 0.2, 0.6), rtol=1e-6)


@pytest.mark.parametrize("arguments, reason", [
    (["--anno_type", "detection", "p/", "xml.lst", "db"], "--label_type xml needs --label_map_file"),
    (["p/", "xml.lst", "db"], "expected a name and a label, a whole number"),
    (["p/", "nowhere.lst", "db"], "nowhere.lst"),
    (["--check_size", "p/", "labels.lst", "db"], "p/c.jpg: 9 x 9, the first picture 20 x 40")])
def test_refused(arguments, reason, capsys):
    cv2.imwrite("p/c.jpg", np.zeros((9, 9, 3), np.uint8))
    assert main(["convert_annoset", *arguments]) == 1
    assert reason in capsys.readouterr().err
