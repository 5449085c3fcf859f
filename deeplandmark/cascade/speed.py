"""Training speed: steps of the cascade's networks, measured in turn in one process so that ratios can be trusted."""
import os
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deeplandmark.cascade.networks import networks
from deeplandmark.cascade.templates import generate, template_folder

BATCH = 64


@dataclass(frozen=True)
class Timing:
    """Milliseconds of one step: median and quartiles over the rounds."""
    name: str
    median: float
    low: float
    high: float


def training_steps(rounds=15, threads=1):
    """Times a step (data, forward, backward, update; batch 64) of several networks.

    Returns
    -------
    list of Timing
        S0 and S7 (its p = q = 1 ablation), S1, one S2 and ten S2 as one stack, reading S0's data alone, and S0's
        structure in the original's layers.
    """
    import torch                                                 # only this needs it
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        here = os.getcwd()
        os.chdir(folder)                                         # paths in a prototxt are relative to where one is
        try:
            return _measure(_steps(), rounds)
        finally:
            os.chdir(here)


def _steps():
    """name -> callable that does one step."""
    by_name = {network.full_name: network for network in networks()}
    for network in by_name.values():
        _write_data(network)
    names = [name for name in by_name if name.startswith("2_")]
    generate("s7", template_folder(), (1,), s0="s7")
    generate("prototxt", template_folder())
    generate("original", template_folder(), (1,), variant="original")
    paper = _step("prototxt", ["1_F"])
    return {"S0": paper.step, "S7": _step("s7", ["1_F"]).step, "S0, reading its data": paper.read,
            "S1": _step("prototxt", ["1_EN"]).step, "S2": _step("prototxt", names[:1]).step,
            "10 x S2 as one stack": _step("prototxt", names).step,
            "the original's s0": _step("original", ["1_F"]).step}


class _step:
    """A stack of networks at work."""

    def __init__(self, prototxt, names):
        from deeplandmark.caffe.log import SilentLog
        from deeplandmark.caffe.solvers import get_solver
        from deeplandmark.caffe.solvers.group import SolverGroup
        self.group = SolverGroup([get_solver(f"{prototxt}/{name}_solver.prototxt", log=SilentLog()) for name in names])

    def step(self):
        self.group.train_step(rate=0.0)

    def read(self):
        self.group.stack.read_data()


def _write_data(network, rows=1000):
    import h5py
    rng = np.random.default_rng(0)
    folder = Path("train", network.full_name)
    folder.mkdir(parents=True)
    with h5py.File(folder / "all.h5", "w") as file:
        file["data"] = rng.normal(size=(rows, 1, *network.size)).astype(np.float32)
        file["landmark"] = rng.uniform(-0.5, 0.5, (rows, network.num_output)).astype(np.float32)
    for name in ("train.txt", "test.txt"):
        (folder / name).write_text(f"{folder}/all.h5\n")


def _measure(steps, rounds):
    """Each step once a round, in turn: what else the machine does meets all of them alike."""
    times = {name: [] for name in steps}
    for number in range(rounds + 2):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            if number >= 2:                                      # the first rounds warm up
                times[name].append(1e3 * (time.perf_counter() - start))
    return [Timing(name, statistics.median(values), *np.percentile(values, [25, 75]).tolist())
            for name, values in times.items()]
