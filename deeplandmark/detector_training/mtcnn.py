"""The stages of MTCNN's training: samples of P from drawn windows, of R from what P lets through, of O from P and R."""
import hashlib
import json
from pathlib import Path

from deeplandmark.detector_training.nets import NETS, SYSTEM, generate
from deeplandmark.detector_training.samples import SamplePlan, prepare_samples
from deeplandmark.detector_training.shared_stages import suspect, write_prototxt
from deeplandmark.detector_training.stage import DetectorSystem, Stage
from deeplandmark.detector_training.suspects import Suspects
from deeplandmark.detector_training.train import train_net
from deeplandmark.detectors import MtcnnDetector
from deeplandmark.training.network_training import TrainingError

# Of the networks before, when they say which windows the next one learns from: lower than when they look for faces, so
# that it has seen more than it will be asked. R lets little through; what it is nearly sure of is hard enough for O.
THRESHOLDS, MIN_FACE = (0.5, 0.1, 0.5), 0.1
# Of each network's samples; R and O see fewer views, since the networks before take their time.
SAMPLES = {"p": {"views": 3, "each": 3, "negatives": 6, "of_empty": 30},
           "r": {"views": 2, "each": 4, "negatives": 10, "of_empty": 40},
           "o": {"views": 2, "each": 4, "negatives": 10, "of_empty": 40}}


def make_samples(net, job):
    """HDF5 files of a network, and a contact sheet of each kind beside them."""
    suspects = Suspects.load(job.suspects_file)
    if suspects is None:
        raise TrainingError(f"{job.suspects_file} is missing; run `deeplandmark train_detector {SYSTEM} suspects` "
                            "first")
    before = "".join(other.name for other in NETS[:NETS.index(net)])
    candidates, source = None, [suspects.fingerprint]
    if before:
        detector = MtcnnDetector(job.folders.model, MIN_FACE, THRESHOLDS, networks=before)
        source += [THRESHOLDS, MIN_FACE, *(_fingerprint(job.folders.model, name) for name in before)]
        def candidates(image):
            return detector.windows(net.name, image)
    pictures, problems = job.pictures()
    plan = SamplePlan(net, **SAMPLES[net.name], seed=job.seed, source=json.dumps(source))
    result = prepare_samples(plan, pictures, job.folders.train, suspects, candidates, job.jobs)
    if result is None:
        return f"the samples of {net.name} in {job.folders.train}/{net.name}/ are up to date"
    (counts, bad), folder = result, f"{job.folders.train}/{net.name}"
    return "\n".join([f"skipped {problem}" for problem in (*problems, *bad)]
                     + [f"{net.name}: " + ", ".join(f"{counts[kind]} {kind}" for kind in sorted(counts))
                        + f" ({suspects.found_by} suspects a face at those refused); drawn in {folder}"])


def train(net, job):
    """A network, trained; its ONNX model."""
    return f"{net.name} is trained: {train_net(net, job.folders, job.device, job.ranks)}"


def _fingerprint(folder, name):
    return hashlib.sha256(Path(folder, f"{name}.onnx").read_bytes()).hexdigest()


MTCNN = DetectorSystem(SYSTEM, "three networks, each of which looks more closely at what the one before lets through", (
    Stage("generate", 1, write_prototxt, generate),
    Stage("suspects", 3, suspect),
    *(Stage(f"{verb}_{net.name}", minutes, function, net)
      for net, both in zip(NETS, ((2, 8), (4, 12), (6, 20)))
      for verb, minutes, function in (("samples", both[0], make_samples), ("train", both[1], train)))))
