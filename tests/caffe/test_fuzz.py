"""Mutated definitions and weights end in a net or a CaffeError; `deeplandmark caffe fuzz` runs any."""
import math
import os
import time

import pytest

import deeplandmark.caffe as caffe
from deeplandmark.caffe.checking import fuzz
from deeplandmark.caffe.checking.fuzz_seeds import NETS, SOLVERS
from deeplandmark.caffe.errors import CaffeError
from deeplandmark.caffe.files.prototxt import read_solver
from deeplandmark.caffe.tools.command_line import main

SEED = int(os.environ.get("DEEPLANDMARK_FUZZ_SEED", "1"))
PART, PARTS = 250, 8                                             # 2,000 inputs


@pytest.mark.parametrize("first", [PART * i for i in range(PARTS)])
@pytest.mark.slow
def test_mutated_inputs(first):
    print(f"seed {SEED}: inputs {first} to {first + PART - 1}")
    findings = list(fuzz.fuzz(PART, SEED, first))
    assert not findings, "\n".join(f"seed {SEED}, {finding}" for finding in findings)


def test_seeds_are_nets_that_run():
    types = set()
    for text in NETS:
        for phase in (caffe.TRAIN, caffe.TEST):
            net = caffe.Net(text, phase, seed=0)
            types.update(layer.type for layer in net.layers)
            if "MemoryData" not in text:
                net.forward()
    read_files_or_code = {
        "AnnotatedData", "Data", "HDF5Data", "HDF5Output", "HDF5PatchData", "ImageData", "ImageFloatData",
        "ImageSegData", "InfogainLoss", "Python", "WindowData"}
    assert types == set(caffe.layer_type_list()) - read_files_or_code
    for text in SOLVERS:
        with pytest.raises(CaffeError, match="not both"):
            read_solver(text)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("value", [math.nan, math.inf, -1, 2.5, 1e30])
def test_any_numbers_in_any_blob(value):
    """A label beyond the classes, a box of NaN: a forward and a backward, or a CaffeError that names the layer."""
    for text in NETS:
        for name in caffe.Net(text, caffe.TRAIN, seed=0).inputs:
            net = caffe.Net(text, caffe.TRAIN, seed=0)
            net.blobs[name].data.flat[0] = value
            try:
                net.forward()
                net.backward()
            except CaffeError as error:
                assert "layer '" in str(error), text


def test_inputs_follow_from_seed_and_number():
    inputs = [fuzz.make_input(5, number) for number in range(40)]
    assert inputs == [fuzz.make_input(5, number) for number in range(40)]
    assert {kind for kind, _, _ in inputs} >= {"net", "weights"} and len({data for _, _, data in inputs}) > 35


@pytest.mark.parametrize("error, reason", [
    (CaffeError("refused"), None), (ValueError("x"), "ValueError: x"), (MemoryError(), "MemoryError")])
def test_only_caffe_errors_are_good(monkeypatch, tmp_path, error, reason):
    def read(*_):
        raise error
    monkeypatch.setattr(fuzz, "_read", read)
    found = fuzz.run_input("net", "", b"", tmp_path)
    assert found is None if reason is None else found.startswith(reason)


@pytest.mark.process
@pytest.mark.slow
def test_command(capfd):
    assert main(["fuzz", "--count", "20", "--seed", "3", "--first", "7"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0] == "seed 3: inputs 7 to 26" and lines[-1].endswith(" 0 did not end well")


def die_at_4_and_hang_at_6(count, seed, first, current, pipe):
    for number in range(first, first + count):
        current.value = number
        if number == 4:
            os._exit(3)
        if number == 6:
            time.sleep(100)
    pipe.close()


@pytest.mark.process
@pytest.mark.slow
def test_inputs_that_end_the_process_or_have_no_end_are_found():
    found = list(fuzz.watched(9, 3, work=die_at_4_and_hang_at_6, patience=1))
    assert [(finding.number, finding.reason) for finding in found] == [(4, "ended the process, status 3"),
                                                                      (6, "has no end")]
