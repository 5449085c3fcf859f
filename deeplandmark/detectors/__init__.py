"""Finding faces in a picture: OpenCV's Haar cascade, OpenCV's FaceDetectorYN, MTCNN, boxes given by the user.

Every detector has `detect(image) -> Detections`: image uint8 (h, w) grey or (h, w, 3) BGR, or another of the kinds of
faces/picture_input.py; boxes of the kind the landmark cascade was trained on (see box_map.py). A detector may be used
by several threads at once.
"""

from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any

from deeplandmark.detectors.detections import Detections, intersection_over_union, largest, one_per_face
from deeplandmark.detectors.given import GivenBoxes, parse_box, read_boxes
from deeplandmark.detectors.haar import HaarDetector
from deeplandmark.detectors.mtcnn import MtcnnDetector
from deeplandmark.detectors.yunet import YuNetDetector

__all__ = ["Detections", "GivenBoxes", "HaarDetector", "MtcnnDetector", "YuNetDetector", "intersection_over_union",
           "largest", "load_detector", "one_per_face", "parse_box", "read_boxes"]


def load_detector(kind: str | PathLike = "haar", min_face: float | None = None,
                  convert: Callable | None = None) -> HaarDetector | MtcnnDetector | YuNetDetector:
    """The detector that a user names: "haar", the path of a FaceDetectorYN model (.onnx), or the folder of the networks
    of an MTCNN.

    `min_face` is the smallest face to look for, its width as a fraction of the picture's shorter side or, above 1, in
    pixels; None means the detector's own default. `convert` makes ONNX models of MTCNN's public Caffe models;
    `models.detectors.load_detector` gives it. Raises FacesError for a name that is none of these, and for a model that
    cannot be read.
    """
    options: dict[str, Any] = {} if min_face is None else {"min_face": min_face}
    if kind == "haar":
        return HaarDetector(**options)
    if Path(kind).is_dir():
        return MtcnnDetector(kind, convert=convert, **options)
    return YuNetDetector(Path(kind), **options)
