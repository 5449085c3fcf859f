"""Mean average precision of detections, as SSD's solver prints it (TestDetection of solver.cpp, ComputeAP)."""
import numpy as np

VERSIONS = ("11point", "MaxIntegral", "Integral")


class AveragePrecision:
    """Collects the tops of DetectionEvaluate, batch after batch.

    Parameters
    ----------
    version : str
        Of the area under the curve of precision over recall: `Integral` as it is, `MaxIntegral` with the best precision
        at this recall or a higher one (VOC 2012), `11point` the mean of these at 0, 0.1 ... 1 (VOC 2007).
    """

    def __init__(self, version):
        self.version = version
        self._objects, self._rows = {}, {}

    def add(self, top):
        """Takes one such top, a tensor or array (1, 1, K, 5). ValueError for another shape."""
        if len(top.shape) != 4 or top.shape[3] != 5:
            raise ValueError(f"shape {tuple(top.shape)}, expected (1, 1, K, 5), a top of DetectionEvaluate")
        for picture, label, value, right, wrong in np.asarray(top.tolist(), np.float64).reshape(-1, 5):
            if picture == -1:
                self._objects[int(label)] = self._objects.get(int(label), 0) + int(value)
            elif right or wrong:                                 # else it found an object that does not count
                self._rows.setdefault(int(label), []).append((value, right))

    def of_classes(self):
        """{class: average precision} of every class that could be found; 0 for one without objects or detections."""
        return {label: average_precision(self._rows.get(label, []), count, self.version)
                for label, count in sorted(self._objects.items())}

    def mean(self):
        """The mean over all classes, a float; 0 for none."""
        return float(np.mean(list(self.of_classes().values()) or [0]))


def average_precision(rows, count, version):
    """Average precision, a float, of detections (confidence, 1 or 0 for a true positive) of `count` objects."""
    if not len(rows) or not count:
        return 0.0
    rows = np.array(rows, np.float64)
    right = rows[np.argsort(-rows[:, 0], kind="stable"), 1].cumsum()
    recall, precision = right / count, right / np.arange(1, len(rows) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]          # at this recall or a higher one
    if version == "11point":
        places = np.searchsorted(np.float32(recall), np.arange(11) / 10)
        return float(np.append(best, 0)[places].sum() / 11)
    gains = np.diff(recall, prepend=0)
    return float((gains * (best if version == "MaxIntegral" else precision)).sum())
