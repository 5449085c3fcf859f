"""What a wheel holds, and that it works where nothing but the wheel and the three libraries is there."""
import importlib.util
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.helpers.extras_hidden import WITHOUT_EXTRAS

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel built from a copy: building leaves folders behind."""
    if importlib.util.find_spec("setuptools") is None:
        pytest.skip("needs setuptools to build a wheel without the network")
    source = tmp_path_factory.mktemp("source")
    for name in ("setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("deeplandmark", "prototxt"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    (source / "prototxt" / "1_F_train.prototxt").write_text("generated")
    subprocess.run([sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "--no-build-isolation", "--quiet",
                    "--disable-pip-version-check", "-w", "wheels"], cwd=source, check=True)
    path, = (source / "wheels").glob("deeplandmark-*-py3-none-any.whl")
    return path


def test_it_holds_the_package_the_templates_and_the_models(wheel):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    package = {path.relative_to(ROOT).as_posix() for path in (ROOT / "deeplandmark").rglob("*")
               if path.is_file() and "__pycache__" not in path.parts}
    templates = {f"deeplandmark/templates/{path.relative_to(ROOT / 'prototxt').as_posix()}"
                 for path in (ROOT / "prototxt").rglob("*.template")}
    assert names == package | templates and len(templates) > 10


def test_the_wheel_names_its_command_and_its_extras(wheel):
    with zipfile.ZipFile(wheel) as file:
        texts = {name.rpartition("/")[2]: file.read(name).decode() for name in file.namelist() if ".dist-info/" in name}
    assert "deeplandmark = deeplandmark.__main__:main" in texts["entry_points.txt"]
    metadata = texts["METADATA"].splitlines()
    assert {f"Provides-Extra: {extra}" for extra in ("train", "web", "video", "dev")} <= set(metadata)
    needed = [line for line in metadata if line.startswith("Requires-Dist: ") and "extra ==" not in line]
    names = sorted(line.split()[1].split(">")[0].split("<")[0] for line in needed)
    assert names == ["numpy", "onnxruntime", "opencv-python"]


def test_unpacked_it_works_without_extras(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = WITHOUT_EXTRAS + """
from pathlib import Path
from deeplandmark.training import templates
print(templates.template_folder() == Path(templates.__file__).parents[1] / "templates", templates.__file__)
"""
    commands = '[["synthesize", "faces", "--train", "1", "--test", "1", "--jobs", "1"], ["train", "1"]]'
    process = subprocess.run([sys.executable, "-c", code, commands], cwd=tmp_path, text=True, capture_output=True,
                             env={"PYTHONPATH": str(tmp_path), "PATH": ""})
    assert process.returncode == 0, process.stderr
    assert f"True {tmp_path}" in process.stdout and (tmp_path / "faces" / "trainImageList.txt").exists()
    assert 'pip install \\"deeplandmark[train]\\"' in process.stdout
