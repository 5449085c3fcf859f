"""WindowData: sampling by overlap, and the arithmetic of context, padding and mirroring by hand."""
import cv2
import numpy as np
import pytest

import deeplandmark.caffe as caffe
from deeplandmark.caffe.layers.window_data import context_cut


@pytest.fixture
def folder(tmp_path):
    """Two pictures of 20 x 30 pixels; five windows: two objects, two of the background, one in between."""
    rng = np.random.default_rng(3)
    for index in range(2):
        cv2.imwrite(str(tmp_path / f"p{index}.png"), rng.integers(0, 256, (20, 30, 3), np.uint8))
    write(tmp_path, ["1 0.7 2 3 11 12", "2 0.5 0 0 9 19", "1 0.4 5 5 9 9"], ["3 0.2 10 4 25 17", "0 0 1 1 8 8"])
    return tmp_path


def write(folder, *windows):
    text = ""
    for index, lines in enumerate(windows):
        text += f"# {index}\np{index}.png\n3\n20\n30\n{len(lines)}\n" + "".join(f"{line}\n" for line in lines)
    (folder / "windows.txt").write_text(text)


def make(folder, settings="", transform="crop_size: 8", batch_size=8):
    return caffe.Net(f"""layer {{ name: "d" type: "WindowData" top: "data" top: "label"
        window_data_param {{ source: "{folder / 'windows.txt'}" root_folder: "{folder}/" batch_size: {batch_size}
            fg_threshold: 0.5 bg_threshold: 0.3 {settings} }}
        transform_param {{ {transform} }} }}""", caffe.TRAIN, seed=1)


def warped(folder, index, box, size=8):
    left, top, right, bottom = box
    piece = cv2.imread(str(folder / f"p{index}.png"))[top:bottom + 1, left:right + 1]
    return cv2.resize(piece, (size, size)).transpose(2, 0, 1).astype(np.float32)


def test_background_first_then_objects(folder):
    windows = {1: [(0, (2, 3, 11, 12))], 2: [(0, (0, 0, 9, 19))], 0: [(1, (10, 4, 25, 17)), (1, (1, 1, 8, 8))]}
    net = make(folder, "fg_fraction: 0.4")                       # int(8 * 0.4) = 3 objects
    labels = []
    for _ in range(10):
        out = net.forward()
        labels += out["label"].tolist()
        assert out["label"][:5].tolist() == [0] * 5 and set(out["label"][5:].tolist()) <= {1, 2}
        for item, label in zip(out["data"], out["label"]):
            assert any(np.array_equal(item, warped(folder, *window)) for window in windows[int(label)])
    assert set(labels) == {0, 1, 2}


def test_mean_scale_and_mirror(folder):
    write(folder, ["1 1 2 3 11 12"])
    mean = np.random.default_rng(0).random((3, 12, 12)).astype(np.float32) * 100
    proto = caffe.proto.caffe_pb2.BlobProto(num=1, channels=3, height=12, width=12, data=mean.ravel())
    (folder / "mean.binaryproto").write_bytes(proto.SerializeToString())
    plain = warped(folder, 0, (2, 3, 11, 12))
    net = make(folder, "fg_fraction: 1", f'crop_size: 8 mirror: true scale: 0.5 mean_file: "{folder}/mean.binaryproto"')
    wanted = [(item - mean[:, 2:10, 2:10]) * np.float32(0.5) for item in (plain, plain[:, :, ::-1])]
    found = [[np.array_equal(item, one) for one in wanted].index(True) for item in net.forward()["data"]]
    assert set(found) == {0, 1}
    out = make(folder, "fg_fraction: 1 scale: 2", "crop_size: 8 mean_value: 1 mean_value: 2 mean_value: 3")
    np.testing.assert_array_equal(out.forward()["data"][0], (plain - np.float32([1, 2, 3])[:, None, None]) * 2)


def test_context_inside_the_picture():
    """box 10..19 (10 wide), crop 12 with 1 of context: 12 / 10 of the half size 5 is 6 around the centre 15."""
    cut = context_cut((10, 10, 19, 19), (100, 100), 12, 1, False)
    assert cut[:4] == (9, 9, 21, 21) and (cut.width, cut.height, cut.pad_left, cut.pad_top) == (12, 12, 0, 0)


def test_context_beyond_the_edges():
    """box 0..9 at the corner: -1..11 is 13 wide, one column and row of it outside."""
    cut = context_cut((0, 0, 9, 9), (100, 11), 12, 1, False)
    assert cut[:4] == (0, 0, 10, 11)                             # the picture is 11 wide: column 11 is outside, too
    assert cut.width == round(11 * 12 / 13) and cut.height == round(12 * 12 / 13)
    assert (cut.pad_left, cut.pad_top, cut.pad_right) == (1, 1, 1)


def test_square_keeps_proportions():
    cut = context_cut((10, 10, 19, 29), (100, 100), 20, 0, True)      # 10 x 20 around (15, 20)
    assert cut[:4] == (5, 10, 25, 30)


@pytest.mark.parametrize("cache", ["", "cache_images: true"])
def test_padding_is_zero_and_mirrored(folder, cache):
    write(folder, ["1 1 0 5 9 14"])
    net = make(folder, f"fg_fraction: 1 context_pad: 2 {cache}", "crop_size: 14 mirror: true")
    cut = context_cut((0, 5, 9, 14), (20, 30), 14, 2, False)
    assert cut.pad_left == 2 and cut.pad_right == 0
    piece = cv2.imread(str(folder / "p0.png"))[cut.top:cut.bottom + 1, cut.left:cut.right + 1]
    piece = cv2.resize(piece, (12, 14)).transpose(2, 0, 1)
    plain, mirrored = np.zeros((2, 3, 14, 14))
    plain[:, :, 2:], mirrored[:, :, :12] = piece, piece[:, :, ::-1]
    found = [[np.array_equal(item, one) for one in (plain, mirrored)].index(True) for item in net.forward()["data"]]
    assert set(found) == {0, 1}


@pytest.mark.parametrize("windows, settings, reason", [
    (["1 1 25 3 40 12"], "fg_fraction: 1", "does not lie in"),
    (["0 1 2 3 8 12"], "fg_fraction: 1", "label above 0"),
    (["1 1 2 3 8"], "fg_fraction: 1", "ends too early"),
    (["1 x 2 3 8 9"], "fg_fraction: 1", "expected a number"),
    (["1 1 2 3 8 9"], "fg_fraction: 0.5", "no background windows"),
    (["1 0 2 3 8 9"], "fg_fraction: 0.5", "no foreground windows"),
    (["1 1 2 3 8 9"], "fg_fraction: 1 context_pad: 4", "leaves nothing"),
    (["1 1 2 3 8 9"], 'fg_fraction: 1 crop_mode: "round"', "warp or square")])
def test_refused(folder, windows, settings, reason):
    write(folder, windows)
    with pytest.raises(caffe.NetError, match=reason):
        make(folder, settings).forward()


def test_bad_files(folder):
    with pytest.raises(caffe.NetError, match="crop_size"):
        make(folder, transform="")
    (folder / "windows.txt").write_text("# 1 p0.png 3 20 30 0")
    with pytest.raises(caffe.NetError, match="expected '# 0'"):
        make(folder)
    (folder / "windows.txt").write_text("")
    with pytest.raises(caffe.NetError, match="is empty"):
        make(folder)
