"""The cascade as one graph, run by ONNX Runtime: needs no torch."""
from pathlib import Path

import numpy as np
import onnxruntime

from deeplandmark.cascade.settings import CascadeSettings

FORMAT = 1                  # of the exported models this version reads
_OUTPUTS = ("levels", "spread", "confidence", "first")
# Faces of a call run in parts of this many: they stay in the processor's cache, and memory stays flat.
_FACES = 64
_PIXELS = 4_000_000         # of all crops of a part, so that a few large faces do not fill the memory


class OnnxEngine:
    """Runs an exported cascade; may be used by several threads at once.

    Parameters
    ----------
    path : path of an .onnx
    threads : int
        Threads that one call may use.

    Attributes
    ----------
    settings : CascadeSettings
    levels : list of int, those there are
    fingerprint : str
        Of the model folder it was made of (see model_folder.py).

    Raises
    ------
    ValueError
        If the file cannot be read, is damaged, or is no exported cascade.
    """

    def __init__(self, path, threads=1):
        self._session = _session(path, threads)
        metadata = self._session.get_modelmeta().custom_metadata_map
        if metadata.get("deeplandmark") != str(FORMAT):
            raise ValueError(f"{path}: not a cascade exported by this version "
                             f"(format {metadata.get('deeplandmark', 'none')}, this version reads {FORMAT}); "
                             "make it anew with `python -m deeplandmark.export`")
        self.settings = CascadeSettings.from_json(metadata["settings"], path)
        self.fingerprint = metadata["fingerprint"]
        self.levels = [int(level) for level in metadata["levels"].split()]

    def run(self, image, boxes, level):
        """(levels, spread, confidence, first) for a grey picture and boxes (n, 4) float64, as torch_networks' Found."""
        wanted = np.array(min(level, self.levels[-1]), np.int64)
        boxes32 = np.ascontiguousarray(boxes, np.float32)
        if len(boxes) <= 1:
            return self._session.run(_OUTPUTS, {"image": image, "boxes": boxes32, "level": wanted})
        order, parts = _parts(boxes)
        found = [self._session.run(_OUTPUTS, {"image": image, "boxes": boxes32[part], "level": wanted}) for part in parts]
        if len(found) == 1:
            joined = found[0]
        else:
            joined = [np.concatenate(arrays) for arrays in zip(*found)]
        return [_restored(array, order) for array in joined]


def _restored(array, order):
    """The rows back in the order of the boxes."""
    result = np.empty_like(array)
    result[order] = array
    return result


def _parts(boxes):
    """The order of faces by size, and that order in parts: a part's crops are as large as those of its largest face."""
    longest = (boxes[:, 2:] - boxes[:, :2]).max(1)
    order = np.argsort(longest, kind="stable")
    parts, start = [], 0
    while start < len(order):
        stop = min(start + _FACES, len(order))
        while stop > start + 1 and (stop - start) * longest[order[stop - 1]] ** 2 > _PIXELS:
            stop -= max(1, (stop - start) // 2)
        parts.append(order[start:stop])
        start = stop
    return order, parts


def _session(path, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3                               # errors are raised; warnings would go to stderr
    try:
        model = Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        return onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])
    except Exception as error:                                   # ONNX Runtime's own have no common base
        raise ValueError(f"{path}: not a model that ONNX Runtime can read ({str(error).splitlines()[0][:120]})") from None
