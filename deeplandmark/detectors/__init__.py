"""Finding faces in a picture: a single-shot detector, MTCNN, OpenCV's Haar cascade, its FaceDetectorYN, given boxes.

Every detector has `detect(image) -> Detections`: image uint8 (h, w) grey or (h, w, 3) BGR, or another of the kinds of
faces/picture_input.py; boxes of the kind the landmark cascade was trained on (see box_map.py). A detector may be used
by several threads at once.
"""

from collections.abc import Callable
from functools import partial
from inspect import signature
from os import PathLike
from pathlib import Path
from typing import Any

from deeplandmark.detectors.detections import Detections, intersection_over_union, largest, one_per_face
from deeplandmark.detectors.given import GivenBoxes, parse_box, read_boxes
from deeplandmark.detectors.haar import HaarDetector
from deeplandmark.detectors.mtcnn import MtcnnDetector
from deeplandmark.detectors.single_shot import SEARCH, SHARE, SingleShotDetector
from deeplandmark.detectors.thorough import ThoroughDetector
from deeplandmark.detectors.yunet import YuNetDetector

__all__ = ["Detections", "GivenBoxes", "HaarDetector", "MtcnnDetector", "SingleShotDetector", "YuNetDetector",
           "intersection_over_union", "largest", "load_detector", "one_per_face", "parse_box", "read_boxes"]


NAMES = (SingleShotDetector.name, MtcnnDetector.name, HaarDetector.name)
PUBLISHED = Path(__file__).parent / "published"    # the networks of the package, a folder a detector


def load_detector(kind: str | PathLike | None = None, min_face: float | None = None, convert: Callable | None = None,
                  thorough: bool = False) -> Any:
    """The detector that a user names.

    Parameters
    ----------
    kind : str or path, optional
        One of NAMES, "single_shot" (the default), "mtcnn" or "haar"; the folder of the networks of a single-shot
        detector or of an MTCNN; the path of a FaceDetectorYN model (.onnx).
    min_face : float, optional
        Width of the smallest face to look for, up to 1 as a fraction of the picture's shorter side, above 1 in pixels;
        None means the detector's own default.
    thorough : bool
        Whether to look at each picture in several orientations, too, and for faces half as large: see
        detectors/thorough.py.
    convert : callable, optional
        Makes ONNX models of MTCNN's public Caffe models; `models.detectors.load_detector` gives it.

    Raises
    ------
    FacesError
        For a name that is none of these, and for a model that cannot be read.
    """
    detector = _kind_of(kind, convert)
    if thorough:
        smallest = min_face if min_face is not None else signature(detector).parameters["min_face"].default
        return ThoroughDetector(detector(min_face=(smallest or SHARE) / 2))
    return detector() if min_face is None else detector(min_face=min_face)


def _kind_of(kind, convert):
    """The class of the detector of that name, with all that it takes but min_face."""
    if kind == HaarDetector.name:
        return HaarDetector
    if kind is None or kind == SingleShotDetector.name:
        return partial(SingleShotDetector, PUBLISHED / SingleShotDetector.name)
    if kind == MtcnnDetector.name:
        return partial(MtcnnDetector, PUBLISHED / MtcnnDetector.name)
    if Path(kind, SEARCH).is_file():
        return partial(SingleShotDetector, kind)
    if Path(kind).is_dir():
        return partial(MtcnnDetector, kind, convert=convert)
    return partial(YuNetDetector, Path(kind))
