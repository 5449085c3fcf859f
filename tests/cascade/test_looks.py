"""Looking again: faces in bad boxes, tilted and turned ones, by both engines, alone and in company."""
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deeplandmark import Cascade
from deeplandmark.cascade.cascade import MANNER
from deeplandmark.faces.augment import apply, mirror, mirror_points
from deeplandmark.faces.box import BBox
from deeplandmark.faces.box_of_points import boxes_of_points
from deeplandmark.faces.metrics import detection_error
from deeplandmark.faces.points import FIVE_POINTS, Points
from deeplandmark.faces.synthetic import draw_face
from deeplandmark.faces.upright import MEAN_FACE, PATCH, Frames, frames_of_boxes, frames_of_points, matrices, misfit
from deeplandmark.networks import looks as looks_room
from deeplandmark.networks.looks import FITS, OFF, _Faces
from deeplandmark.networks.published import model_at
from tests.helpers.onnx_cascades import random_model


@pytest.fixture(scope="module")
def cascade():
    return Cascade.load("wide")


@pytest.fixture(scope="module")
def torch_cascade():
    return Cascade.load(model_at("wide"), backend="torch")


def face(seed, degrees=0.0, larger=1.0, shift=(0.0, 0.0)):
    """A grey picture of a drawn face that is turned clockwise about its box, its true points, and a box that is off."""
    image, points, box = draw_face(np.random.default_rng(seed))
    image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    turn = cv2.getRotationMatrix2D(tuple(map(float, box.centre)), -degrees, 1)
    image = cv2.warpAffine(image, turn, image.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
    middle, half = box.centre + np.multiply(shift, box.width), larger * box.width / 2
    return image, apply(turn, points), BBox(*(middle - half), *(middle + half)).as_array()[None], box.width


SEEDS = range(12)


def errors(cascade, looks, **pose):
    """Median over some faces of the mean error of their points, fractions of the true box's width."""
    found = []
    for seed in SEEDS:
        image, truth, box, width = face(seed, **pose)
        found.append(detection_error(cascade.predict(image, box, looks=looks)[0], truth, width).mean())
    return float(np.median(found))


@pytest.mark.parametrize("pose", [{"degrees": 45}, {"degrees": -60}, {"degrees": 90}, {"degrees": 180},
                                  {"larger": 0.67}, {"larger": 1.49}, {"shift": (0.2, 0.1)}], ids=str)
def test_further_looks_mend_what_a_bad_view_spoils(cascade, pose):
    once, upright = errors(cascade, 1, **pose), errors(cascade, 1)
    for looks in (2, "auto"):
        again = errors(cascade, looks, **pose)
        assert again < once and again < 1.25 * upright + 0.002, (once, again, upright)


def test_an_angle_that_is_known_makes_the_first_look_upright(cascade):
    for degrees in (30, 90, -120, 180):
        for seed in SEEDS:
            image, truth, box, width = face(seed, degrees)
            found = cascade.locate(image, box, angles=[degrees])
            straight, points, box, _ = face(seed)
            expected = cascade.locate(straight, box)
            assert found.looks.tolist() == [1]
            here = detection_error(found.points[0], truth, width).mean()
            assert here < detection_error(expected.points[0], points, width).mean() + 0.01, (degrees, seed)


def test_both_engines_give_the_same(cascade, torch_cascade):
    for seed, pose in enumerate([{}, {"degrees": 50}, {"degrees": 180}, {"larger": 1.4}, {"shift": (0.2, 0)}]):
        image, _, box, width = face(seed, **pose)
        for looks in (2, "auto"):
            one, other = (each.locate(image, box, looks=looks) for each in (cascade, torch_cascade))
            assert one.looks.tolist() == other.looks.tolist()
            for name in ("points", "levels", "first", "spread"):
                assert np.abs(getattr(one, name) - getattr(other, name)).max() < 0.001 * width, (name, pose)
            assert np.abs(one.confidence - other.confidence).max() < 5e-3


def test_alone_and_among_many(cascade):
    """Small pictures and a large one, which is not kept; a picture without a face; one with several."""
    pictures = []
    for seed, pose in enumerate([{}, {"degrees": 50}, {"degrees": 180}, {"larger": 1.4}, {"shift": (0.2, 0)}]):
        image, _, box, _ = face(seed, **pose)
        pictures.append((image, box))
    large = np.full((1500, 1600), 90, np.uint8)
    large[300:300 + len(pictures[1][0]), 700:700 + pictures[1][0].shape[1]] = pictures[1][0]
    pictures += [(large, pictures[1][1] + [700, 300, 700, 300]), (pictures[0][0], np.zeros((0, 4))),
                 (pictures[2][0], np.concatenate([pictures[2][1], pictures[2][1] + 9]))]
    for looks in (2, "auto"):
        together = list(cascade.locate_many(pictures, looks=looks, jobs=1))
        for found, (image, boxes) in zip(together, pictures, strict=True):
            alone = cascade.locate(image, boxes, looks=looks)
            assert found.looks.tolist() == alone.looks.tolist()
            sides = (boxes[:, 2] - boxes[:, 0]).max(initial=1)
            assert np.abs(found.points - alone.points).max(initial=0) < 0.001 * sides
            assert found.levels.shape == (len(boxes), 3, 5, 2) and np.array_equal(found.points, found.levels[:, -1])
    (given,) = cascade.locate_many([(*pictures[2], [180])])
    assert given.looks.tolist() == [1] and given.confidence.mean() > MANNER.lost


def test_easy_faces_are_looked_at_once_by_auto_and_twice_by_two(cascade):
    """Those whose box fits and whose answer is sure, and no others."""
    counts = []
    for seed in range(40):
        image, _, box, _ = face(seed)
        first, found = cascade.locate(image, box), cascade.locate(image, box, looks="auto")
        off = misfit(frames_of_boxes(box), frames_of_points(first.points))[0]
        assert (found.looks[0] > 1) == (off > FITS or first.confidence.mean() < MANNER.sure)
        assert cascade.locate(image, box, looks=2).looks[0] >= 2
        counts.append(found.looks[0])
        if found.looks[0] == 1:
            assert np.array_equal(found.points, first.points)
    assert min(counts) == 1


def test_the_mean_of_two_looks_by_their_odds(cascade, monkeypatch):
    """Told once more in plain numbers, for a frame that is a little off and for one that is far off."""
    image, _, box, _ = face(3, degrees=20)
    calls, look = [], looks_room._Faces.look
    monkeypatch.setattr(looks_room._Faces, "look",
                        lambda *given: calls.append(look(*given)) or calls[-1])
    first, found = cascade.locate(image, box), cascade.locate(image, box, looks=2)
    off = misfit(frames_of_boxes(box), frames_of_points(first.points))[0]
    odds = [p / (1 - p) for p in (float(each.confidence.mean()) for each in (first, calls[0]))]
    share = 1 if off > OFF and odds[1] > odds[0] else odds[1] / (odds[0] + odds[1])
    expected = (1 - share) * first.points[0] + share * calls[0].levels[0, -1]
    if len(calls) == 1:
        np.testing.assert_allclose(found.points[0], expected, atol=1e-3)
    assert len(calls) == (2 if off > OFF else 1)


def test_a_look_that_sees_nothing_makes_nothing_worse(cascade):
    """A box on no face at all: whatever is looked for, answers stay finite, and confidence stays low."""
    rng = np.random.default_rng(5)
    image = cv2.GaussianBlur(rng.integers(0, 256, (200, 200), dtype=np.uint8), (0, 0), 3)
    for box in ([60, 40, 160, 140], [-90, -90, -20, -20], [150, 150, 400, 390], [99, 99, 100, 100]):
        found = cascade.locate(image, [box], looks="auto")
        assert np.isfinite(found.points).all() and found.confidence.mean() < MANNER.sure
    flat = cascade.locate(np.zeros((50, 50), np.uint8), [[10, 10, 40, 40]], looks=2)
    assert np.isfinite(flat.points).all()


def test_lower_levels_look_again_too(cascade):
    image, truth, box, width = face(2, degrees=180)
    for level in (1, 2):
        found = cascade.locate(image, box, level, looks="auto")
        assert found.levels.shape[1] == level and detection_error(found.points[0], truth, width).mean() < 0.06


def test_what_cannot_be_looked_at_so(cascade, tmp_path):
    image, _, box, _ = face(0)
    for looks in (0, 3, "2", None):
        with pytest.raises(ValueError, match="looks is 1, 2 or 'auto'"):
            cascade.locate(image, box, looks=looks)
    for angles in ([1, 2], [np.nan], 5):
        with pytest.raises(ValueError, match="angles are"):
            cascade.locate(image, box, angles=angles)
    ears = Cascade.load(random_model(tmp_path / "ears", Points(("left_ear", "right_ear", "chin"), (1, 0, 2))))
    assert ears.looks == (1,) and ears.locate(image, box, looks="auto").looks.tolist() == [1]
    with pytest.raises(ValueError, match="looks=2: the points of this model"):
        ears.locate(image, box, looks=2)


@settings(max_examples=50, deadline=None)
@given(st.floats(-180, 180), st.floats(5, 500), st.floats(-500, 500), st.floats(-500, 500))
def test_a_face_is_cut_out_upright_wherever_it_is(degrees, size, x, y):
    """The frame of points goes with them, and its patch shows them where it shows those of an upright face."""
    turn = np.radians(degrees)
    points = (MEAN_FACE - 0.5) @ [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]] * size + [x, y]
    frames, upright = frames_of_points(points[None]), frames_of_points(MEAN_FACE[None])
    assert abs((frames.angles[0] - degrees + 180) % 360 - 180) < 1e-6
    np.testing.assert_allclose(frames.sides, size * upright.sides)
    np.testing.assert_allclose(apply(matrices(frames)[0], points), apply(matrices(upright)[0], MEAN_FACE), atol=0.15)
    np.testing.assert_allclose(apply(matrices(frames)[0], frames.centres[0]), [(PATCH - 1) / 2] * 2, atol=0.1)
    box = boxes_of_points(MEAN_FACE[None])
    np.testing.assert_allclose(frames_of_boxes(box).centres, upright.centres)
    np.testing.assert_allclose(frames_of_boxes(box).sides, upright.sides)
    turned = frames._replace(angles=frames.angles + 380)
    assert misfit(frames, frames)[0] == 0 and misfit(frames, turned)[0] == pytest.approx(1)


def test_the_second_look_sees_the_face_mirrored(cascade):
    """Of a picture and its mirrored one, the answers of a look mirrored in the one are those as it is in the other."""
    image, _, box, _ = face(5, degrees=10)
    mirrored, _, there = mirror(image, np.zeros((5, 2)), BBox(*box[0]))
    other = _Faces(cascade._engine, 3, [mirrored], frames_of_boxes(there.as_array()[None]), MANNER)
    own = _Faces(cascade._engine, 3, [image], frames_of_boxes(box), MANNER)
    for frames in (own.boxes, own.boxes._replace(angles=np.array([8.0]))):
        opposite = Frames(-frames.angles, frames.centres * [-1, 1] + [image.shape[1] - 1, 0], frames.sides)
        found, expected = own.look([0], frames, mirrored=True), other.look([0], opposite)
        back = mirror_points(expected.levels[0], image.shape[1])
        np.testing.assert_allclose(found.levels[0], back, atol=0.01 * frames.sides[0])
        np.testing.assert_allclose(found.confidence, expected.confidence[:, FIVE_POINTS.mirror], atol=0.02)


def test_points_in_one_place_make_no_frame():
    frames = frames_of_points(np.full((2, 5, 2), 7.0))
    assert not frames.usable.any()
