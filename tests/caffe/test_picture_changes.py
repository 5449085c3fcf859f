"""SSD's samplers and changes of pictures, one by one: what they keep, and how what they draw is distributed."""
import colorsys
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st

from deeplandmark.caffe.layers import picture_changes as changes
from deeplandmark.caffe.layers.box_sampler import sampled_boxes, satisfies
from deeplandmark.caffe.proto import caffe_pb2

PART = st.floats(0, 1, width=32)
BOXES = st.lists(st.tuples(PART, PART, PART, PART).map(
    lambda b: (min(b[::2]), min(b[1::2]), max(b[::2]), max(b[1::2]))), max_size=4)


def proto(kind, text):
    return text_format.Parse(text, getattr(caffe_pb2, kind)())


def area(box):
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def shared(a, b):
    return area((max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])))


def ratio(a, b):
    return a / b if b > 0 and a > 0 else 0.0


KINDS = {"jaccard_overlap": lambda box, one: ratio(shared(box, one), area(box) + area(one) - shared(box, one)),
         "sample_coverage": lambda box, one: ratio(shared(box, one), area(box)),
         "object_coverage": lambda box, one: ratio(shared(box, one), area(one))}


@given(st.sampled_from(sorted(KINDS)), st.one_of(st.none(), PART), st.one_of(st.none(), PART), BOXES,
       st.integers(0, 1 << 30))
def test_kept_boxes_obey_the_constraint(kind, low, high, objects, seed):
    constraint = caffe_pb2.SampleConstraint()
    for end, bound in (("min", low), ("max", high)):
        if bound is not None:
            setattr(constraint, f"{end}_{kind}", bound)
    batch = caffe_pb2.BatchSampler(max_sample=2, max_trials=8, sample_constraint=constraint)
    batch.sampler.min_scale, batch.sampler.min_aspect_ratio, batch.sampler.max_aspect_ratio = 0.2, 0.5, 2
    objects = np.array(objects, np.float32).reshape(-1, 4)
    found = sampled_boxes([batch], objects, np.random.default_rng(seed))
    assert len(found) <= 2
    for box in found:
        assert (box >= 0).all() and (box <= 1 + 1e-6).all() and (box[2:] > box[:2]).all()
        values = [KINDS[kind](box.astype(float), one.astype(float)) for one in objects]
        assert low is high is None or any((low is None or v >= low - 1e-5) and (high is None or v <= high + 1e-5)
                                          for v in values)
    if low is high is None:
        assert len(found) == 2


def test_of_several_kinds_the_first_counts():
    """As SSD's SatisfySampleConstraint in effect does; and an object must keep both bounds of a kind by itself."""
    box, objects = np.float32([0, 0, 0.5, 1]), np.float32([[0, 0, 0.5, 0.8], [0.9, 0.9, 1, 1]])
    both = proto("SampleConstraint", "min_jaccard_overlap: 0.7 min_sample_coverage: 0.9")
    assert satisfies(both, box, objects)
    assert not satisfies(proto("SampleConstraint", "min_sample_coverage: 0.9"), box, objects)
    assert not satisfies(proto("SampleConstraint", "min_jaccard_overlap: 0.1 max_jaccard_overlap: 0.7"), box, objects)
    assert not satisfies(proto("SampleConstraint", "max_object_coverage: 1"), box, objects[:0])
    assert satisfies(caffe_pb2.SampleConstraint(), box, objects[:0])


def test_scales_and_places_of_samples_are_uniform():
    batch = proto("BatchSampler", "sampler { min_scale: 0.3 max_scale: 0.7 } max_trials: 4000")
    boxes = np.array(sampled_boxes([batch], np.zeros((0, 4), np.float32), np.random.default_rng(0)))
    sides = boxes[:, 2:] - boxes[:, :2]
    np.testing.assert_allclose(sides[:, 0], sides[:, 1], atol=1e-6)
    uniform(sides[:, 0], 0.3, 0.7)
    uniform(boxes[:, 0] / (1 - sides[:, 0]), 0, 1)
    uniform(boxes[:, 1] / (1 - sides[:, 1]), 0, 1)
    batch = proto("BatchSampler", "sampler { min_scale: 0.5 max_scale: 0.5 min_aspect_ratio: 0.1 max_aspect_ratio: 9 } "
                                  "max_trials: 4000 max_sample: 9000")
    boxes = np.array(sampled_boxes([batch], np.zeros((0, 4), np.float32), np.random.default_rng(0)))
    sides = boxes[:, 2:] - boxes[:, :2]
    np.testing.assert_allclose(sides.prod(1), 0.25, atol=1e-5)
    aspect = sides[:, 0] / sides[:, 1]                           # cut to scale^2 .. 1 / scale^2
    uniform(aspect[(aspect > 0.2501) & (aspect < 3.999)], 0.25, 4)
    assert abs((aspect > 3.999).mean() - 5 / 8.9) < 0.03
    assert not sampled_boxes([proto("BatchSampler", "use_original_image: false")], boxes, np.random.default_rng(0))


def uniform(values, low, high):
    """The largest distance of the two distribution functions, as of Kolmogorov and Smirnov (3 sigma)."""
    values = np.sort(values)
    assert np.abs((values - low) / (high - low) - np.linspace(0, 1, len(values))).max() < 1.9 / np.sqrt(len(values))


def drawn(text, picture, times=2500):
    p, rng = proto("DistortionParameter", text), np.random.default_rng(5)
    return np.array([changes.distort(picture, p, rng)[0, 0] for _ in range(times)], float)


def test_brightness_and_contrast_are_as_often_and_as_far_as_told():
    grey = np.full((1, 1, 3), 120, np.uint8)
    values = drawn("brightness_prob: 0.5 brightness_delta: 32", grey)
    assert (values == values[:, :1]).all() and abs((values[:, 0] != 120).mean() - 0.5 * 64 / 65) < 0.04
    uniform(values[values[:, 0] != 120, 0], 88, 152)
    values = drawn("contrast_prob: 1 contrast_lower: 0.5 contrast_upper: 1.5", grey)[:, 0]
    uniform(values, 60, 180)
    assert drawn("brightness_prob: 1 brightness_delta: 250", grey).max() == 255
    both = drawn("brightness_prob: 1 brightness_delta: 32 contrast_prob: 1 contrast_lower: 0 contrast_upper: 0", grey)
    assert (both == 0).all()                                     # whichever half, contrast comes after brightness


def test_saturation_and_hue():
    colour = np.uint8([[[40, 90, 200]]])                         # BGR
    values = drawn("saturation_prob: 1 saturation_lower: 0.5 saturation_upper: 1", colour)
    hsv = np.array([colorsys.rgb_to_hsv(*(v[::-1] / 255)) for v in values])
    uniform(hsv[:, 1], 0.4, 0.8)                                 # 160 of 200
    assert np.abs(hsv[:, 2] - 200 / 255).max() < 0.01
    values = drawn("hue_prob: 1 hue_delta: 9", colour)
    hues = np.array([colorsys.rgb_to_hsv(*(v[::-1] / 255))[0] for v in values]) * 180
    counts = np.bincount(np.rint(hues).astype(int), minlength=19)    # hue 18.75 degrees is 9 in OpenCV's units
    np.testing.assert_allclose(counts / 2500, [0.5 / 18, *[1 / 18] * 17, 0.5 / 18], atol=0.016)


def test_contrast_comes_second_or_last():
    """Saturation of what contrast made bright loses what was cut off at 255; the other order does not."""
    bright = np.uint8([[[100, 200, 255]]])
    values = drawn("contrast_prob: 1 contrast_lower: 1.5 contrast_upper: 1.5 saturation_prob: 1 saturation_lower: 0.5 "
                   "saturation_upper: 0.5", bright, 1000)
    kinds, counts = np.unique(values, axis=0, return_counts=True)
    assert len(kinds) == 2 and abs(counts[0] / 1000 - 0.5) < 0.06


def test_channels_in_another_order():
    values = drawn("random_order_prob: 0.6", np.uint8([[[1, 2, 3]]]), 6000)
    kinds, counts = np.unique(values, axis=0, return_counts=True)
    assert len(kinds) == 6
    np.testing.assert_allclose(counts / 6000, [0.5, *[0.1] * 5], atol=0.02)


def test_expansion():
    rng, picture = np.random.default_rng(6), np.full((20, 30, 3), 200, np.uint8)
    p, ratios, places = proto("ExpansionParameter", "prob: 0.5 max_expand_ratio: 4"), [], []
    for _ in range(2000):
        found, box = changes.expand(picture, p, [10, 20, 30.4], rng)
        rows, columns = np.nonzero((found == 200).all(2))
        assert len(rows) == 600
        np.testing.assert_allclose(box, [-columns[0] / 30, -rows[0] / 20, (found.shape[1] - columns[0]) / 30,
                                         (found.shape[0] - rows[0]) / 20], rtol=1e-5)
        if found.shape != picture.shape:
            ratios.append(found.shape[1] / 30)
            places.append(columns[0] / max(1, found.shape[1] - 30))
            left = np.delete(found.reshape(-1, 3), np.flatnonzero((found == 200).all(2)), 0)
            assert (left == [10, 20, 30]).all()
    assert abs(len(ratios) / 2000 - 0.5) < 0.04
    uniform(np.array(ratios) + 0.5 / 30, 1, 4)
    assert abs(np.mean(places) - 0.5) < 0.04
    never = proto("ExpansionParameter", "prob: 1 max_expand_ratio: 1.005")
    assert changes.expand(picture, never, [], rng)[0] is picture
    assert changes.expand(picture, p, [], np.random.default_rng(8))[0].min() in (0, 200)


def test_noise():
    rng, picture = np.random.default_rng(7), np.random.default_rng(0).integers(0, 256, (9, 11, 3)).astype(np.uint8)

    def noisy(text, picture=picture):
        return changes.noisy(picture, proto("PictureNoiseParameter", text), rng)

    np.testing.assert_array_equal(noisy("prob: 0"), picture)
    np.testing.assert_array_equal(noisy("inverse: true"), 255 - picture)
    assert set(np.unique(noisy("posterize: true"))) <= {32, 96, 160, 224}
    grey = noisy("decolorize: true")
    assert (grey == grey[..., :1]).all() and np.abs(grey[..., 0] - picture @ [0.114, 0.587, 0.299]).max() <= 0.51
    assert (noisy("erode: true") <= picture).all() and noisy("gauss_blur: true").std() < picture.std()
    assert 0 < np.abs(noisy("jpeg: 95").astype(int) - picture).mean() < 60
    peppered = noisy("saltpepper: true saltpepper_param { fraction: 0.2 value: 7 value: 8 value: 9 }")
    changed = (peppered != picture).any(2)
    assert 0 < changed.sum() <= 19 and (peppered[changed] == [7, 8, 9]).all()
    np.testing.assert_array_equal(noisy("convert_to_hsv: true"), cv2.cvtColor(picture, cv2.COLOR_BGR2HSV))
    for text in ("hist_eq: true", "clahe: true", "gauss_blur: true", "erode: true", "jpeg: 90"):
        assert noisy(text).shape == picture.shape and noisy(text, picture[..., :1].copy()).shape == (9, 11, 1)
    dark = noisy("hist_eq: true", picture // 4)
    assert dark.max() > 200


def test_an_interpolation_of_several_is_drawn():
    picture = np.random.default_rng(0).integers(0, 256, (9, 11, 3)).astype(np.uint8)
    p = proto("ResizeParameter", "height: 5 width: 6 interp_mode: LINEAR interp_mode: AREA interp_mode: NEAREST "
                                 "interp_mode: CUBIC interp_mode: LANCZOS4")
    wanted = [cv2.resize(picture, (6, 5), interpolation=mode) for mode in
              (cv2.INTER_LINEAR, cv2.INTER_AREA, cv2.INTER_NEAREST, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)]
    rng = np.random.default_rng(1)
    found = [changes.resize(picture, p, rng) for _ in range(600)]
    for one in wanted:
        assert abs(np.mean([np.array_equal(one, other) for other in found]) - 0.2) < 0.06


@pytest.mark.parametrize("mode, size, wanted", [
    ("WARP", (9, 40), (50, 60)), ("FIT_LARGE_SIZE_AND_PAD", (9, 40), (50, 60)),
    ("FIT_SMALL_SIZE", (10, 40), (50, 200)), ("FIT_SMALL_SIZE", (40, 10), (240, 60)),
    ("FIT_SMALL_SIZE", (7, 9), (50, 64))])                       # 9 / 7 * 50 is 64.3
def test_sizes(mode, size, wanted):
    p = proto("ResizeParameter", f"height: 50 width: 60 resize_mode: {mode}")
    assert changes.resized_shape(p, size) == wanted
    found = changes.resize(np.zeros((*size, 1), np.uint8), p, np.random.default_rng(0))
    assert found.shape == (*wanted, 1)
    layer = SimpleNamespace(fail=lambda reason: pytest.fail(reason))
    changes.check_resize(layer, p)
