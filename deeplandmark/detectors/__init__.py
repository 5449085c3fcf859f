"""Finding faces in a picture: OpenCV's Haar cascade, OpenCV's FaceDetectorYN, boxes given by the user (numpy and cv2).

Every detector has `detect(image) -> Detections`: image uint8 (h, w) grey or (h, w, 3) BGR, or another of the kinds of
faces/picture_input.py; boxes of the kind the landmark cascade was trained on (see box_map.py). A detector may be used
by several threads at once.
"""

from os import PathLike
from pathlib import Path

from deeplandmark.detectors.detections import Detections, intersection_over_union, largest, one_per_face
from deeplandmark.detectors.given import GivenBoxes, parse_box, read_boxes
from deeplandmark.detectors.haar import HaarDetector
from deeplandmark.detectors.yunet import YuNetDetector

__all__ = ["Detections", "GivenBoxes", "HaarDetector", "YuNetDetector", "intersection_over_union", "largest",
           "load_detector", "one_per_face", "parse_box", "read_boxes"]


def load_detector(kind: str | PathLike = "haar",
                  min_face: float | None = None) -> HaarDetector | YuNetDetector:
    """The detector that a user names: "haar", or the path of a FaceDetectorYN model (.onnx).

    `min_face` is the smallest face to look for, its width as a fraction of the picture's shorter side; None means the
    detector's own default. Raises FacesError for a name that is neither, and for a model that cannot be read.
    """
    options = {} if min_face is None else {"min_face": min_face}
    return HaarDetector(**options) if kind == "haar" else YuNetDetector(Path(kind), **options)
