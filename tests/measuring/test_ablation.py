"""Ablations: what is generated for each trial, and a tiny one to its end."""
import json

import numpy as np
import pytest

from deeplandmark import ablate as command
from deeplandmark.cascade.settings import PAPER_SETTINGS
from deeplandmark.measuring import ablation
from deeplandmark.measuring.ablation import ABLATIONS, Ablation, Trial
from deeplandmark.training.network_training import TrainingError
from deeplandmark.training.templates import render, template_folder
from tests.helpers.fake_cascade import synthetic_list


def test_trials_differ_and_train_equally_long():
    for one in ABLATIONS.values():
        network = next(network for network in PAPER_SETTINGS.networks if network.full_name == one.networks[0])
        train, solver = ([render(network, kind, folder=template_folder(), structure=trial.structure,
                                 frozen=trial.frozen, variables={**trial.variables, "iterations": 70})
                          for trial in one.trials]
                         for kind in ("train", "solver"))
        assert len(set(train)) == len(one.trials)
        assert all("max_iter: 70\n" in text for text in solver)


@pytest.mark.process
@pytest.mark.slow
def test_a_tiny_ablation(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "faces").mkdir()
    faces = synthetic_list(tmp_path / "faces", 20)
    faces.with_name("trainImageList.txt").write_bytes(faces.read_bytes())
    tiny = Ablation(1, ("1_EN",), (Trial("a", "smooth"), Trial("b", "frozen", frozen=True,
                                                              variables={"loss": "EuclideanLoss"})))
    monkeypatch.setitem(ABLATIONS, "recipe", tiny)
    arguments = ["recipe", "--data", str(tmp_path / "faces"), "--iterations", "20"]
    assert command.main(arguments) == 0
    text = capsys.readouterr().out
    assert "recipe: 20 iterations each" in text and "points: LE RE N" in text
    rows = json.loads((tmp_path / "ablation" / "recipe" / "table.json").read_text())["rows"]
    assert [row["name"] for row in rows] == ["a", "b"]
    assert all(np.isfinite(row["mean"]).all() and len(row["mean"]) == 3 for row in rows)
    assert rows[0]["mean"] != rows[1]["mean"]
    before = (tmp_path / "ablation" / "recipe" / "table.txt").read_text()
    assert command.main(arguments) == 0                           # nothing is trained again
    assert (tmp_path / "ablation" / "recipe" / "table.txt").read_text() == before


@pytest.mark.process
@pytest.mark.slow
def test_a_training_that_fails_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TrainingError, match="train/ has no HDF5 files of level 1"):
        ablation.run(ABLATIONS["structures"], 20, tmp_path / "out", "train", "frozen", jobs=1)


def test_no_data(monkeypatch, capsys):
    monkeypatch.delenv("DEEPLANDMARK_DATA", raising=False)
    assert command.main(["structures"]) == 1
    assert capsys.readouterr().err.startswith("ablate: no data")
