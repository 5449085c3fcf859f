"""Reads mutated definitions and weights: whatever they hold, the answer is a net or a CaffeError.

It comes soon and in little memory. Every input follows from the seed and its number alone. The command is `deeplandmark
caffe fuzz`.
"""
import multiprocessing
import os
import resource
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass

import torch

from deeplandmark.caffe.checking.fuzz_inputs import make_input
from deeplandmark.caffe.errors import CaffeError
from deeplandmark.caffe.files.model_file import read_binaryproto
from deeplandmark.caffe.files.prototxt import read_solver
from deeplandmark.caffe.limits import limited
from deeplandmark.caffe.net import Net
from deeplandmark.caffe.proto import caffe_pb2
from deeplandmark.caffe.solvers.snapshot import read_state

NET_BYTES = 32 << 20         # what a net may take: mutated numbers are seldom small
SECONDS, MEBIBYTES = 1.0, 200
_FEW = 200_000               # values of a net that is also run, forward and backward


@dataclass
class Finding:
    """An input (its number, kind and bytes) that did not end as it should, and the reason, a str."""
    number: int
    kind: str
    reason: str
    data: bytes

    def __str__(self):
        return f"input {self.number} ({self.kind}, {len(self.data)} bytes): {self.reason}"


def run_input(kind, text, data, folder):
    """Reads an input from a file in `folder`, as a user would.

    Returns
    -------
    str or None
        What is wrong: an error that is no CaffeError, too much time or memory.
    """
    path = os.path.join(folder, f"input.{kind}")
    with open(path, "wb") as stream:
        stream.write(data)
    memory, start = _peak(), time.process_time()
    try:
        with limited(NET_BYTES), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _read(kind, text, path)
    except CaffeError as error:
        str(error)
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:300]}"
    seconds, mebibytes = time.process_time() - start, (_peak() - memory) / 1024
    if seconds > SECONDS or mebibytes > MEBIBYTES:
        return f"took {seconds:.1f} seconds and {mebibytes:.0f} MiB"
    return None


def fuzz(count, seed, first=0, on_input=lambda number: None):
    """Runs inputs first .. first + count - 1 in this process; yields a Finding for each that did not end well.

    `on_input` is called with the number (int) of each input before it runs.
    """
    with tempfile.TemporaryDirectory() as folder:
        for number in range(first, first + count):
            on_input(number)
            kind, text, data = make_input(seed, number)
            reason = run_input(kind, text, data, folder)
            if reason:
                yield Finding(number, kind, reason, data)


def _read(kind, text, path):
    if kind == "net":
        for phase in (caffe_pb2.TRAIN, caffe_pb2.TEST):
            _run(Net(path, phase, seed=0))
    elif kind in ("weights", "h5"):
        Net(text, path, caffe_pb2.TEST, seed=0)
    else:
        {"solver": read_solver, "blob": read_binaryproto, "state": read_state}[kind](path)


def _run(net):
    """Forward and backward of a small net; indices and labels are all 0 here, which every layer takes."""
    blobs = [*net.blobs.values(), *(blob for blobs in net.params.values() for blob in blobs)]
    if sum(blob.count for blob in blobs) < _FEW and not any(layer.type == "MemoryData" for layer in net.layers):
        net.forward()
        net.backward()


def _peak():
    """Largest memory of this process so far, KiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 1024 if sys.platform == "darwin" else peak


def _work(count, seed, first, current, pipe):
    """The body of the child process."""
    torch.set_num_threads(1)

    def note(number):
        current.value = number
    for finding in fuzz(count, seed, first, note):
        pipe.send(finding)
    pipe.close()


def watched(count, seed, first=0, work=_work, patience=20):
    """As `fuzz`, in child processes that run `work`; an input that ends its process, or none after `patience` seconds,
    is a Finding, too."""
    context, end = multiprocessing.get_context("spawn"), first + count
    while first < end:
        current = context.Value("q", first - 1)
        receiver, sender = context.Pipe(duplex=False)
        child = context.Process(target=work, args=(end - first, seed, first, current, sender), daemon=True)
        child.start()
        sender.close()
        last, since, stuck = current.value, time.monotonic(), False
        while True:
            try:
                if receiver.poll(1):
                    yield receiver.recv()
            except EOFError:
                break
            if current.value != last:
                last, since = current.value, time.monotonic()
            elif last >= first and time.monotonic() - since > patience:
                stuck = True
                child.kill()
                break
        child.join()
        if child.exitcode == 0:
            return
        kind, _, data = make_input(seed, max(first, current.value))
        reason = "has no end" if stuck else f"ended the process, status {child.exitcode}"
        yield Finding(max(first, current.value), kind, reason, data)
        first = max(first, current.value) + 1
