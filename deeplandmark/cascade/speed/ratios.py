"""Ratios of timings of one run: they tell the same on a busy machine as on a quiet one, and can be kept and compared."""
import json
from dataclasses import dataclass

from deeplandmark.cascade.speed import prediction as p


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
    return [Ratio(f"{name} / one graph, one face", ms[name] / ms[p.GRAPH]) for name in (p.OPENCV, p.TORCH, p.SESSIONS)]


def faces_ratios(timings, threads, work):
    """work : multiply-adds of a face."""
    a_face = {n: timings[f"{n} faces, {threads} thread(s)"].best / n for n in (*p.BATCHES, p.MANY)}
    label = f"{threads} thread(s)"
    return [Ratio(f"1 face / a face of 64, {label}", a_face[1] / a_face[64]),
            Ratio(f"a face of {p.MANY} / a face of 64, {label}", a_face[p.MANY] / a_face[64], more_is_better=False),
            Ratio(f"a face of 64 / its multiply-adds at the peak, {label}", a_face[64] / floor_ms(timings, work),
                  more_is_better=False)]


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
        with open(path, encoding="utf-8") as file:
            stored = {name: float(value) for name, value in json.load(file)["ratios"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{path}: not what the benchmark writes with --json ({error})") from None
    common = [ratio for ratio in ratios if ratio.name in stored]
    if not common:
        raise ValueError(f"{path}: has none of the ratios that were measured")
    return [f"{ratio.name}: {ratio.value:.2f}, was {stored[ratio.name]:.2f}" for ratio in common
            if ratio.worse_than(stored[ratio.name]) > tolerance]
