"""ImageSegData of DeepLab against plain loops over small pictures that the test writes."""
import cv2
import numpy as np
import pytest

import deeplandmark.caffe as caffe
from deeplandmark.caffe.files.prototxt import read_net

HEIGHT, WIDTH = 6, 8
MEAN = "mean_value: 104 mean_value: 116.5 mean_value: 122.25"


@pytest.fixture
def folder(tmp_path):
    """Five colour pictures p0.png .. and their labels l0.png .. of 0..20 and 255, and lists."""
    rng = np.random.default_rng(1)
    for index in range(5):
        cv2.imwrite(str(tmp_path / f"p{index}.png"), rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8))
        labels = rng.integers(0, 21, (HEIGHT, WIDTH), np.uint8)
        labels[0, index] = 255
        cv2.imwrite(str(tmp_path / f"l{index}.png"), labels)
    (tmp_path / "list.txt").write_text("".join(f"/p{i}.png /l{i}.png\n" for i in range(5)))
    (tmp_path / "classes.txt").write_text("".join(f"/p{i}.png {i * 4}\r\n" for i in range(5)))
    (tmp_path / "names.txt").write_text("".join(f"/p{i}.png\n" for i in range(5)))
    return tmp_path


def make(folder, image="label_type: PIXEL", transform="", source="list.txt", phase=caffe.TEST, batch_size=2,
         tops="data label data_dim"):
    tops = " ".join(f'top: "{name}"' for name in tops.split())
    return caffe.Net(f"""layer {{ name: "d" type: "ImageSegData" {tops}
        image_data_param {{ source: "{folder / source}" root_folder: "{folder}" batch_size: {batch_size} {image} }}
        transform_param {{ {transform} }} }}""", phase, seed=4)


def pair(folder, index):
    return (cv2.imread(str(folder / f"p{index}.png")).transpose(2, 0, 1).astype(np.float64),
            cv2.imread(str(folder / f"l{index}.png"), cv2.IMREAD_GRAYSCALE)[None].astype(np.float64))


def test_batches_wrap(folder):
    net = make(folder)
    for batch in range(4):
        out = net.forward()
        pictures, labels = zip(*(pair(folder, (2 * batch + k) % 5) for k in range(2)))
        np.testing.assert_array_equal(out["data"], pictures)
        np.testing.assert_array_equal(out["label"], labels)
        assert out["data_dim"].tolist() == [[[[HEIGHT, WIDTH]]]] * 2


def test_the_third_top_need_not_be_named(folder):
    out = make(folder, tops="data label").forward()
    assert out["data"].shape == (2, 3, HEIGHT, WIDTH) and out["label"].shape == (2, 1, HEIGHT, WIDTH)


@pytest.mark.parametrize("image, source, wanted", [
    ("label_type: IMAGE", "classes.txt", [0, 4]), ("", "classes.txt", [0, 4]),
    ("label_type: NONE", "names.txt", [255, 255]), ("label_type: NONE ignore_label: 19", "list.txt", [19, 19])])
def test_one_label_for_all(folder, image, source, wanted):
    labels = make(folder, image, source=source).forward()["label"]
    np.testing.assert_array_equal(labels, np.broadcast_to(np.reshape(wanted, (2, 1, 1, 1)), (2, 1, HEIGHT, WIDTH)))


def placed(picture, labels, crop, top, left, mirrored, ignore=255):
    """A crop, float64 (C, h, w) and (1, h, w): 0 and `ignore` beyond the picture."""
    data, label = np.zeros((3, *crop)), np.full((1, *crop), float(ignore))
    for r, c in np.ndindex(*crop):
        if top + r < picture.shape[1] and left + c < picture.shape[2]:
            to = crop[1] - 1 - c if mirrored else c
            data[:, r, to], label[:, r, to] = picture[:, top + r, left + c], labels[:, top + r, left + c]
        elif mirrored:
            data[:, r, crop[1] - 1 - c], label[:, r, crop[1] - 1 - c] = 0, ignore
    return data, label


@pytest.mark.parametrize("crop, text", [
    ((4, 4), "crop_size: 4"), ((3, 5), "crop_height: 3 crop_width: 5"), ((9, 9), "crop_size: 9"),
    ((8, 3), "crop_height: 8 crop_width: 3"), ((4, 11), "crop_height: 4 crop_width: 11")])
@pytest.mark.parametrize("phase", [caffe.TRAIN, caffe.TEST])
def test_crop_mirror_mean_and_scale(folder, crop, text, phase):
    """Smaller pictures are filled up below and to the right; picture and labels move together."""
    net = make(folder, "label_type: PIXEL ignore_label: 200", f"{text} mirror: true scale: 0.5 {MEAN}", batch_size=1,
               phase=phase)
    free = [max(side, wanted) - wanted for side, wanted in zip((HEIGHT, WIDTH), crop)]
    places = [(top, left) for top in range(free[0] + 1) for left in range(free[1] + 1)]
    places = places if phase == caffe.TRAIN else [(free[0] // 2, free[1] // 2)]
    seen = set()
    for batch in range(40 * len(places)):
        picture, labels = pair(folder, batch % 5)
        out = net.forward()
        picture = (picture - np.array([104, 116.5, 122.25]).reshape(3, 1, 1)) * 0.5
        for top, left in places:
            for mirrored in (False, True):
                data, label = placed(picture, labels, crop, top, left, mirrored, 200)
                if np.allclose(out["data"][0], data, atol=1e-5) and np.array_equal(out["label"][0], label):
                    seen.add((top, left, mirrored))
                    break
            else:
                continue
            break
        else:
            raise AssertionError("no crop of the picture and its labels")
        assert out["data_dim"].ravel().tolist() == [min(crop[0], HEIGHT), min(crop[1], WIDTH)]
    assert len(seen) == 2 * len(places)


def test_scale_factors(folder):
    """Each picture by one of them, its labels to the nearest cell."""
    net = make(folder, transform="crop_height: 9 crop_width: 12 scale_factors: 0.5 scale_factors: 1 scale_factors: 1.3",
               batch_size=1)
    seen = set()
    for batch in range(30):
        picture, labels = pair(folder, batch % 5)
        out, found = net.forward(), []
        for factor, size in ((0.5, (3, 4)), (1, (6, 8)), (1.3, (7, 10))):
            scaled = cv2.resize(picture.transpose(1, 2, 0).astype(np.uint8), size[::-1]).transpose(2, 0, 1)
            nearest = np.zeros((1, *size))
            for r, c in np.ndindex(*size):
                nearest[0, r, c] = labels[0, int(r * HEIGHT / size[0]), int(c * WIDTH / size[1])]
            top, left = max(size[0] - 9, 0) // 2, max(size[1] - 12, 0) // 2
            data, label = placed(scaled, nearest, (9, 12), top, left, False)
            found += [factor] if np.array_equal(out["data"][0], data) and np.array_equal(out["label"][0], label) else []
        assert len(found) == 1
        seen.update(found)
    assert seen == {0.5, 1, 1.3}


def test_new_size_and_grey(folder):
    out = make(folder, "label_type: PIXEL new_height: 3 new_width: 4 is_color: false", batch_size=1).forward()
    for name, file in (("data", "p0.png"), ("label", "l0.png")):
        grey = cv2.imread(str(folder / file), cv2.IMREAD_GRAYSCALE)
        np.testing.assert_array_equal(out[name][0, 0], cv2.resize(grey, (4, 3)))
    assert out["data_dim"].ravel().tolist() == [3, 4]


def test_a_net_learns_from_it(folder):
    """The labels go into SoftmaxWithLoss as in DeepLab's train.prototxt, 255 ignored."""
    net = caffe.Net(f"""layer {{ name: "data" type: "ImageSegData" top: "data" top: "label" top: "data_dim"
          image_data_param {{ source: "{folder}/list.txt" root_folder: "{folder}" batch_size: 2 shuffle: true
            label_type: PIXEL }} transform_param {{ {MEAN} crop_size: 9 mirror: true }} }}
        layer {{ name: "silence" type: "Silence" bottom: "data_dim" }}
        layer {{ name: "fc8" type: "Convolution" bottom: "data" top: "fc8"
          convolution_param {{ num_output: 21 kernel_size: 1 weight_filler {{ type: "xavier" }} }} }}
        layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "fc8" bottom: "label" top: "loss"
          loss_param {{ ignore_label: 255 }} }}""", caffe.TRAIN, seed=1)
    assert np.isfinite(net.forward()["loss"])
    net.backward()
    assert np.abs(net.params["fc8"][0].diff).max() > 0


def test_v1_name():
    net = read_net('layers { name: "d" type: IMAGE_SEG_DATA top: "x" image_data_param { source: "a" mirror: true } }')
    assert net.layer[0].type == "ImageSegData" and net.layer[0].transform_param.mirror


@pytest.mark.parametrize("change, reason", [
    ({"source": "names.txt"}, "names.txt:1: expected a name and that of its labels"),
    ({"source": "names.txt", "image": ""}, "expected a name and a label, found '/p0.png'"),
    ({"image": ""}, "a label is a number from 0 to 255 .* found '/l0.png'; with label_type PIXEL"),
    ({"source": "other.txt"}, "are 3 x 3, their picture 6 x 8"),
    ({"source": "missing.txt"}, "no such file"),
    ({"transform": 'mean_file: "x"'}, "takes no mean_file"),
    ({"transform": "crop_height: 3"}, "both of crop_height and crop_width"),
    ({"transform": "crop_size: 3 crop_height: 3 crop_width: 3"}, "give crop_size, or both"),
    ({"transform": "scale_factors: 1 scale_factors: 0"}, "must be above 0"),
    ({"transform": "scale_factors: 0.01"}, "leaves nothing"),
    ({"transform": "mean_value: 1 mean_value: 2"}, "2 mean_value for 3 channels"),
    ({"image": "label_type: PIXEL new_height: 3"}, "both or neither"),
    ({"tops": "a b c d"}, "takes 3 tops")])
def test_refused(folder, change, reason):
    cv2.imwrite(str(folder / "small.png"), np.zeros((3, 3), np.uint8))
    (folder / "other.txt").write_text("/p0.png /small.png\n")
    (folder / "missing.txt").write_text("/p0.png /none.png\n")
    with pytest.raises(caffe.NetError, match=reason):
        make(folder, **change).forward()


def test_its_settings_are_for_no_other_layer(folder):
    with pytest.raises(caffe.NetError, match="transform_param scale_factors is for ImageSegData"):
        caffe.Net(f"""layer {{ name: "d" type: "ImageData" top: "a" top: "b" transform_param {{ scale_factors: 2 }}
            image_data_param {{ source: "{folder}/classes.txt" root_folder: "{folder}" }} }}""", caffe.TEST)
