"""Runs cases recorded with BVLC Caffe 1.0 and makes a table: type, cases, worst error.

The command is `deeplandmark caffe reference_check`.
"""
import math
from dataclasses import dataclass
from pathlib import Path

from deeplandmark.caffe.checking import reference_cases, reference_runs
from deeplandmark.caffe.errors import CaffeError
from deeplandmark.caffe.files.prototxt import read_net
from deeplandmark.caffe.layers import layer_type_list


@dataclass
class Result:
    """What one case gave: errors of the forward and the backward pass (None where there is none) and their limits.

    For layers errors are relative (see reference_cases); for solvers the worst errors of losses and of weights; for
    fillers one error, in units of its tolerance.
    """
    type: str
    case: str
    forward: float = 0.0
    backward: float = None
    limits: tuple = (0.0, 0.0)
    missing: tuple = ()          # layer types that this package lacks
    refusal: str = ""            # why the case could not be run

    @property
    def ok(self):
        """Whether (bool) every error lies within its limit; a missing type is no error."""
        return not self.refusal and self.forward <= self.limits[0] and (self.backward or 0.0) <= self.limits[1]


def check_layers(folder):
    """Yields a Result for every case of layers and small nets in a folder (Path)."""
    for type_name in reference_cases.recorded_types(folder):
        for case in reference_cases.cases(folder, type_name):
            with reference_cases.workplace(folder):
                yield _guarded(Result(type_name, case["case"], limits=reference_cases.tolerances(type_name)),
                               case["prototxt"], lambda case=case: _layer_errors(case))


def check_fillers(folder):
    """Yields a Result for every filler in a folder (Path)."""
    for case in reference_runs.filler_cases(folder):
        result = Result(f"filler {case['type']}", case["case"], limits=(1.0, 0.0))
        yield _guarded(result, None, lambda case=case: (reference_runs.filler_error(folder, case), None))


def check_solvers(folder):
    """Yields a Result for every solver run in a folder, from its start and from Caffe's snapshot where there is one."""
    with reference_runs.solver_workplace(folder):
        for case in reference_runs.solver_cases(folder):
            result = Result(f"solver {case['type']}", case["case"],
                            limits=(reference_runs.LOSS, reference_runs.WEIGHT))
            yield _guarded(result, case["net"], lambda case=case: reference_runs.solver_errors(case))


def _layer_errors(case):
    """(forward, backward) worst errors; backward is None where none was recorded."""
    net = reference_cases.build(case)
    if sorted(net.outputs) != sorted(case["outputs"]):
        return math.inf, None
    if case.get("random"):
        errors = dict(reference_cases.mask_errors(net, case))
        backward = [error for what, error in errors.items() if what.startswith("bottom_diff")]
        return max(error for what, error in errors.items() if not what.startswith("bottom_diff")), max(backward)
    forward = max((error for _, error in reference_cases.forward_errors(net, case)), default=0.0)
    if not case["backward"]:
        return forward, None
    return forward, max((error for _, error in reference_cases.backward_errors(net, case)), default=0.0)


def _guarded(result, net, run):
    """The result with the errors of run(), or with what stands in the way."""
    if net is not None:
        types = {layer.type for layer in read_net(net).layer}
        result.missing = tuple(sorted(types - set(layer_type_list())))
    if not result.missing:
        try:
            result.forward, result.backward = run()
        except Exception as error:                               # one broken layer must not hide the other results
            result.refusal = f"{type(error).__name__}: {error}"
    return result


def check(folder):
    """Yields the Results of every part that a reference folder has: layers, fillers, solvers.

    Raises
    ------
    CaffeError
        If it has none of them.
    """
    folder = Path(folder).resolve()
    parts = {"layers": check_layers, "fillers": check_fillers, "solvers": check_solvers}
    found = [part for part in parts if (folder / part).is_dir()]
    if not found:
        raise CaffeError(f"{folder}: expected a folder with layers, fillers or solvers in it")
    for part in found:
        yield from parts[part](folder / part)


def table(results):
    """Lines (str) of the table: one for each type, with the worst errors of its cases."""
    types = {}
    for result in results:
        types.setdefault(result.type, []).append(result)
    width = max(map(len, types), default=4) + 2
    yield f"{'type':{width}}{'cases':>6}{'forward':>11}{'backward':>11}"
    for name, group in types.items():
        ran = [result for result in group if not result.missing and not result.refusal]
        columns = [_worst(result.forward for result in ran), _worst(result.backward for result in ran)]
        missing = sorted({lacked for result in group for lacked in result.missing})
        notes = [f"missing: {', '.join(missing)}"] if missing else []
        wrong = sum(not result.ok for result in group)
        notes += [f"{wrong} out of tolerance"] if wrong else []
        yield f"{name:{width}}{len(group):>6}{columns[0]:>11}{columns[1]:>11}  {'; '.join(notes)}".rstrip()


def _worst(errors):
    errors = [error for error in errors if error is not None]
    return f"{max(errors):.1e}" if errors else "-"
