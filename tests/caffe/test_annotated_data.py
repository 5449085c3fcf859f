"""AnnotatedData: boxes still frame what was drawn after every change; what is kept obeys; distributions; going on."""
import numpy as np
import pytest

import deeplandmark.caffe as caffe
from deeplandmark.caffe.mode import MODE
from deeplandmark.caffe.proto import caffe_pb2
from deeplandmark.caffe.solvers.place import go_to_place, place_of
from tests.helpers.annotated import COLOURS, annotated, coloured, drawn_picture, write_database

SAMPLERS = """annotated_data_param {
  batch_sampler { max_sample: 1 max_trials: 1 }
  batch_sampler { sampler { min_scale: 0.3 max_scale: 1 min_aspect_ratio: 0.5 max_aspect_ratio: 2 }
    sample_constraint { min_jaccard_overlap: 0.1 } max_sample: 1 max_trials: 50 }
  batch_sampler { sampler { min_scale: 0.3 max_scale: 1 min_aspect_ratio: 0.5 max_aspect_ratio: 2 }
    sample_constraint { max_jaccard_overlap: 1 } max_sample: 1 max_trials: 50 } }"""
WARP = "resize_param { height: 60 width: 60 resize_mode: WARP interp_mode: AREA interp_mode: LINEAR }"
CENTER = "emit_constraint { emit_type: CENTER }"
EXPAND = "expand_param { prob: 0.7 max_expand_ratio: 2 } mean_value: 40 mean_value: 50 mean_value: 60"


def make(folder, transform="", more="", phase=caffe.TRAIN, batch_size=3, tops=("data", "label"), seed=0):
    tops = " ".join(f'top: "{name}"' for name in tops)
    return caffe.Net(f"""layer {{ name: "d" type: "AnnotatedData" {tops} transform_param {{ {transform} }} {more}
        data_param {{ source: "{folder / 'db'}" batch_size: {batch_size} backend: LMDB }} }}""", phase, seed=seed)


def write(folder, messages):
    write_database(folder / "db", messages)


def scene(rng, size=(80, 100)):
    """A picture with two rectangles beside each other, of classes 1 and 2, and their boxes."""
    boxes = []
    for label, left in ((1, 4), (2, 54)):
        x, y = left + rng.integers(0, 12), rng.integers(3, 30)
        boxes.append((label, x, y, x + rng.integers(12, 30), y + rng.integers(15, 40)))
    return drawn_picture(size, boxes, rng), boxes


def test_rows_of_the_label_and_pictures_in_order(tmp_path):
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (6, 8, 3)).astype(np.uint8) for _ in range(4)]
    objects = [[(2, 1, 2, 5, 6), (1, 0, 0, 8, 3), (2, 3, 3, 4, 4)], [], [(1, 2, 2, 4, 4)], []]
    write(tmp_path, [annotated(*both, encoded=i % 2 == 0, difficult={1}) for i, both in
                     enumerate(zip(pictures, objects))])
    net = make(tmp_path)
    first, second = ({name: values.copy() for name, values in net.forward().items()} for _ in range(2))
    np.testing.assert_array_equal(first["data"], np.stack(pictures[:3]).transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(second["data"][:, 0], np.stack([pictures[i][..., 0] for i in (3, 0, 1)]))
    wanted = [(0, 2, 0, 1, 2, 5, 6, 0), (0, 2, 1, 3, 3, 4, 4, 0), (0, 1, 0, 0, 0, 8, 3, 1), (2, 1, 0, 2, 2, 4, 4, 0)]
    np.testing.assert_allclose(first["label"][0, 0], np.array(wanted) / [1, 1, 1, 8, 6, 8, 6, 1], rtol=1e-6)
    assert second["label"].shape == (1, 1, 3, 8) and second["label"][0, 0, :, 0].tolist() == [1, 1, 1]
    assert make(tmp_path, tops=["data"]).forward().keys() == {"data"}


def test_no_objects_in_a_batch_and_labels_of_classes(tmp_path):
    picture = np.zeros((4, 4, 3), np.uint8)
    write(tmp_path, [annotated(picture, [])] * 3)
    assert make(tmp_path).forward()["label"].tolist() == [[[[-1.] * 8]]]
    (tmp_path / "plain").mkdir()
    messages = [annotated(picture, []) for _ in range(3)]
    for label, message in enumerate(messages):
        message.ClearField("type")
        message.datum.label = label
    write(tmp_path / "plain", messages)
    label = make(tmp_path / "plain").forward()["label"]
    assert label.shape == (3, 1, 1, 1) and label.ravel().tolist() == [0, 1, 2]
    assert make(tmp_path / "plain", more="annotated_data_param { anno_type: BBOX }").forward()["label"].shape[3] == 8


@pytest.mark.parametrize("transform, more, slack", [
    (WARP, "", 1), (f"{WARP} mirror: true", "", 1), (f"{WARP} {EXPAND}", "", 1.5), (WARP, SAMPLERS, 2),
    (f"{WARP} mirror: true crop_size: 48", "", 1), (f"{WARP} crop_h: 30 crop_w: 50", "", 1),
    (f"{WARP} {EXPAND} {CENTER} mirror: true crop_size: 50", SAMPLERS, 2.5),
    ("resize_param { height: 60 width: 50 resize_mode: FIT_LARGE_SIZE_AND_PAD } mirror: true", "", 1.5),
    ("resize_param { height: 40 width: 90 resize_mode: FIT_LARGE_SIZE_AND_PAD pad_mode: REPEAT_NEAREST }", "", 1.5),
    ("resize_param { height: 40 width: 90 resize_mode: FIT_LARGE_SIZE_AND_PAD pad_value: 9 } crop_size: 36", "", 1.5)])
def test_boxes_still_frame_what_was_drawn(transform, more, slack, tmp_path):
    rng = np.random.default_rng(1)
    write(tmp_path, [annotated(*scene(rng)) for _ in range(12)])
    net, seen, mean = make(tmp_path, transform, more, batch_size=4), 0, [0, 0, 0]
    mean = np.array([40, 50, 60] if "mean_value" in transform else mean, np.float32)[:, None, None]
    for _ in range(12):
        out = net.forward()
        pictures, side = out["data"] + mean, out["data"].shape[2:]
        for row in out["label"][0, 0][out["label"][0, 0, :, 0] >= 0]:
            found = coloured(pictures[int(row[0])], COLOURS[int(row[1])])
            box = row[3:7] * np.array([side[1], side[0]] * 2)
            assert (row[3:7] >= 0).all() and (row[3:7] <= 1).all()
            if (box[2:] - box[:2]).min() > 4:                    # of less, interpolation leaves no pure colour
                seen += 1
                assert np.abs(found - box).max() <= slack + 1, (found, box)
        for n in range(4):
            labels = out["label"][0, 0][out["label"][0, 0, :, 0] == n, 1]
            for label, colour in list(COLOURS.items())[:2]:      # and what is to be seen whole has a box
                found = coloured(pictures[n], colour)
                if found is not None and label not in labels:
                    assert "emit" in transform or (found[2:] - found[:2]).min() <= slack + 1
    assert seen > 20


@pytest.mark.parametrize("size", [(80, 100), (100, 80)])
@pytest.mark.parametrize("scales", ["", "height_scale: 30 width_scale: 40"])
def test_fit_small_size_gives_each_picture_its_own(size, scales, tmp_path):
    rng = np.random.default_rng(2)
    boxes = [(1, 10, 20, 40, 60)]
    write(tmp_path, [annotated(drawn_picture(size, boxes, rng), boxes),
                     annotated(drawn_picture((50, 50), [(1, 10, 20, 30, 40)], rng), [(1, 10, 20, 30, 40)])])
    resize = f"resize_param {{ height: 60 width: 60 resize_mode: FIT_SMALL_SIZE {scales} }}"
    net = make(tmp_path, resize, batch_size=1)
    for expected in ((60, 75) if size[1] == 100 else (75, 60), (60, 60)):
        out = net.forward()
        assert out["data"].shape == (1, 3, *expected)
        unit = (40, 30) if scales else expected[::-1]
        assert np.abs(coloured(out["data"][0], COLOURS[1]) - out["label"][0, 0, 0, 3:7] * [*unit, *unit]).max() <= 1.5
    with pytest.raises(caffe.NetError, match="batch_size must be 1"):
        make(tmp_path, resize)


def test_emit_constraint(tmp_path):
    """A crop of 4 x 4 in the middle of 8 x 8, (2, 2, 6, 6), and boxes more or less inside of it."""
    boxes = [(1, 0, 0, 5, 5), (2, 0, 0, 3, 3), (3, 2, 2, 8, 8), (4, 5, 5, 8, 8), (5, 6, 0, 8, 8), (6, 3, 3, 4, 4)]
    write(tmp_path, [annotated(np.zeros((8, 8, 3), np.uint8), boxes)])

    def classes(text):
        return make(tmp_path, f"crop_size: 4 {text}", phase=caffe.TEST, batch_size=1).forward()["label"][0, 0, :, 1]

    assert classes("").tolist() == [1, 2, 3, 4, 6]
    assert classes("emit_constraint { emit_type: CENTER }").tolist() == [1, 3, 6]        # centres 2.5, 1.5, 5, 6.5, 3.5
    overlap = "emit_constraint { emit_type: MIN_OVERLAP emit_overlap: %g }"              # 9/25, 1/9, 16/36, 1/9, 0, 1
    assert classes(overlap % 0.3).tolist() == [1, 3, 6] and classes(overlap % 0.4).tolist() == [3, 6]
    assert classes(overlap % 0.1).tolist() == [1, 2, 3, 4, 6]


def test_a_training_goes_on_where_it_was(tmp_path):
    rng = np.random.default_rng(3)
    write(tmp_path, [annotated(*scene(rng)) for _ in range(7)])
    text = f"{WARP} {EXPAND} mirror: true distort_param {{ brightness_prob: 0.5 brightness_delta: 32 }}"
    net = make(tmp_path, text, SAMPLERS)
    for _ in range(4):
        net.forward()
    place = place_of([net])
    wanted = [{name: values.copy() for name, values in net.forward().items()} for _ in range(4)]
    other = make(tmp_path, text, SAMPLERS, seed=99)
    other.forward()
    go_to_place("x", [other], place)
    for expected in wanted:
        for name, values in other.forward().items():
            np.testing.assert_array_equal(values, expected[name])


def test_ranks_share_a_batch(tmp_path, monkeypatch):
    """Row i of the batch of all is that of rank i % 2, as one process would have it."""
    rng = np.random.default_rng(4)
    write(tmp_path, [annotated(*scene(rng)) for _ in range(5)])
    whole, *ranks = [], [], []
    for rank, rows in ((0, whole), (0, ranks[0]), (1, ranks[1])):
        monkeypatch.setattr(MODE, "solver_rank", rank)
        monkeypatch.setattr(MODE, "solver_count", 1 if rows is whole else 2)
        monkeypatch.setattr(MODE, "batch_divided", True)
        net = make(tmp_path, f"{WARP} {EXPAND} mirror: true crop_size: 48", SAMPLERS, batch_size=4)
        for _ in range(3):
            out = net.forward()
            label = out["label"][0, 0]
            rows += [(picture.copy(), label[label[:, 0] == i, 1:].copy()) for i, picture in enumerate(out["data"])]
    assert len(whole) == 12 and len(ranks[0]) == len(ranks[1]) == 6
    for number, (picture, objects) in enumerate(whole):
        np.testing.assert_array_equal(ranks[number % 2][number // 2][0], picture)
        np.testing.assert_array_equal(ranks[number % 2][number // 2][1], objects)


@pytest.mark.parametrize("transform, more, reason", [
    ("resize_param { height: 5 }", "", "needs height and width"),
    ("resize_param { height: 5 width: 5 height_scale: 2 }", "", "both or neither of height_scale"),
    ("resize_param { height: 5 width: 5 } crop_size: 6", "", "crop_size 6 is larger than a picture of 5 x 5"),
    ("crop_h: 3", "", "both or neither of crop_h"),
    ("crop_h: 3 crop_w: 99", "", "a crop of 3 x 99 is larger"),
    ("noise_param { convert_to_lab: true }", "", "convert_to_lab"),
    ("noise_param { saltpepper: true }", "", "needs a value"),
    ("distort_param { contrast_prob: 1 contrast_lower: 2 contrast_upper: 1 }", "", "contrast_lower"),
    ("distort_param { hue_delta: -1 }", "", "hue_delta must not be negative"),
    ("expand_param { max_expand_ratio: 0.5 }", "", "max_expand_ratio"),
    ("", "annotated_data_param { batch_sampler { sampler { min_scale: 0 } } }", "min_scale"),
    ("", "annotated_data_param { batch_sampler { sampler { min_aspect_ratio: 3 } } }", "min_aspect_ratio")])
def test_refused(transform, more, reason, tmp_path):
    write(tmp_path, [annotated(np.zeros((8, 8, 3), np.uint8), [])])
    with pytest.raises(caffe.NetError, match=reason):
        make(tmp_path, transform, more)


@pytest.mark.parametrize("transform, picture, reason", [
    ("distort_param { }", np.zeros((4, 4, 1), np.uint8), "pictures of bytes in colour"),
    ("expand_param { } mean_value: 1 mean_value: 2", np.zeros((4, 4, 3), np.uint8), "2 mean_value for 3"),
    ("resize_param { height: 3 width: 3 pad_value: 1 pad_value: 2 }", np.zeros((4, 4, 3), np.uint8), "2 pad_value")])
def test_pictures_that_do_not_fit(transform, picture, reason, tmp_path):
    write(tmp_path, [annotated(picture, [])])
    with pytest.raises(caffe.NetError, match=reason):
        make(tmp_path, transform, batch_size=1).forward()


def test_something_else_in_the_database(tmp_path):
    write(tmp_path, [b"\xff\xff"])
    with pytest.raises(caffe.NetError, match="holds no AnnotatedDatum"):
        make(tmp_path)
    with pytest.raises(caffe.NetError, match="distort_param is for AnnotatedData"):
        caffe.Net(f"""layer {{ name: "d" type: "Data" top: "x" transform_param {{ distort_param {{ }} }}
            data_param {{ source: "{tmp_path / 'db'}" batch_size: 1 backend: LMDB }} }}""", caffe.TRAIN)


def test_binary_definitions_of_the_fork():
    """Field numbers are SSD's: the bytes of annotated_data_param { batch_sampler { max_sample: 1 } }."""
    p = caffe_pb2.LayerParameter.FromString(bytes([200 * 8 + 2 & 127 | 128, (200 * 8 + 2) >> 7, 4, 0x0a, 2, 0x20, 1]))
    assert p.annotated_data_param.batch_sampler[0].max_sample == 1
