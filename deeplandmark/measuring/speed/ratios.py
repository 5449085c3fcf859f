"""Ratios of timings of one run: nearly the same on a busy machine as on a quiet one, to be kept and compared."""
from dataclasses import dataclass

from deeplandmark.measuring.speed import prediction as p
from deeplandmark.work.json_text import parse_json


@dataclass(frozen=True)
class Ratio:
    """One number that says how fast something is beside something else.

    Attributes
    ----------
    name : str
    value : float
    more_is_better : bool
    """
    name: str
    value: float
    more_is_better: bool = True

    def worse_than(self, other):
        """By how much this is worse than another run's, 0.25 for a quarter; below 0 where it is better."""
        return (other / self.value if self.more_is_better else self.value / other) - 1


def training_ratios(timings):
    """timings : dict of name -> Timing, from `training_steps`."""
    ms = {name: timing.best for name, timing in timings.items()}
    return [Ratio("plain PyTorch / ours, a step of the original's s0",
                  ms["plain PyTorch: the original's s0"] / ms["the original's s0"]),
            Ratio("plain PyTorch / ours, a step of S7", ms["plain PyTorch: S7"] / ms["S7"]),
            Ratio("plain PyTorch one by one / ours stacked, ten S2",
                  10 * ms["plain PyTorch: S2"] / ms["10 x S2 as one stack"]),
            Ratio("ours one by one / ours stacked, ten S2", 10 * ms["S2"] / ms["10 x S2 as one stack"]),
            Ratio("S0 / S7, what locally shared weights cost", ms["S0"] / ms["S7"], more_is_better=False),
            Ratio("reading data / a step of S0", ms["S0, reading its data"] / ms["S0"], more_is_better=False)]


def one_face_ratios(timings):
    ms = {name: timing.best for name, timing in timings.items()}
    return [Ratio(f"{name} / one graph, one face", ms[name] / ms[p.GRAPH]) for name in (p.OPENCV, p.TORCH, p.SESSIONS)
            if name in ms]


def faces_ratios(series, work, one_face=None):
    """series : dict of threads -> timings of `faces`; work : multiply-adds of a face; one_face : its timings."""
    a_face = {n: series[1][f"{n} faces, 1 thread(s)"].best / n for n in (*p.BATCHES, p.MANY)}
    ratios = [Ratio("one face / a face of 64", a_face[1] / a_face[64]),
              Ratio(f"a face of {p.MANY} / a face of 64", a_face[p.MANY] / a_face[64], more_is_better=False),
              Ratio("a face of 64 / its multiply-adds at the peak", a_face[64] / floor_ms(series[1], work),
                    more_is_better=False)]
    for threads, timings in series.items():
        together = timings[f"64 faces, {threads} thread(s)"].best / 64
        if threads > 1:
            ratios.append(Ratio(f"64 faces, 1 thread / {threads} threads", a_face[64] / together))
        if p.OPENCV in (one_face or ()):
            ratios.append(Ratio(f"{p.OPENCV} / a face of 64, {threads} thread(s)", one_face[p.OPENCV].best / together))
    return ratios


def floor_ms(timings, work):
    """Milliseconds that a face would take at the machine's peak, as NumPy's product of matrices reaches it."""
    return timings["product of matrices"].best * work / p.PEAK ** 3


def worsened(ratios, path, tolerance):
    """Lines about ratios that are worse than those of a stored run by more than `tolerance` (0.25 for a quarter).

    Raises
    ------
    ValueError
        If the file is not what the benchmark writes, or has none of these ratios.
    """
    try:
        with open(path, "rb") as file:
            stored = {name: float(value) for name, value in parse_json(file.read())["ratios"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{path}: not what the benchmark writes with --json ({error})") from None
    common = [ratio for ratio in ratios if ratio.name in stored]
    if not common:
        raise ValueError(f"{path}: has none of the ratios that were measured")
    return [f"{ratio.name}: {ratio.value:.2f}, was {stored[ratio.name]:.2f}" for ratio in common
            if ratio.worse_than(stored[ratio.name]) > tolerance]
