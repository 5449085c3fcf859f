"""docs/notebooks run from top to bottom, in a plain namespace: they are Python and nothing of a notebook's own."""
import json
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
BYTES = 200_000


def cells(path):
    """The code of each cell, and its answers as they are kept."""
    return [("".join(cell["source"]), cell["outputs"]) for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
            if cell["cell_type"] == "code"]


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_from_top_to_bottom(path, tmp_path, monkeypatch, capsys):
    import torch
    matplotlib = pytest.importorskip("matplotlib", reason="needs the extra [train]")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.chdir(tmp_path)                                   # one of them goes elsewhere
    matplotlib.use("agg")
    threads, names = torch.get_num_threads(), {}
    try:
        for number, (code, _) in enumerate(cells(path)):
            exec(compile(code, f"{path.name}, cell {number}", "exec"), names)
    finally:
        torch.set_num_threads(threads)
        matplotlib.pyplot.close("all")
    told = capsys.readouterr().out
    CHECKS[path.stem](names, told)


def check_first_points(names, told):
    assert len(names["found"]) == 3 and names["found"].confidence.min() > 0.9
    assert "3 faces" in told


def check_table(names, told):
    assert len(names["rows"]) == 12 and (names["apart"] > 30).all()


def check_comparison(names, told):
    assert "4 of 4" in told


def check_training(names, told):
    (_, first, _), *_, (_, last, held_back) = names["errors"]
    assert last < 0.7 * first and held_back < 10


def check_caffemodel(names, told):
    assert abs(names["by_torch"] - names["scores"]).max() < 1e-6 > abs(names["by_onnx"] - names["scores"]).max()


CHECKS = {"1_first_points": check_first_points, "2_folder_to_table": check_table,
          "3_align_and_compare": check_comparison, "4_edit_and_train": check_training,
          "5_old_caffemodel": check_caffemodel}


def test_each_has_a_check_and_is_named_on_the_page():
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert {path.stem for path in NOTEBOOKS} == set(CHECKS) and all(f"({path.name})" in page for path in NOTEBOOKS)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_its_answers_are_in_it_and_small(path):
    assert path.stat().st_size < BYTES
    outputs = [output for _, own in cells(path) for output in own]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not any(output["output_type"] == "error" for output in outputs)
