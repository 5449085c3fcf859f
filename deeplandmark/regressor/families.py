"""The families of the regressor, a row each; the templates are prototxt/regressor/NAME_*.prototxt.template.

Those after the first are networks that others published for all points of a face. Their crops are made of an MTCNN's
boxes; here every network sees a window of the list's kind of box (faces/box.py), wide enough for contour and chin.
"""
from deeplandmark.faces.augment import Augmentation
from deeplandmark.faces.cutting import Normalisation
from deeplandmark.networks.family import USUAL_ENCODING, Encoding, Family
from deeplandmark.networks.network import Network

_WIDE = (-0.15, 1.15, -0.08, 1.22)      # of the face box: x0, x1, y0, y1
_HIGH = (-0.1, 1.1, -0.12, 1.28)        # for an input of 70 x 60: 7 to 6
_POSED = {1: Augmentation(angle=30.0, scale=0.15, shift=0.08)}


def whole_face(size, channels=3, beyond=0.1):
    """A rule for one network that sees the face box and `beyond` of it more on each side, size x size pixels."""
    return window_of_face((size, size), (-beyond, 1 + beyond, -beyond, 1 + beyond), channels)


def window_of_face(size, window, channels=3, **more):
    """A rule for one network for all points; it sees x0, x1, y0, y1, fractions of the face box, as (rows, columns).
    `more`: of its row (see Network)."""
    return lambda points: (Network(1, "face", "net", tuple(range(len(points))), size, window, channels=channels,
                                   **more),)


def _centred(window, size=1.0):
    """Targets counted from the middle of the face box, the window being so wide."""
    return Encoding(0.5, size / (window[1] - window[0]))


def _changes(encoding, **more):
    """How far training patches are changed, and other variables of the templates; shifts are in units of the target."""
    shift = round(0.08 * encoding.scale, 6)
    return {1: {"rotation": 30, "scale": 0.15, "shift": shift, "light": 0.2, "blur": 0.5, **more}}


FACE112 = Family(
    "face112", "regressor", whole_face(112), "one colour network of 112 x 112 for all points",
    normalisation=Normalisation(127.5, 128.0), variables={1: {"rotation": 30, "scale": 0.15, "shift": 0.16}},
    augmentation=_POSED, minutes={"fast": {"train_1": 25}, "full": {"train_1": 75}})

# Our own, of which the published weights for 68 and 88 points are: plain convolutions, since depthwise ones of as few
# multiply-adds take four times as long to train on a CPU, and BatchNorm as long again.
_WIDER = (-0.2, 1.2, -0.12, 1.28)
COMPACT = Family(
    "compact", "regressor", window_of_face((96, 96), _WIDER, channels=1),
    "residual, at 96 x 96 grey: of the published 68 and 88 points",
    variables=_changes(USUAL_ENCODING, rotation=25, scale=0.15, light=0.3, blur=0.7, grain=8, occlusion=0.15),
    augmentation=_POSED, minutes={"fast": {"train_1": 25}, "full": {"train_1": 60}})

# DeepAlignment. Its targets are counted from the crop's corner, 0..1; here from the middle, about which patches turn.
MOBILENETV2 = Family(
    "mobilenetv2", "regressor", window_of_face((64, 64), _WIDE), "MobileNetV2's blocks at 64 x 64 (DeepAlignment)",
    encoding=_centred(_WIDE), normalisation=Normalisation(127.5, 128.0),
    variables=_changes(_centred(_WIDE), loss="WeightEuclideanLoss"), augmentation=_POSED)

MOBILENETV2_STAGE2 = Family(
    "mobilenetv2_stage2", "regressor", window_of_face((64, 64), _WIDE, turns=2),
    "mobilenetv2 twice, the second time on the face made upright by the first", encoding=_centred(_WIDE),
    normalisation=Normalisation(127.5, 128.0), variables=_changes(_centred(_WIDE), loss="WeightEuclideanLoss"),
    augmentation=_POSED)

VGG_SHADOW = Family(
    "vgg_shadow", "regressor", window_of_face((70, 60), _HIGH, channels=1),
    "a small VGG on 70 x 60 grey pixels (DeepAlignment)", encoding=_centred(_HIGH),
    variables=_changes(_centred(_HIGH), loss="WeightEuclideanLoss"), augmentation=_POSED)

# The 88 points' network: pixels of the crop, and its errors therefore in pixels of 160.
_PIXELS = _centred(_WIDE, 160.0)
MOBILENET = Family(
    "mobilenet", "regressor", window_of_face((160, 160), _WIDE), "MobileNet at 160 x 160 (--set alpha=, shallow=)",
    encoding=_PIXELS, normalisation=Normalisation(0.0, 255.0), variables=_changes(_PIXELS, loss="MSE"),
    augmentation=_POSED)

VGGFACE_TRANSFER = Family(
    "vggface_transfer", "regressor", window_of_face((160, 160), _WIDE),
    "two layers on VGG-Face's convolutions (--set weights=VGG_FACE.caffemodel)", encoding=_PIXELS,
    normalisation=Normalisation(0.0, 1.0), variables=_changes(_PIXELS, loss="MSE"), augmentation=_POSED)

MOBILENETV2_BLOCK8 = Family(
    "mobilenetv2_block8", "regressor", window_of_face((224, 224), _WIDE),
    "MobileNetV2 at 224 x 224 up to block 8 (facelandmark-keras; --set head=convolution)", encoding=_centred(_WIDE),
    normalisation=Normalisation(127.5, 127.5), augmentation=_POSED,
    variables=_changes(_centred(_WIDE), loss="MSE", batch_size=16, test_batch_size=20, rotation=22.5, zoom=0.7))

# SAN (Dong et al., CVPR 2018), as small as a CPU trains it; two streams with an answer each, then that of both.
SAN = Family(
    "san", "regressor", window_of_face((64, 64), _WIDER, earlier=("original", "mean_style")),
    "maps of the face and of the mean of its styles, 64 x 64 (SAN)", normalisation=Normalisation(0.0, 255.0),
    variables=_changes(USUAL_ENCODING, rotation=25, scale=0.15, light=0.3), augmentation=_POSED,
    minutes={"fast": {"train_1": 23}, "full": {"train_1": 70}})

# Networks that look again at their own answer; narrower than published unless --set says otherwise (docs/methods.md).
_AGAIN = _changes(USUAL_ENCODING, loss="PointDistanceLoss", batch_size=32, test_batch_size=50)
_OF_AGAIN = {"augmentation": _POSED, "minutes": {"fast": {"train_1": 25}, "full": {"train_1": 75}}}
DAN = Family(
    "dan", "regressor", window_of_face((112, 112), _WIDER, channels=1, turns=3),
    "Deep Alignment Network: the face, then the face turned upright (--set width=, hidden=, shrink=)",
    variables=_AGAIN, **_OF_AGAIN)

DAN_STAGE = Family(
    "dan_stage", "regressor", window_of_face((112, 112), _WIDER, channels=1), "the first stage of dan by itself",
    variables=_AGAIN, **_OF_AGAIN)

MDM = Family(
    "mdm", "regressor", window_of_face((112, 112), _WIDER, channels=1, earlier=("step_1", "step_2", "step_3")),
    "Mnemonic Descent Method: patches around the points, four times (--set patch=, reach=, maps=, memory=)",
    variables={1: {**_AGAIN[1], "eyes": "corners"}}, **_OF_AGAIN)

# CFAN (Zhang et al., ECCV 2014) of SIFT at the points, as SeetaFace has it; sizes of its own for 68 points.
CFAN = Family(
    "cfan", "regressor", window_of_face((140, 140), _WIDER, channels=1, turns=4),
    "stacked auto-encoders of SIFT at the points, coarse to fine (--set hidden=400: SeetaFace's layout)",
    variables=_changes(USUAL_ENCODING, rotation=25, scale=0.15, batch_size=32, test_batch_size=25), augmentation=_POSED,
    minutes={"fast": {"train_1": 28}, "full": {"train_1": 84}})

# A head's pose straight from the picture, as FacePoseNet (Chang et al., ICCV workshops 2017), of which the published
# weights are: its six numbers are where three ends of the head's axes lie (HEAD_AXES of faces/points.py).
POSE = Family(
    "pose", "regressor", window_of_face((64, 64), _WIDER, channels=1), "a head's pose: six numbers of 64 x 64 grey",
    variables=_changes(USUAL_ENCODING, rotation=35, scale=0.15, light=0.3, blur=0.7, grain=8, occlusion=0.15),
    augmentation=_POSED, calibrated=False, minutes={"fast": {"train_1": 25}, "full": {"train_1": 60}})

FAMILIES = (FACE112, COMPACT, MOBILENETV2, MOBILENETV2_STAGE2, VGG_SHADOW, MOBILENET, VGGFACE_TRANSFER,
            MOBILENETV2_BLOCK8, SAN, DAN, DAN_STAGE, MDM, CFAN, POSE)
