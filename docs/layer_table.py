"""Writes the table of layer types in docs/caffe.md anew from the registries: `python -m docs.layer_table`.

The last column, worst error, is a measurement: what stands there is kept.
"""
import re
import sys
from pathlib import Path

from deeplandmark.caffe.layers.data import DataLayer
from deeplandmark.caffe.layers.registry import LAYERS
from deeplandmark.caffe.onnx.registry import EXPORTERS
from deeplandmark.caffe.stacked.layers import OPERATIONS as STACKED
from deeplandmark.cascade.onnx.layers import OPERATIONS as IN_THE_CASCADE
from deeplandmark.work.whole_file import write_bytes

PAGE = Path(__file__).with_name("caffe.md")
BEGIN, END = "<!-- layers: begin -->\n", "<!-- layers: end -->\n"
HEAD = ("| type | what it computes | forward | backward | ONNX | stacked | cascade | "
        "worst error, forward / backward |\n"
        "|---|---|---|---|---|---|---|---|\n")
_NO_BACKWARD = {  # there neither
    "Accuracy", "ArgMax", "BoxGroupOutput", "BoxOutput", "CTCGreedyDecoder", "DataAugmentation",
    "DetectionEvaluate", "Downsample", "HDF5Output", "ImResize", "LabelsequenceAccuracy", "Mean", "Nms", "Resample",
    "ScaleRoute", "Threshold"}


def main():
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    old, _, after = rest.partition(END)
    if not after and END not in page:
        sys.exit(f"{PAGE}: the lines {BEGIN.strip()!r} and {END.strip()!r} are missing")
    write_bytes(PAGE, f"{before}{BEGIN}{table(measured(old))}{END}{after}".encode())


def table(measurements):
    """The table in Markdown; `measurements` maps a type to its last column."""
    rows = [f"| {' | '.join([name, *row(cls, name), *forms(name), measurements.get(name, '')])} |"
            for name, cls in sorted(LAYERS.items())]
    return HEAD + "\n".join(rows) + "\n"


def row(cls, name):
    """Summary, forward, backward of a layer class."""
    summary = (cls.__doc__ or "").strip().split("\n")[0].replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;")
    if issubclass(cls, DataLayer):
        return summary, "yes", "has no bottoms"
    if name in _NO_BACKWARD:
        return summary, "yes", "none, as in Caffe"
    if name == "Python":
        return summary, "yes", "the user's"
    spared = sorted(cls.no_gradient_bottoms)
    learns = " (its table is learned)" if name == "Embed" else ""
    return summary, "yes", f"not to bottom {' or '.join(map(str, spared))}{learns}" if spared else "yes"


def forms(name):
    """Whether a type has a form besides its layer class: as ONNX nodes, stacked, in the cascade's graph."""
    return ["yes" if name in table else "no" for table in (EXPORTERS, STACKED, IN_THE_CASCADE)]


def measured(old):
    """Type -> worst error of the rows of a table."""
    found = {}
    for line in old.splitlines()[2:]:
        parts = [part.strip() for part in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(parts) > 1:
            found[parts[0]] = parts[-1]
    return found


if __name__ == "__main__":
    main()
