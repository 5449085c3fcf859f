"""Training the networks of a level: who still has to be trained, from which snapshot, with whom, and who failed.

Networks of one structure that stand at the same iteration train as one stack (caffe/stacked); `jobs` stacks train at
the same time, each in a process of its own. A network that collapsed is trained again with another seed.
"""
import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from deeplandmark.caffe.files.prototxt import read_net, read_solver
from deeplandmark.caffe.graph.phase_rules import layer_is_included
from deeplandmark.caffe.proto import caffe_pb2
from deeplandmark.caffe.solvers.snapshot import latest_snapshot
from deeplandmark.faces.metrics import mean_error
from deeplandmark.networks.settings import ModelSettings
from deeplandmark.training.check_before_training import mismatch
from deeplandmark.training.samples_mark import prepared
from deeplandmark.training.start_weights import TURN_FILE
from deeplandmark.work.json_text import parse_json
from deeplandmark.work.whole_file import WholeFile, write_text

MAX_ATTEMPTS = 4            # seeds tried before a network that keeps collapsing is an error
SEED_STEP = 1000            # between the seeds of two attempts


class TrainingError(ValueError):
    """Training cannot go on; the text says what to do."""


@dataclass(frozen=True)
class Folders:
    """Where training finds and leaves things; relative to the working directory, as the prototxts are."""
    prototxt: str = "prototxt"
    train: str = "train"
    model: str = "model"
    log: str = "log"


@dataclass
class State:
    """What is known of one network's training, kept in model/{level}_{name}/state.json.

    Attributes
    ----------
    fingerprint : str
        Of prototxt, solver and data: another one means that the network has to be trained anew.
    attempt : int
        0 at first; one more for each restart.
    done : bool
    error : float or None
        Of the test net after training, as a fraction of that of the best constant answer.
    """
    fingerprint: str
    attempt: int = 0
    done: bool = False
    error: float = None


class NetworkTraining:
    """Files and state of one training of a network, of its only one unless a turn is given; `begin` it before the
    training."""

    def __init__(self, network, settings, folders, turn=None):
        self.network, self.settings, self.folders, self.turn = network, settings, folders, turn
        self.name = network.turn_name(turn) if turn else network.full_name
        self.folder = Path(folders.model, self.name)
        self.prefix = f"{folders.model}/{self.name}/"
        self.log = Path(folders.log, f"{self.name}.log")
        self.solver_file = Path(folders.prototxt, f"{self.name}_solver.prototxt")
        self.state = self._read_state()

    def begin(self):
        """Where prototxt, solver or data have changed since, puts what was trained before aside, under another name.

        To be called before anything that asks for the state of the training or goes on with it.
        """
        fingerprint = self._fingerprint()
        if self.state.fingerprint != fingerprint:
            self._put_aside()
            self.state = State(fingerprint)

    def solver_param(self):
        """SolverParameter for this attempt; it draws other random numbers where a snapshot does not say which came."""
        param = read_solver(str(self.solver_file))
        param.snapshot_prefix = self.prefix
        param.random_seed = max(param.random_seed, 0) + SEED_STEP * self.state.attempt + self.iteration()
        return param

    def resume_file(self):
        return latest_snapshot(self.prefix)

    def iteration(self):
        """Updates done so far, by the newest snapshot."""
        path = self.resume_file()
        return int(path.rsplit("_iter_", 1)[1].split(".")[0]) if path else 0

    def structure(self):
        """Networks with equal structures train as one stack: the layers of phase TRAIN without their sources."""
        net = read_net(f"{self.folders.prototxt}/{self.name}_train.prototxt")
        layers = [str(layer) for layer in net.layer if layer_is_included(layer, caffe_pb2.TRAIN)]
        return "\n".join(line for layer in layers for line in layer.splitlines() if "source:" not in line)

    def save_state(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        write_text(self.folder / "state.json", json.dumps(asdict(self.state)))

    def restart(self, reason):
        """Forget this attempt's snapshots, keep its log aside, and go on to the next seed."""
        if self.state.attempt + 1 >= MAX_ATTEMPTS:
            raise TrainingError(f"{self.name}: {reason}, and so with {MAX_ATTEMPTS} seeds; look at {self.log} and at "
                                "the template, lower base_lr in the solver template, or check the data with "
                                f"`deeplandmark prepare {self.network.level} --show sheet.png`")
        for path in self.folder.glob("_iter_*"):
            path.unlink()
        if self.log.exists():
            self.log.replace(self.log.with_suffix(f".attempt{self.state.attempt + 1}"))
        self.state = State(self.state.fingerprint, self.state.attempt + 1)
        self.save_state()

    @property
    def makes_the_network(self):
        """Whether no other turn follows."""
        return self.name == self.network.full_name

    def finish(self):
        """Puts the trained network into the model folder, {level}_{name}.prototxt and .caffemodel; or the weights of a
        turn that others follow where these look for them.

        Raises
        ------
        TrainingError
            If prototxt or samples are no longer those it was trained by: another family may have been generated into
            the same folder meanwhile, whose deploy net does not belong to these weights.
        """
        if self._fingerprint() != self.state.fingerprint:
            raise TrainingError(f"{self.name} is trained, but {self.solver_file}, the net beside it or the samples "
                                "have changed since it began (a family generated into the same folder?); "
                                "`deeplandmark generate` as before, then train again: it goes on from the last "
                                "snapshot")
        weights = self.resume_file().replace(".solverstate", ".caffemodel")
        if self.makes_the_network:
            _copy(weights, Path(self.folders.model, f"{self.name}.caffemodel"))
            self.publish_deploy()
        else:
            _copy(weights, self.folder / TURN_FILE)
        self.state.done = True
        self.save_state()

    def publish_deploy(self):
        """The deploy net into the model folder; it may have been edited since the training."""
        _copy(f"{self.folders.prototxt}/{self.name}_deploy.prototxt", Path(self.folders.model, f"{self.name}.prototxt"))

    def _read_state(self):
        try:
            return State(**parse_json((self.folder / "state.json").read_bytes()))
        except (OSError, ValueError, TypeError):                 # not there, or damaged: begin anew
            return State(fingerprint="")

    def _put_aside(self):
        for path in (self.folder, self.log):
            if path.exists():
                previous = path.with_name(f"{path.name}.previous")
                shutil.rmtree(previous, ignore_errors=True)
                path.replace(previous)

    def _fingerprint(self):
        digest = hashlib.sha256()
        for kind in ("train", "solver"):
            digest.update(Path(self.folders.prototxt, f"{self.name}_{kind}.prototxt").read_bytes())
        digest.update(prepared(self.folders.train, self.network.level).encode())
        if self.turn and self.turn > 1:
            digest.update(Path(self.folders.model, self.network.turn_name(self.turn - 1), TURN_FILE).read_bytes())
        return digest.hexdigest()


def _copy(source, target):
    with WholeFile(target) as temporary:
        shutil.copyfile(source, temporary)


def new_trainings(settings: ModelSettings, level, folders, names=None, turn=1):
    """NetworkTraining of every network of a level (or of those named) that has such a turn.

    Raises
    ------
    TrainingError
        If prototxt or h5 files are missing or do not belong together, naming the command that makes them; if a name is
        none of the level's.
    """
    known = [network.full_name for network in settings.of_level(level)]
    for name in names or ():
        if name not in known:
            raise TrainingError(f"level {level} has no network {name} (known: {', '.join(known)})")
    if prepared(folders.train, level) is None:
        raise TrainingError(f"{folders.train}/ has no HDF5 files of level {level}; run `deeplandmark prepare "
                            f"{level}` first")
    networks = [network for network in settings.of_level(level)
                if turn <= network.turns and (names is None or network.full_name in names)]
    for network in networks:
        for kind in ("train", "deploy", "solver"):
            path = Path(folders.prototxt, f"{network.turn_name(turn)}_{kind}.prototxt")
            if not path.exists():
                raise TrainingError(f"{path} is missing; run `deeplandmark generate` first")
        reason = mismatch(network, folders.prototxt, folders.train, turn)
        if reason:
            raise TrainingError(reason)
    return [NetworkTraining(network, settings, folders, turn) for network in networks]


def stacks(trainings, jobs):
    """Divides networks into stacks, lists of NetworkTraining that can train as one: about as many as `jobs` can use."""
    alike = {}
    for training in trainings:
        alike.setdefault((training.structure(), training.iteration()), []).append(training)
    parts = []
    for group in alike.values():
        count = 1 if len(alike) >= jobs else min(jobs, len(group))
        parts += [group[k::count] for k in range(count)]
    return sorted(parts, key=len, reverse=True)


def constant_loss(training):
    """`error` (EuclideanLoss) of the best constant answer on the held-back faces: what a collapsed network has."""
    import h5py  # only training needs it
    with h5py.File(Path(training.folders.train, training.network.full_name, "test.h5"), "r") as file:
        landmark = np.asarray(file["landmark"])
    return float(np.nansum(np.square(landmark - mean_error(landmark)), axis=1).mean() / 2)

