"""`deeplandmark label` as people run it: on a Ray of its own, and on a cluster of which a machine dies."""
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from deeplandmark.detect import main as detect
from deeplandmark.label import main
from tests.helpers.patience import PATIENCE

ray_cluster = pytest.importorskip("tests.helpers.ray_cluster")
parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra [cluster]")
pytestmark = [pytest.mark.process, pytest.mark.slow]
KEYS = "picture", "box", "points", "confidence", "score", "pose"
PICTURES = int(os.environ.get("DEEPLANDMARK_CLUSTER_PICTURES", "96"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Forty pictures, in the folder that is the working directory."""
    ray_cluster.pictures(tmp_path / "pictures", 40)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ray_cluster.ROOT))
    return tmp_path


def as_parquet_has_it(row):
    """A row as text, its numbers in float32."""
    return json.dumps({key: np.float32(row[key]).tolist() if isinstance(row[key], (list, float)) else row[key]
                       for key in KEYS})


@pytest.mark.parametrize("workers", ["1", "3"])
def test_the_rows_are_those_of_detect_whatever_the_number_of_workers(folder, capfd, workers):
    Path("pictures/bad.jpg").write_text("no picture")
    assert detect(["pictures", "--json", "faces.jsonl", "--threads", "1", "--pose"]) == 1
    assert main(["pictures", "rows", "--workers", workers, "--pose"]) == 0
    out, err = capfd.readouterr()
    assert out == "" and all(line.startswith(("label: ", "detect: ")) for line in err.splitlines()), err
    expected = {as_parquet_has_it(json.loads(line)) for line in open("faces.jsonl")}
    found = [as_parquet_has_it(row) for row in parquet.read_table("rows").to_pylist()]
    assert set(found) == expected and len(found) == len(expected) >= 40
    (bad,) = parquet.read_table("rows/_problems").to_pylist()
    assert f"detect: {bad['problem']}" in err and bad["picture"] == "pictures/bad.jpg"
    summary = json.loads(Path("rows/_summary.json").read_text())
    assert (summary["pictures"], summary["bad"], summary["shards"], summary["failed"]) == (41, 1, 3, 0)


def test_after_ctrl_c_the_same_command_goes_on(folder, capsys):
    process = ray_cluster.label(folder / "pictures", folder / "rows", "--workers", "1", start_new_session=True,
                                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    while not (folder / "rows" / "part-00000.parquet").exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)                        # as a terminal does: to everybody
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130 and err.splitlines()[-1] == "label: interrupted; the same command goes on", err
    first = (folder / "rows" / "part-00000.parquet").stat().st_mtime_ns
    assert main([str(folder / "pictures"), str(folder / "rows")]) == 0
    err = capsys.readouterr().err
    assert "going on: " in err and "40 pictures: " in err
    assert (folder / "rows" / "part-00000.parquet").stat().st_mtime_ns == first
    assert main([str(folder / "pictures"), str(folder / "rows"), "--points", "68"]) == 1
    assert "was begun with --points unset, not 68" in capsys.readouterr().err


CLUSTER = f"""
import sys
from tests.helpers import ray_cluster
alone, killed, said = ray_cluster.compare(sys.argv[1], {PICTURES}, 2)
print(said)
assert sum(alone.values()) >= {PICTURES} and alone == killed, (alone - killed, killed - alone)
"""


def test_a_machine_that_dies_loses_and_doubles_no_row(tmp_path):
    process = subprocess.run([sys.executable, "-c", CLUSTER, str(tmp_path)], text=True, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, env={**os.environ, **ray_cluster.environment()},
                             timeout=PATIENCE, cwd=ray_cluster.ROOT)
    print(process.stdout)
    assert process.returncode == 0


@pytest.mark.parametrize("arguments, text", [
    (["nowhere", "rows"], "nowhere: no such picture"), (["pictures", "used"], "there is something in it (text.txt)"),
    (["pictures", "rows", "--model", "nowhere"], "nowhere"), (["pictures", "file"], "file"),
    (["pictures", "rows", "--address", "127.0.0.1:1"], "no Ray at 127.0.0.1:1: [Errno 111] Connection refused")])
def test_what_cannot_be_is_one_line(folder, capfd, arguments, text):
    Path("used").mkdir()
    Path("used/text.txt").write_text("mine")
    Path("file").write_text("mine")
    assert main(arguments) == 1
    out, err = capfd.readouterr()
    assert text in err.splitlines()[-1] and out == "" and "Traceback" not in err
    assert err.count("\n") == 1, err
