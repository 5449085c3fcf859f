"""What commands that look for faces are told about the detector."""

from deeplandmark.commandline.arguments import positive
from deeplandmark.models.detectors import load_detector


def add_detector_argument(parser):
    parser.add_argument("--detector", metavar="KIND", help="single_shot (default) or mtcnn, networks of the package; "
                        "haar (OpenCV 4's); the folder of the networks of a single-shot detector or of an MTCNN; the "
                        ".onnx model file of OpenCV's FaceDetectorYN")


def add_search_arguments(parser):
    """--detector, --min-face and --thorough."""
    add_detector_argument(parser)
    parser.add_argument("--min-face", type=positive, metavar="F", help="smallest face to look for: up to 1 a fraction "
                        "of the picture's shorter side, above 1 pixels (single_shot: 12 pixels or a 50th, whichever "
                        "is more; half of it takes up to four times as long)")
    parser.add_argument("--thorough", action="store_true", help="for hard pictures: look at each turned by 45, 90 and "
                        "180 degrees, too, and for smaller faces")


def detector_of(options):
    """The detector of those arguments. Raises FacesError or ImportError naming what is wrong."""
    return load_detector(options.detector, options.min_face, thorough=options.thorough)
