"""caffe.io: messages and arrays, pictures, resizing against plain loops, the Transformer, Classifier and Detector."""
import cv2
import numpy as np
import pytest

import deeplandmark.caffe as caffe
from deeplandmark.caffe.proto import caffe_pb2

RNG = np.random.default_rng(3)
NET = """
force_backward: false
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 3 dim: CHANNELS dim: 6 dim: 6 } } }
layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: 4
  weight_filler { type: "xavier" } } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""


def test_blobs_and_arrays():
    array = RNG.standard_normal((2, 3, 4)).astype(np.float32)
    blob = caffe.io.array_to_blobproto(array, -array)
    np.testing.assert_array_equal(caffe.io.blobproto_to_array(blob), array)
    np.testing.assert_array_equal(caffe.io.blobproto_to_array(blob, return_diff=True), -array)
    legacy = caffe_pb2.BlobProto(num=1, channels=1, height=2, width=3, data=range(6))
    assert caffe.io.blobproto_to_array(legacy).shape == (1, 1, 2, 3)
    text = caffe.io.arraylist_to_blobprotovector_str([array, array[0]])
    assert [a.shape for a in caffe.io.blobprotovector_str_to_arraylist(text)] == [(2, 3, 4), (3, 4)]
    assert text == caffe.io.arraylist_to_blobprotovecor_str([array, array[0]])
    with pytest.raises(caffe.CaffeError, match="cut off"):
        caffe.io.blobprotovector_str_to_arraylist(text[:-3])
    with pytest.raises(caffe.CaffeError, match="diff"):
        caffe.io.array_to_blobproto(array, array[0])
    blob.shape.dim[0] = 5
    with pytest.raises(caffe.CaffeError, match=r"24 values for shape \(5, 3, 4\)"):
        caffe.io.blobproto_to_array(blob)


@pytest.mark.parametrize("array", [RNG.integers(0, 256, (3, 4, 5)).astype(np.uint8), RNG.standard_normal((1, 2, 3))])
def test_datums_and_arrays(array):
    datum = caffe.io.array_to_datum(array, 7)
    found = caffe.io.datum_to_array(datum)
    assert datum.label == 7 and (found.dtype == np.uint8) == (array.dtype == np.uint8)
    np.testing.assert_allclose(found, array, rtol=1e-6)
    assert not caffe.io.array_to_datum(array).HasField("label")
    with pytest.raises(ValueError):
        caffe.io.array_to_datum(array[0])
    datum.encoded = True
    with pytest.raises(caffe.CaffeError, match="encoded"):
        caffe.io.datum_to_array(datum)


def resized_by_loops(image, height, width, by_area):
    """What skimage's resize (1 or 3 channels: centres, zero beyond the edge) and scipy's zoom (corners) compute."""
    low = float(image.min()) if by_area else 0.0
    old = image.astype(float) - low
    out = np.zeros((height, width, image.shape[2]))
    for i in range(height):
        for j in range(width):
            if by_area:
                y, x = (i + 0.5) * old.shape[0] / height - 0.5, (j + 0.5) * old.shape[1] / width - 0.5
            else:
                y, x = (k * (n - 1) / (m - 1) for k, n, m in ((i, old.shape[0], height), (j, old.shape[1], width)))
            y0, x0 = int(np.floor(y)), int(np.floor(x))
            for a, wa in ((y0, 1 - (y - y0)), (y0 + 1, y - y0)):
                for b, wb in ((x0, 1 - (x - x0)), (x0 + 1, x - x0)):
                    if 0 <= a < old.shape[0] and 0 <= b < old.shape[1]:
                        out[i, j] += wa * wb * old[a, b]
    return out + low


@pytest.mark.parametrize("shape, size", [((5, 7, 3), (9, 4)), ((6, 6, 1), (12, 12)), ((4, 5, 2), (7, 9)),
                                         ((9, 8, 4), (4, 3)), ((1, 1, 3), (3, 2))])
def test_resize_image(shape, size):
    image = RNG.random(shape).astype(np.float32) * 200 - 50
    found = caffe.io.resize_image(image, size)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, resized_by_loops(image, *size, shape[2] in (1, 3)), rtol=1e-6, atol=1e-4)


def test_resize_image_inside_is_opencv_s():
    image = RNG.random((20, 30, 3)).astype(np.float32)
    found = caffe.io.resize_image(image, (41, 47))[3:-3, 3:-3]
    np.testing.assert_allclose(found, cv2.resize(image, (47, 41))[3:-3, 3:-3], atol=2e-6)


def test_resize_image_edges_of_the_rule():
    assert (caffe.io.resize_image(np.full((3, 3, 3), 5.0), (7, 2)) == 5).all()
    nearest = caffe.io.resize_image(np.arange(4.0).reshape(2, 2, 1), (4, 4), interp_order=0)
    np.testing.assert_array_equal(nearest[:, :, 0], [[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3]])
    for bad in (dict(interp_order=3), dict(new_dims=(0, 3))):
        with pytest.raises(caffe.CaffeError):
            caffe.io.resize_image(np.ones((3, 3, 3)), **{"new_dims": (2, 2), **bad})


def test_load_image(tmp_path):
    bgra = RNG.integers(0, 256, (4, 5, 4)).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), bgra)
    image = caffe.io.load_image(tmp_path / "a.png")
    assert image.dtype == np.float32
    np.testing.assert_array_equal(image, (bgra[:, :, 2::-1] / 255).astype(np.float32))
    grey = caffe.io.load_image(str(tmp_path / "a.png"), color=False)
    np.testing.assert_allclose(grey[:, :, 0], bgra[:, :, 2::-1] / 255 @ [0.2125, 0.7154, 0.0721], rtol=1e-6)
    cv2.imwrite(str(tmp_path / "g.png"), (bgra[:, :, 0].astype(np.uint16) * 257))
    np.testing.assert_allclose(caffe.io.load_image(tmp_path / "g.png")[:, :, 1], bgra[:, :, 0] / 255, rtol=1e-6)
    assert caffe.io.load_image(tmp_path / "g.png", color=False).shape == (4, 5, 1)
    (tmp_path / "x.png").write_text("no picture")
    for name, reason in (("x.png", "no picture"), ("y.png", "not found")):
        with pytest.raises(caffe.CaffeError, match=reason):
            caffe.io.load_image(tmp_path / name)


def test_oversample():
    image = np.arange(5 * 6 * 1, dtype=np.float32).reshape(5, 6, 1)
    crops = caffe.io.oversample([image, image + 100], (3, 4))
    assert crops.shape == (20, 3, 4, 1)
    for k, (top, left) in enumerate([(0, 0), (0, 2), (2, 0), (2, 2), (1, 1)]):
        np.testing.assert_array_equal(crops[k], image[top:top + 3, left:left + 4])
        np.testing.assert_array_equal(crops[k + 5], image[top:top + 3, left:left + 4][:, ::-1])
    np.testing.assert_array_equal(crops[10:], crops[:10] + 100)
    with pytest.raises(caffe.CaffeError, match="do not fit"):
        caffe.io.oversample([image], (6, 6))


def test_transformer_there_and_back():
    transformer = caffe.io.Transformer({"data": (2, 3, 4, 5)})
    transformer.set_transpose("data", (2, 0, 1))
    transformer.set_channel_swap("data", (2, 0, 1))              # a swap that is not its own inverse
    transformer.set_raw_scale("data", 255)
    transformer.set_mean("data", np.array([10.0, 20.0, 30.0]))
    transformer.set_input_scale("data", 0.5)
    image = RNG.random((4, 5, 3)).astype(np.float32)
    kept = image.copy()
    found = transformer.preprocess("data", image)
    wanted = (image.transpose(2, 0, 1)[[2, 0, 1]] * 255 - np.array([10, 20, 30])[:, None, None]) * 0.5
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(image, kept)
    np.testing.assert_allclose(transformer.deprocess("data", found), image, atol=1e-6)
    assert transformer.preprocess("data", RNG.random((9, 9, 3))).shape == (3, 4, 5)


def test_transformer_s_means():
    transformer = caffe.io.Transformer({"data": (1, 3, 4, 4)})
    transformer.set_mean("data", RNG.random((3, 8, 8)))
    assert transformer.mean["data"].shape == (3, 4, 4)
    transformer.set_mean("data", np.ones((4, 4)))
    for mean in (np.ones(2), np.ones((2, 4, 4)), np.ones((1, 1, 1, 1))):
        with pytest.raises(ValueError):
            transformer.set_mean("data", mean)
    with pytest.raises(caffe.CaffeError, match="'label' is not an input"):
        transformer.set_raw_scale("label", 2)
    with pytest.raises(caffe.CaffeError, match="3 axes"):
        transformer.set_transpose("data", (1, 0))
    with pytest.raises(caffe.CaffeError, match="3 channels"):
        transformer.set_channel_swap("data", (1, 0))


@pytest.fixture(params=[1, 3])
def files(request, tmp_path):
    (tmp_path / "net.prototxt").write_text(NET.replace("CHANNELS", str(request.param)))
    net = caffe.Net(str(tmp_path / "net.prototxt"), caffe.TEST, seed=1)
    net.save(tmp_path / "net.caffemodel")
    return str(tmp_path / "net.prototxt"), str(tmp_path / "net.caffemodel"), request.param


def test_classifier(files):
    *paths, channels = files
    classifier = caffe.Classifier(*paths, image_dims=(8, 8), raw_scale=255, mean=np.full(channels, 100.0),
                                  channel_swap=tuple(range(channels))[::-1])
    pictures = [RNG.random((12, 10, channels)).astype(np.float32) for _ in range(2)]
    for oversample in (True, False):
        found = classifier.predict(pictures, oversample)
        assert found.shape == (2, 4)
        small = [caffe.io.resize_image(p, (8, 8)) for p in pictures]
        crops = caffe.io.oversample(small, (6, 6)) if oversample else [p[1:7, 1:7] for p in small]
        data = np.stack([(c * 255 - 100).transpose(2, 0, 1)[::-1] for c in crops])
        wanted = classifier.forward_all(data=data)["prob"]
        np.testing.assert_allclose(found, wanted.reshape(2, -1, 4).mean(1), rtol=1e-4, atol=1e-6)


def test_detector(files, tmp_path):
    *paths, channels = files
    if channels == 1:
        pytest.skip("load_image gives colours")
    picture = RNG.integers(0, 256, (30, 40, 3)).astype(np.uint8)
    name = str(tmp_path / "p.png")
    cv2.imwrite(name, picture)
    windows = [(0, 0, 12, 12), (5, 7, 25, 30)]
    detector = caffe.Detector(*paths, raw_scale=255, mean=np.array([100.0, 110, 120]), channel_swap=(2, 1, 0))
    found = detector.detect_windows([(name, windows)])
    assert [d["window"] for d in found] == windows and all(d["filename"] == name for d in found)
    crop = caffe.io.resize_image(caffe.io.load_image(name)[5:25, 7:30], (6, 6))
    data = crop.transpose(2, 0, 1)[::-1] * 255 - np.array([100, 110, 120])[:, None, None]
    np.testing.assert_allclose(found[1]["prediction"], detector.forward_all(data=data[None])["prob"][0], rtol=1e-4)
    assert detector.detect_windows([]) == []
    for window in ((0, 0, 31, 5), (4, 4, 4, 9)):
        with pytest.raises(caffe.CaffeError, match="window"):
            detector.detect_windows([(name, [window])])
    with pytest.raises(caffe.CaffeError, match="selective search"):
        detector.detect_selective_search([name])


def test_detector_with_surroundings(files):
    *paths, channels = files
    detector = caffe.Detector(*paths, context_pad=1, mean=np.arange(1.0, channels + 1), raw_scale=2)
    image = RNG.random((20, 20, channels)).astype(np.float32) + 10
    inside = detector.crop(image, (8, 8, 12, 12))
    assert inside.shape == (6, 6, channels) and inside.min() > 9
    corner = detector.crop(image, (0, 0, 8, 8))                  # beyond the picture: the mean in the picture's units
    np.testing.assert_allclose(corner[0, 0], np.arange(1.0, channels + 1) / 2)
    assert corner[3:, 3:].min() > 4
    name = detector.inputs[0]
    np.testing.assert_allclose(detector.transformer.preprocess(name, corner)[:, 0, 0], 0, atol=1e-6)
    with pytest.raises(caffe.CaffeError, match="context_pad"):
        detector.configure_crop(3)
