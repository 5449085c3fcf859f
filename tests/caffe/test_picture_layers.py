"""ImageData, ImageFloatData and transform_param against plain loops over pictures that the test writes."""
import cv2
import numpy as np
import pytest

import deeplandmark.caffe as caffe


@pytest.fixture
def folder(tmp_path):
    """Seven PNG pictures of 6 x 8 pixels, p0.png .. p6.png, and two lists."""
    rng = np.random.default_rng(1)
    for index in range(7):
        cv2.imwrite(str(tmp_path / f"p{index}.png"), rng.integers(0, 256, (6, 8, 3), np.uint8))
    (tmp_path / "list.txt").write_text("".join(f"p{i}.png {i * 10}\n" for i in range(7)))
    (tmp_path / "points.txt").write_text("".join(f"p{i}.png 0.{i} 0.5 0.25 0.7{i} {i}\r\n" for i in range(7)))
    return tmp_path


def make(folder, phase=caffe.TEST, image="", transform="", layer="ImageData", source="list.txt", tops=("data", "label"),
         extra="", batch_size=3):
    tops = " ".join(f'top: "{name}"' for name in tops)
    return caffe.Net(f"""layer {{ name: "d" type: "{layer}" {tops}
        image_data_param {{ source: "{folder / source}" root_folder: "{folder}/" batch_size: {batch_size} {image} }}
        transform_param {{ {transform} }} {extra} }}""", phase, seed=4)


def picture(folder, index):
    return cv2.imread(str(folder / f"p{index}.png")).transpose(2, 0, 1).astype(np.float32)


def write_mean(folder, mean):
    proto = caffe.proto.caffe_pb2.BlobProto(num=1, channels=3, height=6, width=8, data=mean.ravel())
    (folder / "mean.binaryproto").write_bytes(proto.SerializeToString())
    return f'mean_file: "{folder / "mean.binaryproto"}"'


def test_batches_wrap(folder):
    net = make(folder)
    for batch in range(4):
        out = net.forward()
        wanted = [(3 * batch + k) % 7 for k in range(3)]
        np.testing.assert_array_equal(out["data"], [picture(folder, i) for i in wanted])
        assert out["label"].tolist() == [10 * i for i in wanted]


def test_names_may_hold_blanks(folder):
    (folder / "p0.png").rename(folder / "a b.png")
    (folder / "list.txt").write_text("a b.png 5\n")
    assert make(folder).forward()["label"].tolist() == [5, 5, 5]


def test_grey_and_size(folder):
    out = make(folder, image="is_color: false new_height: 5 new_width: 4", batch_size=1).forward()
    grey = cv2.imread(str(folder / "p0.png"), cv2.IMREAD_GRAYSCALE)
    np.testing.assert_array_equal(out["data"][0, 0], cv2.resize(grey, (4, 5)))


def test_shuffle_covers_every_picture_once_a_round(folder):
    net = make(folder, image="shuffle: true", batch_size=7)
    rounds = [net.forward()["label"].tolist() for _ in range(5)]
    assert all(sorted(labels) == [10 * i for i in range(7)] for labels in rounds)
    assert len({tuple(labels) for labels in rounds}) > 1


def test_rand_skip(folder):
    first = {make(folder, image=f"rand_skip: {skip}").forward()["label"][0] for skip in (1, 2, 3, 4, 5, 6, 7)}
    assert first <= {10 * i for i in range(7)} and len(first) > 1


@pytest.mark.parametrize("mean", ["", "mean_value: 7.5", "mean_value: 1 mean_value: 20 mean_value: 30.25", "file"])
@pytest.mark.parametrize("phase", [caffe.TRAIN, caffe.TEST])
def test_mean_crop_mirror_and_scale(folder, mean, phase):
    values = {"": np.zeros((3, 1, 1)), "file": np.random.default_rng(2).random((3, 6, 8)) * 200}.get(mean)
    if values is None:
        values = np.broadcast_to(np.array([float(v) for v in mean.split()[1::2]])[:, None, None], (3, 1, 1)) \
            if mean.count(":") == 3 else np.full((3, 1, 1), 7.5)
    values = values.astype(np.float32)
    text = write_mean(folder, values) if mean == "file" else mean
    net = make(folder, phase, transform=f"{text} crop_size: 3 mirror: true scale: 0.5", batch_size=1)
    seen = set()
    for batch in range(150):
        whole = (picture(folder, batch % 7) - values) * np.float32(0.5)
        seen.add(_place_of(net.forward()["data"][0], whole))
    places = {(top, left) for top, left, _ in seen}
    assert {mirrored for *_, mirrored in seen} == {False, True}
    if phase == caffe.TEST:
        assert places == {(1, 2)}                                # (6 - 3) // 2, (8 - 3) // 2
    else:
        assert places == {(top, left) for top in range(4) for left in range(6)}


def _place_of(item, whole):
    """(top, left, mirrored) of the 3 x 3 piece that the item is."""
    for top in range(4):
        for left in range(6):
            piece = whole[:, top:top + 3, left:left + 3]
            for mirrored in (False, True):
                if np.array_equal(item, piece[:, :, ::-1] if mirrored else piece):
                    return top, left, mirrored
    raise AssertionError("no piece of the picture")


def test_pictures_of_one_batch_must_agree(folder):
    cv2.imwrite(str(folder / "p1.png"), np.zeros((9, 9, 3), np.uint8))
    with pytest.raises(caffe.NetError, match="differ in size"):
        make(folder).forward()
    net = make(folder, batch_size=1)                             # one by one they may differ, as in Caffe
    assert [net.forward()["data"].shape[2] for _ in range(3)] == [6, 9, 6]
    assert make(folder, transform="crop_size: 4").forward()["data"].shape == (3, 3, 4, 4)


@pytest.mark.parametrize("change, reason", [
    ({"image": "new_height: 3"}, "both or neither of new_height and new_width"),
    ({"batch_size": 0}, "batch_size must be at least 1"),
    ({"source": "none.txt"}, "cannot read its source"),
    ({"source": "empty.txt"}, "names no picture"),
    ({"source": "bad.txt"}, "bad.txt:2: expected a name and numbers"),
    ({"source": "missing.txt"}, "no such file"),
    ({"source": "broken.txt"}, "cannot read the picture"),
    ({"transform": "crop_size: 7"}, "crop_size 7 is larger than a picture of 6 x 8"),
    ({"transform": "mean_value: 1 mean_value: 2"}, "2 mean_value for 3 channels"),
    ({"transform": 'mean_value: 1 mean_file: "x"'}, "give only one"),
    ({"transform": 'mean_file: "no.binaryproto"'}, "cannot read .*no.binaryproto"),
    ({"transform": "pad_ratio: 0.1"}, "pad_ratio is for ImageFloatData"),
    ({"tops": ("data",)}, "takes 2 tops"),
    ({"source": "points.txt"}, "an integer label"),
    ({"layer": "ImageFloatData"}, "label_dim")])
def test_refused(folder, change, reason):
    (folder / "empty.txt").write_text("\n")
    (folder / "bad.txt").write_text("p0.png 1\np1.png x\n")
    (folder / "missing.txt").write_text("none.png 1\n")
    (folder / "broken.txt").write_text("list.txt 1\n")
    (folder / "points.txt").write_text("p0.png 0.5\n")
    extra = "image_float_data_param { label_dim: 0 }" if "layer" in change else ""
    with pytest.raises(caffe.NetError, match=reason):
        make(folder, extra=extra, **change)


def test_a_mean_of_another_size_is_refused(folder):
    mean = write_mean(folder, np.zeros((3, 6, 8)))
    with pytest.raises(caffe.NetError, match="the mean .* has shape"):
        make(folder, image="new_height: 4 new_width: 4", transform=mean)


def test_float_labels(folder):
    net = make(folder, layer="ImageFloatData", source="points.txt", extra="image_float_data_param { label_dim: 5 }")
    out = net.forward()
    assert out["label"].shape == (3, 5)
    np.testing.assert_array_equal(out["label"][1], np.float32([0.1, 0.5, 0.25, 0.71, 1]))
    np.testing.assert_array_equal(out["data"][1], picture(folder, 1))


def test_hard_samples_have_a_weight(folder):
    net = make(folder, layer="ImageFloatData", source="points.txt", tops=("data", "label", "weight"),
               extra="image_float_data_param { label_dim: 4 hard_sample: true }")
    out = net.forward()
    assert out["label"].shape == (3, 4) and out["weight"].tolist() == [0, 1, 2]
    with pytest.raises(caffe.NetError, match="hard_sample"):
        make(folder, layer="ImageFloatData", source="points.txt", extra="image_float_data_param { label_dim: 5 "
             "hard_sample: true }")


def test_heatmap_is_one_more_channel(folder):
    (folder / "heat").mkdir()
    for index in range(7):
        cv2.imwrite(str(folder / "heat" / f"p{index}.png"), np.full((6, 8), index, np.uint8))
    net = make(folder, layer="ImageFloatData", source="points.txt", extra="image_float_data_param { label_dim: 5 "
               f'with_heatmap: true heatmap_dir: "{folder}/heat/" }}')
    data = net.forward()["data"]
    assert data.shape == (3, 4, 6, 8) and (data[2, 3] == 2).all()
    np.testing.assert_array_equal(data[2, :3], picture(folder, 2))


def test_points_follow_the_border_of_pad_ratio(tmp_path):
    """A white dot at the point stays at the point; without TRAIN nothing moves."""
    image = np.zeros((64, 64, 3), np.uint8)
    image[28:36, 20:28] = 255                                    # its centre: x 24 / 64, y 32 / 64
    cv2.imwrite(str(tmp_path / "dot.png"), image)
    (tmp_path / "points.txt").write_text("dot.png 0.375 0.5\n")
    settings = dict(layer="ImageFloatData", source="points.txt", transform="pad_ratio: 0.25", batch_size=20,
                    extra="image_float_data_param { label_dim: 2 }")
    out = make(tmp_path, caffe.TRAIN, **settings).forward()
    assert len(set(map(tuple, out["label"].tolist()))) > 3
    for item, (x, y) in zip(out["data"], out["label"]):
        rows, columns = (item[0] * np.arange(64)[:, None]).sum(), (item[0] * np.arange(64)).sum()
        total = item[0].sum()
        assert abs((columns / total + 0.5) / 64 - x) < 0.01 and abs((rows / total + 0.5) / 64 - y) < 0.01
    out = make(tmp_path, caffe.TEST, **settings).forward()
    assert (out["label"] == [0.375, 0.5]).all()
