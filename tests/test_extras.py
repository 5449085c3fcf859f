"""The commands where extras are not installed: every --help, and one line that says what to install."""
import configparser
import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deeplandmark.__main__ import VERBS, main
from deeplandmark.commandline.extras import MODULES, advice
from tests.helpers.extras_hidden import WITHOUT_EXTRAS, without_extras

ROOT = Path(__file__).parents[1]
DISTRIBUTIONS = {"google": "protobuf", "python_multipart": "python-multipart",
                 "ai_edge_litert": "ai-edge-litert"}             # where names differ
NAMES = [verb for verbs in VERBS.values() for verb in verbs]


@pytest.mark.process
def test_every_help_without_extras(tmp_path):
    for verb, (status, out, err) in zip(NAMES, without_extras([[verb, "--help"] for verb in NAMES], tmp_path)):
        if verb in ("caffe", "ablate"):                          # their verbs and trials come from what needs torch
            assert status == 1 and err.count("\n") == 1 and 'pip install ".[train]"' in err, (verb, err)
        else:
            assert status == 0 and "usage: " in out and not err, (verb, err)


USES = {"generate": (), "prepare": ("1", "--data", "faces", "--jobs", "1"), "train": ("1",), "view_loss": ("log",),
        "benchmark": (), "ablate": ("recipe", "--data", "faces"), "caffe": ("time", "--model", "net.prototxt"),
        "calibrate": ("--data", "faces", "--model", "old"), "evaluate": ("--data", "faces", "--model", "old"),
        "detect": ("faces/synthetic", "--model", "old"), "align": ("faces/synthetic", "--model", "old", "--out", "out"),
        "export": ("--model", "old", "cascade.onnx"), "serve": ("--port", "0"),
        "label": ("faces/synthetic", "rows"), "completion": ("bash",)}


@pytest.mark.process
def test_every_use_without_its_extra_is_one_line(tmp_path):
    """`old` is a model folder with networks alone, which only torch can run."""
    main(["synthesize", str(tmp_path / "faces"), "--train", "12", "--test", "2", "--jobs", "1"])
    (tmp_path / "log").mkdir()
    (tmp_path / "old").mkdir()
    for path in (ROOT / "deeplandmark" / "published" / "wide").glob("[0-9c]*"):
        if path.suffix != ".onnx":
            (tmp_path / "old" / path.name).symlink_to(path)
    verbs = [verb for verb in NAMES if verb in USES]
    for verb, (status, _, err) in zip(verbs, without_extras([[verb, *USES[verb]] for verb in verbs], tmp_path)):
        extra = {"serve": "web", "label": "cluster", "completion": "completion"}.get(verb, "train")
        assert status == 1 and err.count("\n") == 1 and err.startswith(f"{verb}: "), (verb, err)
        assert f'pip install ".[{extra}]"' in err, (verb, err)


@pytest.mark.process
def test_what_needs_no_extra_works_without(tmp_path):
    results = without_extras([["synthesize", "faces", "--train", "2", "--test", "2", "--jobs", "1"],
                              ["find-data", "--data", "faces"]], tmp_path)
    assert [status for status, _, _ in results] == [0, 0], results
    assert results[1][1] == "faces\n"


@pytest.mark.parametrize("module, arguments", [
    ("jinja2", ["generate", "--out", "out"]), ("matplotlib", ["view_loss", "log"]),
    ("h5py", ["prepare", "1", "--data", "faces", "--jobs", "1"])])
def test_one_missing_module_is_named(module, arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    main(["synthesize", "faces", "--train", "12", "--test", "2", "--jobs", "1"])
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "1_F.log").write_text("I1121 10:00:00.000000     1 solver.cpp:228] Iteration 0, loss = 0.5\n"
                                              "I1121 10:00:01.000000     1 solver.cpp:228] Iteration 20, loss = 0.4\n")
    for name in [name for name in sys.modules if name.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    capsys.readouterr()
    assert main(arguments) == 1
    err = capsys.readouterr().err
    assert err.startswith(f"{arguments[0]}: {module} is not installed: pip install ") and err.count("\n") == 1


@pytest.mark.process
def test_a_module_alone_says_what_python_m_caffe_needs(tmp_path):
    code = WITHOUT_EXTRAS.split("from deeplandmark.__main__")[0] + """
import runpy
sys.argv = ["caffe"]
runpy._run_module_as_main("deeplandmark.caffe")
"""
    process = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, text=True, capture_output=True,
                             env={"PYTHONPATH": str(ROOT), "PATH": ""})
    assert process.returncode == 1 and process.stderr.count("\n") == 1
    assert 'deeplandmark.caffe needs torch: pip install ".[train]"' in process.stderr


def test_the_table_is_that_of_setup_cfg():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    for extra, lines in config["options.extras_require"].items():
        lines = [line.partition(";")[0] for line in lines.splitlines() if line]     # behind it: for which systems
        names = {re.match(r"[\w-]+", line)[0] for line in lines}
        brought = {DISTRIBUTIONS.get(module, module) for module, its in MODULES.items() if its == extra}
        assert extra in ("dev", "docs") or names == brought, extra
        # Of OpenCV 4 the importer of Caffe nets is what ours is compared with.
        lines = " ".join(lines).replace("opencv-python<5", "" if extra == "dev" else "<")
        assert "<" not in lines and "==" not in lines, extra


ORIGINS = {
    None: "pip install \"deeplandmark[web,train]\"",              # pip writes nothing down of what an index gave
    '{"url": "file:///home/me/clone", "dir_info": {}}': 'pip install ".[web,train]" in the clone of deeplandmark',
    '{"url": "https://example.org/d.whl", "archive_info": {}}':
        'pip install "deeplandmark[web,train] @ https://example.org/d.whl"',
    '{"url": "https://example.org/d", "vcs_info": {"vcs": "git", "commit_id": "1"}}':
        'pip install "deeplandmark[web,train] @ git+https://example.org/d"'}


@pytest.mark.process
@pytest.mark.parametrize("origin", ORIGINS)
def test_what_to_install_goes_by_where_the_package_came_from(origin, tmp_path):
    (tmp_path / "deeplandmark" / "work").mkdir(parents=True)
    shutil.copy(ROOT / "deeplandmark" / "work" / "extras.py", tmp_path / "deeplandmark" / "work")
    written = tmp_path / "deeplandmark-1.dist-info"
    written.mkdir()
    (written / "METADATA").write_text("Metadata-Version: 2.1\nName: deeplandmark\nVersion: 1\n")
    (written / "INSTALLER").write_text("pip\n")
    if origin:
        (written / "direct_url.json").write_text(origin)
    process = subprocess.run(
        [sys.executable, "-S", "-c", "from deeplandmark.work.extras import install; print(install('web', 'train'))"],
        cwd=tmp_path, text=True, capture_output=True, check=True, env={"PYTHONPATH": str(tmp_path), "PATH": ""})
    assert process.stdout.strip() == ORIGINS[origin]


@pytest.mark.process
@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_bash_completes_verbs_and_flags(capsys):
    pytest.importorskip("shtab", reason="needs the extra [completion]")
    assert main(["completion", "bash"]) == 0
    ask = capsys.readouterr().out + """
ask() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _shtab_deeplandmark; echo "${COMPREPLY[@]}"; }
ask deeplandmark det; ask deeplandmark detect --looks ''; ask deeplandmark serve --allow; ask deeplandmark caf"""
    process = subprocess.run(["bash"], input=ask, text=True, capture_output=True, check=True)
    assert process.stdout.splitlines() == ["detect", "1 2 auto", "--allow-python-layers --allow-host", "caffe"]


def test_another_import_error_is_not_explained_away(monkeypatch):
    error = ImportError("cannot import name 'x'", name="deeplandmark.cascade.cascade")
    assert advice(error) is None

    def fail(arguments):
        raise error
    monkeypatch.setattr(importlib.import_module("deeplandmark.train"), "main", fail)
    with pytest.raises(ImportError, match="cannot import name 'x'"):
        main(["train"])
