"""The rooms of the house and the arrows between them (docs/architecture.md), read from the imports of every file.

Imports inside functions count as well: a late import saves time, it does not make an arrow point down.
"""
import ast
import subprocess
import sys
from collections import Counter, defaultdict
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from deeplandmark.__main__ import VERBS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "deeplandmark"

# Each room and the rooms that it may import; a new room gets a row. `commands` are the files deeplandmark/VERB.py.
SYSTEMS = {"cascade", "regressor", "refiner", "pose"}
LIBRARIES = {"networks", "detectors", "faces", "caffe", "work"}
ARROWS = {
    "commands": {"commandline", "web", "measuring", "labelling", "running", "detector_training", "training",
                 "annotating", "models"} | SYSTEMS | LIBRARIES,
    "commandline": {"running", "models"} | SYSTEMS | LIBRARIES,
    "web": {"running", "models"} | SYSTEMS | LIBRARIES,
    "labelling": {"running", "models"} | SYSTEMS | LIBRARIES,
    "measuring": {"training", "models"} | SYSTEMS | LIBRARIES,   # training: the ablation and the speed train networks
    "detector_training": {"training", "models"} | LIBRARIES,     # of detectors, which run in detectors/
    "training": {"models"} | SYSTEMS | LIBRARIES,
    "running": {"models"} | SYSTEMS | LIBRARIES,
    "annotating": {"detectors", "faces", "work"},
    "models": SYSTEMS | LIBRARIES,
    **{system: {"networks", "faces", "caffe", "work"} for system in SYSTEMS},
    "networks": {"faces", "work"},
    "detectors": {"faces", "work"},
    "faces": {"work"},
    "caffe": {"work"},
    "work": set(),
}

# The same inside caffe, between its folders; the files directly in caffe/ stand between them and may be used by all
# that they do not use themselves (no circle, below).
CAFFE_ARROWS = {
    "tools": {"benchmark", "checking", "solvers", "stacked", "onnx", "graph", "layers", "logs", "drawing", "files",
              "proto"},
    "benchmark": {"engines", "solvers", "onnx", "graph", "layers", "logs", "files", "proto"},
    "engines": {"onnx", "graph", "layers", "files", "proto"},
    "checking": {"solvers", "stacked", "onnx", "graph", "layers", "logs", "files", "proto"},
    "solvers": {"stacked", "graph", "layers", "logs", "files", "proto"},
    "stacked": {"graph", "layers", "files", "proto"},
    "onnx": {"graph", "layers", "files", "proto"},
    "logs": {"graph", "files", "proto"},
    "graph": {"layers", "files", "proto"},
    "layers": {"files", "proto"},
    "drawing": {"files", "proto"},
    "files": {"proto"},
    "proto": set(),
}

LINES_OF_A_FILE = 300
LINES_OF_A_FUNCTION = 50
FILES_OF_A_ROOM = 25


def module_of(path):
    """The dotted name of a file below the root; of a package's __init__.py that of the package."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imported(text, name="deeplandmark"):
    """(line, dotted name) of everything that a file's text imports of the package `name`, wherever it stands."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from ((node.lineno, found) for found in names if found.partition(".")[0] == name)


def target(name):
    """The module that an imported name is or comes from."""
    return name if name in MODULES else name.rpartition(".")[0]


@cache
def edges():
    """(module, line, imported module); `import deeplandmark` alone, for its folder or version, is no arrow."""
    return [(module, line, target(name)) for module, path in MODULES.items()
            for line, name in imported(path.read_text())
            if name != "deeplandmark" and not name.startswith("deeplandmark.__")]


def room(module):
    """Of deeplandmark.faces.box: faces; of deeplandmark.detect: commands; of the package itself as well."""
    first = module.split(".")[1:2]
    return first[0] if first and (PACKAGE / first[0]).is_dir() else "commands"


def part(module):
    """What a module is inside its room: of deeplandmark.caffe.layers.base layers, of deeplandmark.caffe.net net."""
    return "/".join(module.split(".")[2:3]) or "__init__"


def refused(table, name):
    """The imports between the keys of a table that it does not allow, as lines to read; `name` tells a module's key."""
    return [f"{MODULES[module].relative_to(ROOT)}:{line}: {name(module)} imports {name(imports)} ({imports})"
            for module, line, imports in edges() if name(module) != name(imports) and name(module) in table
            and name(imports) in table and name(imports) not in table[name(module)]]


def circle(pairs):
    """The nodes of a circle among (node, used node) pairs, or nothing."""
    below = defaultdict(set)
    for start, end in pairs:
        if start != end:
            below[start].add(end)
    try:
        TopologicalSorter(below).prepare()
    except CycleError as error:
        return error.args[1]


def test_every_room_has_its_row():
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    assert rooms - ARROWS.keys() == set(), "say in ARROWS what the new room may import"
    inside = {path.name for path in (PACKAGE / "caffe").iterdir() if (path / "__init__.py").exists()}
    assert inside == CAFFE_ARROWS.keys()


def test_no_arrow_runs_up():
    assert refused(ARROWS, room) == []


def test_no_arrow_runs_up_inside_caffe():
    assert refused(CAFFE_ARROWS, lambda module: part(module) if room(module) == "caffe" else None) == []


@pytest.mark.parametrize("table", [ARROWS, CAFFE_ARROWS], ids=["rooms", "caffe"])
def test_the_tables_allow_no_circle(table):
    assert circle((start, end) for start, ends in table.items() for end in ends) is None


def test_what_the_plan_forbids_is_forbidden_by_the_table():
    for system in SYSTEMS:
        assert not ARROWS[system] & (SYSTEMS | {"training", "measuring", "running", "models"}), system
    assert not ARROWS["caffe"] & {"faces", "networks", "detectors"}


def test_no_circle_between_rooms_their_folders_and_files():
    for name in (room, lambda module: (room(module), part(module)), lambda module: module):
        pairs = [(name(module), name(imports)) for module, _, imports in edges()]
        assert len(pairs) > 500 and circle(pairs) is None


def test_tests_share_only_what_lies_in_helpers():
    found = [f"{path.relative_to(ROOT)}:{line}: {name}" for path in sorted((ROOT / "tests").rglob("*.py"))
             for line, name in imported(path.read_text(), "tests") if not name.startswith("tests.helpers.")]
    assert found == []


def test_faces_and_detectors_name_no_torch():
    found = [f"{path.relative_to(ROOT)}:{line}" for module, path in MODULES.items()
             if room(module) in ("faces", "detectors") for line, _ in imported(path.read_text(), "torch")]
    assert found == []


@pytest.mark.process
def test_faces_and_detectors_load_without_torch():
    """The networks that a system runs may need torch; where the faces are must not."""
    modules = [module for module in MODULES if room(module) in ("faces", "detectors", "work")]
    code = "import importlib, sys\nsys.modules['torch'] = None\nfor name in sys.argv[1:]: importlib.import_module(name)"
    process = subprocess.run([sys.executable, "-c", code, *modules], cwd=ROOT, text=True, capture_output=True)
    assert len(modules) > 30 and process.returncode == 0, process.stderr


def test_rooms_files_and_functions_stay_small():
    verbs = {PACKAGE / f"{verb}.py" for names in VERBS.values() for verb in names}      # --help lists them by subject
    counted = Counter(path.parent for path in MODULES.values() if len(path.relative_to(PACKAGE).parts) <= 2
                      and path not in verbs)
    too_large = [f"{folder.name}/: {count} files" for folder, count in counted.items() if count > FILES_OF_A_ROOM]
    for path in [*MODULES.values(), *sorted((ROOT / "tests").rglob("*.py"))]:
        text, name = path.read_text(), path.relative_to(ROOT)
        if text.count("\n") > LINES_OF_A_FILE:
            too_large.append(f"{name}: {text.count(chr(10))} lines")
        too_large += [f"{name}:{node.lineno}: {node.name} has {node.end_lineno - node.lineno + 1} lines"
                      for node in ast.walk(ast.parse(text)) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
                      and node.end_lineno - node.lineno >= LINES_OF_A_FUNCTION]
    assert too_large == []


@pytest.mark.parametrize("text, found", [
    ("import deeplandmark.faces.box as box", ["deeplandmark.faces.box"]),
    ("def f():\n    from deeplandmark.faces import box, draw", ["deeplandmark.faces.box", "deeplandmark.faces.draw"]),
    ("try:\n    import torch.nn, numpy\nexcept ImportError:\n    pass", []),
    ("text = 'import deeplandmark.faces'", [])])
def test_imports_are_found_wherever_they_stand(text, found):
    assert [name for _, name in imported(text)] == found
