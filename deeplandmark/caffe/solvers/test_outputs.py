"""What a test makes of the outputs of its batches: their means, or the average precision of detections."""
from deeplandmark.caffe.errors import SolverError
from deeplandmark.caffe.solvers.average_precision import AveragePrecision

EVAL_TYPES = ("classification", "detection")


class Means:
    """Means over the batches of a test (solver.cpp, Test)."""

    def __init__(self):
        self._sums, self._batches = {}, 0

    def add(self, outputs):
        """Takes the outputs of a batch, {name: tensor}."""
        self._batches += 1
        for name, value in outputs.items():
            self._sums[name] = self._sums[name] + value if name in self._sums else value.clone()

    def values(self, log):
        """{name: array} of each output."""
        return {name: (value / self._batches).cpu().numpy() for name, value in self._sums.items()}


class Detections:
    """Mean average precision over the batches of a test (solver.cpp of SSD, TestDetection): every output is one of
    DetectionEvaluate. ap_version and show_per_class_result are those of the SolverParameter."""

    def __init__(self, param):
        self._param, self._of_outputs = param, {}

    def add(self, outputs):
        """Takes the outputs of a batch, {name: tensor}. SolverError for one that DetectionEvaluate did not make."""
        for name, value in outputs.items():
            try:
                self._of_outputs.setdefault(name, AveragePrecision(self._param.ap_version)).add(value)
            except ValueError as error:
                raise SolverError(f'eval_type: "detection", but output {name!r} has {error}') from None

    def values(self, log):
        """{name: mean average precision} of each output; that of each class goes to the Log where it is wanted."""
        for found in self._of_outputs.values() if self._param.show_per_class_result else ():
            for label, value in found.of_classes().items():
                log.info("solver.cpp:546", f"class{label}: {value:g}")
        return {name: found.mean() for name, found in self._of_outputs.items()}


def test_outputs(param):
    """An empty Means or Detections, as eval_type of the SolverParameter says."""
    return Detections(param) if param.eval_type == "detection" else Means()
