"""Training speed: a step of the cascade's networks, ours and in plain PyTorch; and the data they need."""
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from deeplandmark.cascade.networks import networks
from deeplandmark.measuring.speed.measuring import in_turn
from deeplandmark.training.templates import generate, template_folder

BATCH = 64


def training_steps(rounds=15, threads=1):
    """Times a step (data, forward, backward, update; batch 64) of several networks, and of the same in plain PyTorch.

    Returns
    -------
    dict of name -> Timing
    """
    import torch  # only this needs it

    from deeplandmark.measuring.speed import plain_torch
    torch.set_num_threads(threads)
    with _scratch_folder():
        steps = {**_steps(), "plain PyTorch: the original's s0": plain_torch.step(plain_torch.original_s0(), 39, BATCH),
                 "plain PyTorch: S7": plain_torch.step(plain_torch.paper_s7(), 39, BATCH),
                 "plain PyTorch: S2": plain_torch.step(plain_torch.paper_s2(), 15, BATCH)}
        return in_turn(steps, rounds, threads)


@contextmanager
def _scratch_folder():
    """A temporary working directory: paths in a prototxt are relative to where one is."""
    here = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(here)


def _steps():
    """name -> callable that does one step."""
    by_name = {network.full_name: network for network in networks()}
    for network in by_name.values():
        _write_data(network)
    names = [name for name in by_name if name.startswith("2_")]
    generate("s7", template_folder(), (1,), s0="s7", frozen=True)
    generate("prototxt", template_folder(), frozen=True)
    generate("original", template_folder(), (1,), variant="original")
    paper = _Step("prototxt", ["1_F"])
    return {"S0": paper.step, "S7": _Step("s7", ["1_F"]).step, "S0, reading its data": paper.read,
            "S1": _Step("prototxt", ["1_EN"]).step, "S2": _Step("prototxt", names[:1]).step,
            "10 x S2 as one stack": _Step("prototxt", names).step,
            "the original's s0": _Step("original", ["1_F"]).step}


class _Step:
    """A stack of networks at work."""

    def __init__(self, prototxt, names):
        from deeplandmark.caffe.logs.log import SilentLog
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
        (folder / name).write_text(f"{folder}/all.h5\n", encoding="utf-8")
