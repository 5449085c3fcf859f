"""`deeplandmark VERB ...`, or `python -m deeplandmark VERB ...`: every command under one name."""
import os
import sys
from importlib import import_module

from deeplandmark.commandline.extras import refuse
from deeplandmark.commandline.reader_gone import while_read

PICTURES = "Faces in pictures"
# What each verb does, by what it is for.
VERBS = {
    PICTURES: {
        "detect": "find faces and their points in pictures, folders, videos or a camera's view",
        "label": "label any number of pictures on every core, or on a Ray cluster",
        "align": "cut faces out, turned and scaled to a template such as ArcFace's",
        "serve": "a web page and an endpoint that find points in uploaded pictures"},
    "A cascade": {
        "evaluate": "measure a cascade on a list of faces, beside the original and the paper",
        "evaluate_detection": "measure a face detector on a list of faces",
        "fit_boxes": "measure how a detector's boxes become the cascade's kind",
        "export": "write a cascade as one ONNX file",
        "calibrate": "fit how sure a cascade is of each point"},
    "Training": {
        "plan": "show the steps of a training: the commands that ./bootstrap.sh runs",
        "find_data": "find the training pictures, or download them",
        "convert": "write a list of faces in another format",
        "annotate": "label faces with 68, 88 or 468 points, to train on",
        "worst": "show the faces on which a model is furthest off, write the list without them",
        "restyle": "write pictures in other styles: grey, light, dark, sketch",
        "synthesize": "draw synthetic faces with exact points",
        "generate": "write the networks' prototxt files from the templates",
        "prepare": "make a level's HDF5 samples",
        "train": "train the networks of a level",
        "train_detector": "train a detector of faces, stage by stage",
        "view_loss": "draw the losses of a training, point out unusual networks",
        "ablate": "train the paper's variants of F and compare them",
        "benchmark": "measure how fast training and prediction are"},
    "Your shell": {
        "completion": "print what makes a shell complete verbs and flags"},
    "Caffe": {
        "caffe": "the `caffe` program for any net: train, test, time, and its tools"},
}
MODULES = {"caffe": "deeplandmark.caffe.tools.command_line"}     # of the verbs that are not deeplandmark/VERB.py
_EXAMPLES = """examples:
  deeplandmark detect photo.jpg --out drawn
  deeplandmark detect pictures --json faces.jsonl
  deeplandmark serve
  deeplandmark caffe time --model net.prototxt"""


def main(arguments=None):
    """Runs the verb named first with the other arguments; returns its exit status."""
    return while_read(_main, arguments)


def _main(arguments):
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage(), file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    if arguments[0] == "--version":
        from deeplandmark import __version__  # only now: reading it takes longer than a help text
        print(f"deeplandmark {__version__}")
        return 0
    verb = arguments[0].replace("-", "_")
    if not any(verb in verbs for verbs in VERBS.values()):
        print(f"deeplandmark: unknown verb {arguments[0]} (--help shows all of them)", file=sys.stderr)
        return 2
    return _run(verb, arguments[1:])


def usage():
    """The text of --help."""
    lines = ["usage: deeplandmark VERB ...          (VERB --help says more)", "       deeplandmark --version", "",
             "Five facial points, and Caffe nets."]
    for title, verbs in VERBS.items():
        lines += ["", f"{title}:", *(f"  {verb:20s}{what}" for verb, what in verbs.items())]
    return "\n".join([*lines, "", _EXAMPLES])


def _run(verb, arguments):
    if verb in VERBS[PICTURES]:
        # Numpy's matrices are small there; threads for larger ones take 0.1 to 0.2 s of processor to wait for work.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:                                                         # only now: --help shall not wait for what a verb needs
        return import_module(MODULES.get(verb, f"deeplandmark.{verb}")).main(arguments)
    except ImportError as error:
        return refuse(verb, error)


if __name__ == "__main__":
    sys.exit(main())
