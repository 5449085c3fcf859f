"""Ablations: one network trained again and again from the same seed and for equally long, with one thing changed.

What each trial reaches is measured on the held-back faces of the training list (test.h5), never on the validation list.
"""
import json
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stderr
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from deeplandmark.cascade.settings import PAPER_SETTINGS
from deeplandmark.faces.metrics import failure_rate
from deeplandmark.networks.network import PREDICTION
from deeplandmark.networks.windows import unit_in_box
from deeplandmark.training.network_training import Folders, TrainingError
from deeplandmark.training.templates import generate
from deeplandmark.training.train_level import train_level
from deeplandmark.work.cores import cores
from deeplandmark.work.whole_file import write_text

_SMOOTH, _EUCLIDEAN = {}, {"loss": "EuclideanLoss"}
_STILL = {"rotation": 0, "scale": 0, "shift": 0}


@dataclass(frozen=True)
class Trial:
    """One row of an ablation.

    Attributes
    ----------
    name : str
        Also the name of its folder.
    text : str
        What is different.
    structure : str or None
        Of F, instead of the table's.
    frozen : bool
        Whether poses are drawn once, when the samples are made.
    variables : dict
        Of the templates.
    """
    name: str
    text: str
    structure: str = None
    frozen: bool = False
    variables: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Ablation:
    """Trials of some networks of one level."""
    level: int
    networks: tuple
    trials: tuple


# The paper's Figure 4, and the steps of the recipe (docs/training.md).
ABLATIONS = {
    "structures": Ablation(1, ("1_F",), (
        Trial("S0", "the paper's F1"),
        Trial("S3", "S0 without CR(2,80)", "s3"),
        Trial("S4", "S3 without CR(3,60)", "s4"),
        # 6,480 maps' values into each neuron of fc1: at Adam's usual rate of 0.001 all of them saturate at once.
        Trial("S5", "S4 without CR(3,40); a tenth of the rate, it does not learn at 0.001", "s5",
              variables={"base_lr": 1e-4}),
        Trial("S6", "S0 without absolute values", "s6"),
        Trial("S7", "S0 with weights shared over the whole map", "s7"))),
    "recipe": Ablation(1, ("1_F",), (
        Trial("still", "faces as they are and mirrored, Euclidean loss", variables={**_STILL, **_EUCLIDEAN}),
        Trial("frozen", "8 copies, each posed once", frozen=True, variables=_EUCLIDEAN),
        Trial("drawn", "posed anew at every step", variables=_EUCLIDEAN),
        Trial("smooth", "smooth L1 loss", variables=_SMOOTH),
        Trial("light", "and light and blur", variables={"light": 0.3, "blur": 0.7}))),
    "starts": Ablation(2, ("2_LE1", "2_N1", "2_LM1"), (
        Trial("shifted", "from shifted true points", variables={"start_share": 0}),
        Trial("mixed", "half from what level 1 predicts"),
        Trial("predicted", "all from what level 1 predicts", variables={"start_share": 1}))),
}


def run(ablation, iterations, out, train, frozen_train, seed=1, jobs=None, say=print):
    """Trains what is not yet trained, and measures.

    Parameters
    ----------
    ablation : Ablation
    iterations : int
        Of every trial.
    out : folder
        Gets a folder for each trial, in which a killed run goes on.
    train, frozen_train : folders
        Where the samples lie, see `prepare`.
    say : callable (str)

    Returns
    -------
    list of dict: name, text, points, mean and failure (one a point, fractions of the box width)

    Raises
    ------
    TrainingError
        When a network cannot be trained; the other trials are finished first.
    """
    with ProcessPoolExecutor(jobs or cores(), mp_context=get_context("spawn")) as pool:
        running = [pool.submit(_run, trial, ablation, iterations, Path(out, trial.name),
                               frozen_train if trial.frozen else train, seed) for trial in ablation.trials]
        rows, failed = [], []
        try:
            for trial, future in zip(ablation.trials, running):
                try:
                    rows.append(future.result())
                    say(row_text(rows[-1]))
                except TrainingError as error:
                    failed.append(f"{trial.name}: {error}")
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    if failed:
        raise TrainingError("; ".join(failed))
    return rows


def needs_frozen(ablation):
    return any(trial.frozen for trial in ablation.trials)


def row_text(row):
    """`S0    1.85 (2.7)  ...   the paper's F1`: errors in % of the box width, in brackets failures in %."""
    numbers = "  ".join(f"{100 * mean:5.2f} ({100 * failure:4.1f})"
                        for mean, failure in zip(row["mean"], row["failure"]))
    overall = f"{100 * np.mean(row['mean']):5.2f} ({100 * np.mean(row['failure']):4.1f})"
    return f"{row['name']:10}  {numbers}  | {overall}  {row['text']}"


def save_rows(rows, iterations, file):
    write_text(file, json.dumps({"iterations": iterations, "rows": rows}, indent=1) + "\n")


def _run(trial, ablation, iterations, folder, train, seed):
    """One row; what the training says goes to training.txt."""
    folders = Folders(str(folder / "prototxt"), str(train), str(folder / "model"), str(folder / "log"))
    generate(folders.prototxt, levels=(ablation.level,), s0=trial.structure, seed=seed, frozen=trial.frozen,
             variables={**trial.variables, "iterations": iterations}, train=folders.train, model=folders.model)
    with open(folder / "training.txt", "w", encoding="utf-8") as file, redirect_stderr(file):
        train_level(PAPER_SETTINGS, ablation.level, folders, ablation.networks, jobs=cores(), say=file.write)
    return {"name": trial.name, "text": trial.text, **_measure(ablation, folder / "model", train)}


def _measure(ablation, model, train):
    """Errors of each point on the held-back faces, as the networks see them."""
    import h5py  # only training needs it

    from deeplandmark.caffe import TEST, Net
    points, mean, failure = [], [], []
    for network in PAPER_SETTINGS.of_level(ablation.level):
        if network.full_name not in ablation.networks:
            continue
        with h5py.File(Path(train) / network.full_name / "test.h5", "r") as file:
            # At levels 2 and 3 every other sample is not where the level before puts the point.
            step = 1 if network.level == 1 else 2
            data, landmark = file["data"][::step], file["landmark"][::step]
        net = Net(f"{model}/{network.full_name}.prototxt", f"{model}/{network.full_name}.caffemodel", TEST)
        answers = net.forward_all(data=data)[PREDICTION]
        difference = (answers - landmark).reshape(len(data), -1, 2)
        errors = np.linalg.norm(difference, axis=2) * unit_in_box(network, PAPER_SETTINGS.encoding)
        points += [PAPER_SETTINGS.points.names[i] for i in network.points]
        mean += errors.mean(0).tolist()
        failure += failure_rate(errors).tolist()
    return {"points": points, "mean": mean, "failure": failure}
