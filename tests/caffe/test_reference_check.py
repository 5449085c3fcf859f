"""The command that runs a reference folder: its table, its exit status, what it says about what is wrong."""
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from deeplandmark.caffe.tools.command_line import main

RECORDED = Path(__file__).parents[1] / "data" / "caffe"


@pytest.fixture
def folder(tmp_path):
    """A reference folder with two layer types, the fillers and one solver run."""
    layers, solvers = tmp_path / "layers", tmp_path / "solvers"
    layers.mkdir()
    cases = []
    for name in ("Crop", "TanH"):
        cases += json.loads((RECORDED / "layers" / f"{name}.json").read_text())
        shutil.copy(RECORDED / "layers" / f"{name}.npz", layers)
    (layers / "index.json").write_text(json.dumps({"cases": cases}))
    shutil.copytree(RECORDED / "fillers", tmp_path / "fillers")
    shutil.copytree(RECORDED / "solvers", solvers)
    index = json.loads((solvers / "index.json").read_text())
    index["cases"] = [case for case in index["cases"] if case["case"] == "sgd_momentum"]
    (solvers / "index.json").write_text(json.dumps(index))
    return tmp_path


def change(folder, **texts):
    """Replaces words in the definitions of the first case of TanH."""
    path = folder / "layers" / "index.json"
    index = json.loads(path.read_text())
    case = next(case for case in index["cases"] if case["type"] == "TanH")
    for old, new in texts.items():
        case["prototxt"] = case["prototxt"].replace(old, new)
    path.write_text(json.dumps(index))


def test_table(folder, capsys):
    before = Path.cwd()
    assert main(["reference_check", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["type", "cases", "forward", "backward"]
    table = {line[:len(lines[0]) - 28].strip(): line[len(lines[0]) - 28:].split() for line in lines[1:-1]}
    assert table["Crop"] == ["2", "0.0e+00", "0.0e+00"]
    assert float(table["TanH"][1]) < 1e-6 and float(table["solver SGD"][1]) < 1e-4
    assert table["filler xavier"][2] == "-"
    assert lines[-1].endswith("cases, 0 out of tolerance, 0 with a missing type")
    assert Path.cwd() == before and not list(folder.glob("**/*_iter_60*"))


def test_what_is_out_of_tolerance_is_named(folder, capsys):
    path = folder / "layers" / "TanH.npz"
    with np.load(path) as recorded:
        arrays = {key: values * (1.001 if "|top|" in key else 1) for key, values in recorded.items()}
    np.savez(path, **arrays)
    assert main(["reference_check", str(folder)]) == 1
    out = capsys.readouterr().out
    assert "2 out of tolerance" in out and "TanH basic: forward 1.0e-03" in out


def test_a_missing_type_is_reported_and_no_error(folder, capsys):
    change(folder, **{'"TanH"': '"Tangent"'})
    assert main(["reference_check", str(folder)]) == 0
    out = capsys.readouterr().out
    assert "missing: Tangent" in out and "1 with a missing type" in out


def test_a_case_that_cannot_be_run_is_named(folder, capsys):
    change(folder, **{'bottom: "data"': 'bottom: "date"'})
    assert main(["reference_check", str(folder)]) == 1
    assert "TanH basic: NetError: layer 'op'" in capsys.readouterr().out


def test_wrong_folder(tmp_path, capsys):
    assert main(["reference_check", str(tmp_path)]) == 1
    assert "expected a folder with layers, fillers or solvers" in capsys.readouterr().err
