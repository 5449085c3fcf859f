"""What the package shows of itself: its names, their types, its version."""
import ast
import configparser
import importlib
import inspect
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import deeplandmark
import deeplandmark.caffe as caffe
import deeplandmark.faces as faces
from deeplandmark.__main__ import main

ROOT = Path(__file__).parents[1]
VERSION = configparser.RawConfigParser()
VERSION.read(ROOT / "setup.cfg")
VERSION = VERSION["metadata"]["version"]
# Modules all of whose public names have types.
TYPED = ("deeplandmark", "deeplandmark.caffe", "deeplandmark.caffe.io", "deeplandmark.detectors",
         "deeplandmark.detectors.box_map", "deeplandmark.faces", "deeplandmark.faces.alignment",
         "deeplandmark.faces.box", "deeplandmark.faces.box_of_points", "deeplandmark.faces.datasets.archive",
         "deeplandmark.faces.picture", "deeplandmark.faces.picture_input", "deeplandmark.faces.upright",
         "deeplandmark.models")


def test_every_public_name_is_there_and_shown():
    for name in deeplandmark.__all__:
        assert getattr(deeplandmark, name) is not None
    assert dir(deeplandmark) == sorted(deeplandmark.__all__) and "Cascade" in dir(deeplandmark)
    with pytest.raises(AttributeError, match="module 'deeplandmark' has no attribute 'Cascad'"):
        deeplandmark.Cascad
    with pytest.raises(ImportError):
        from deeplandmark import Cascad  # noqa: F401


def seen_by_editors(module):
    """{name: module} of the imports that only type checkers read."""
    blocks = [node for node in ast.parse(Path(module.__file__).read_text()).body
              if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"]
    return {name.name: node.module for block in blocks for node in block.body if isinstance(node, ast.ImportFrom)
            for name in node.names}


def test_editors_see_the_names_that_are_imported_late():
    """Those that `__getattr__` brings, from the same places."""
    assert seen_by_editors(deeplandmark) == deeplandmark._PLACES and (ROOT / "deeplandmark" / "py.typed").exists()
    assert {*deeplandmark._PLACES, "__version__"} == set(deeplandmark.__all__)
    late = {name: f"deeplandmark.faces.{place}" for name, place in faces._PLACES.items()}
    assert seen_by_editors(faces) == late and set(late) == set(faces.__all__)
    assert all(getattr(faces, name) is not None for name in faces.__all__)
    late = {name: f"deeplandmark.caffe.{place}" for name, place in caffe._LAZY.items()}
    late.update(dict.fromkeys(caffe._SUBMODULES, "deeplandmark.caffe"))
    assert seen_by_editors(caffe) == late and set(late) < set(caffe.__all__)


@pytest.mark.process
def test_importing_the_package_loads_no_library():
    code = "import sys, deeplandmark; dir(deeplandmark); print(sorted({'numpy', 'cv2', 'torch'} & set(sys.modules)))"
    process = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=True,
                             env={"PYTHONPATH": str(ROOT), "PATH": ""})
    assert process.stdout == "[]\n"


@pytest.mark.process
def test_finding_faces_waits_for_no_network_library():
    """Nor for what only lists of faces need."""
    code = ("import sys, deeplandmark.detect, deeplandmark.models, deeplandmark.detectors; "
            "names = {'http.client', 'ssl', 'email', 'xml.sax', 'torch', 'deeplandmark.faces.datasets.formats'}; "
            "print(sorted(names & set(sys.modules)))")
    process = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=True,
                             env={"PYTHONPATH": f"{ROOT}", "PATH": ""})
    assert process.stdout == "[]\n"


def public_functions(module):
    """(name, function) of what a module has for others: of its `__all__`, or what it defines itself; methods, too."""
    own = [name for name, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__]
    for name in getattr(module, "__all__", own):
        value = getattr(module, name)
        if name.startswith("_") or not getattr(value, "__module__", "").startswith("deeplandmark"):
            continue
        if inspect.isfunction(value):
            yield name, value
        for method, function in vars(value).items() if inspect.isclass(value) else ():
            function = getattr(function, "fget", None) or getattr(function, "__func__", function)
            if inspect.isfunction(function) and "deeplandmark" in function.__code__.co_filename:     # no dataclass's
                if method == "__init__" or not method.startswith("_"):
                    yield f"{name}.{method}", function


@pytest.mark.parametrize("name", TYPED)
def test_public_functions_say_their_types(name):
    functions = list(public_functions(importlib.import_module(name)))
    assert functions
    for place, function in functions:
        names = [p.name for p in inspect.signature(function).parameters.values() if p.name not in ("self", "cls")]
        missing = [each for each in names if each not in function.__annotations__]
        assert not missing and (place.endswith("__init__") or "return" in function.__annotations__), (place, missing)


def test_the_version_is_that_of_setup_cfg(capsys):
    assert deeplandmark.__version__ == VERSION
    assert main(["--version"]) == 0 and capsys.readouterr().out == f"deeplandmark {VERSION}\n"


def version_of(folder, *more):
    code = "import deeplandmark; print(deeplandmark.__version__, deeplandmark.__file__)"
    process = subprocess.run([sys.executable, *more, "-c", code], cwd=folder, text=True, capture_output=True,
                             check=True, env={"PYTHONPATH": str(folder), "PATH": ""})
    version, _, file = process.stdout.strip().partition(" ")
    assert Path(file).is_relative_to(folder)
    return version


@pytest.mark.process
def test_where_the_version_comes_from(tmp_path):
    """A checkout's own setup.cfg, else what was installed, else nobody knows; -S hides what is installed here."""
    (tmp_path / "deeplandmark").mkdir()
    shutil.copy(deeplandmark.__file__, tmp_path / "deeplandmark")
    assert version_of(tmp_path, "-S") == "0+unknown"
    (tmp_path / "setup.cfg").write_text("[metadata]\nname = another\nversion = 3\n")
    assert version_of(tmp_path, "-S") == "0+unknown"
    (tmp_path / "deeplandmark-7.5.dist-info").mkdir()
    (tmp_path / "deeplandmark-7.5.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: deeplandmark\nVersion: 7.5\n")
    assert version_of(tmp_path, "-S") == "7.5"
    (tmp_path / "setup.cfg").write_text("[metadata]\nname = deeplandmark\nversion = 8.25\ndescription = 100 %\n")
    assert version_of(tmp_path) == "8.25"
