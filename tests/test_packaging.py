"""What source distribution and wheel hold, and that they work where nothing but them and the libraries is there."""
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.helpers.extras_hidden import WITHOUT_EXTRAS

pytestmark = [pytest.mark.process, pytest.mark.slow]  # wheels are built

ROOT = Path(__file__).parents[1]
FILES = ("setup.py", "setup.cfg", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "bootstrap.sh", "mkdocs.yml",
         ".pre-commit-config.yaml", ".ci/run", ".github/workflows/ci.yml", "dataset/README.md")
FOLDERS = ("deeplandmark", "prototxt", "docs", "tests")


def files_below(folder):
    """The files in a folder by their path from there."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of what is kept under version control, for building leaves folders behind; and a generated prototxt."""
    if importlib.util.find_spec("setuptools") is None:
        pytest.skip("needs setuptools to build without the network")
    folder = tmp_path_factory.mktemp("checkout")
    for name in FILES:
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        shutil.copy(ROOT / name, folder / name)
    left_out = {"prototxt": "*.prototxt"}
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name,
                        ignore=shutil.ignore_patterns("__pycache__", left_out.get(name, "")))
    return folder


@pytest.fixture(scope="module")
def unpacked(checkout, tmp_path_factory):
    """The source distribution of the checkout, unpacked."""
    kept = files_below(checkout)
    (checkout / "prototxt" / "1_F_train.prototxt").write_text("generated")
    code = "from setuptools import build_meta; build_meta.build_sdist('dist')"
    subprocess.run([sys.executable, "-c", code], cwd=checkout, check=True, capture_output=True)
    archive, = (checkout / "dist").glob("deeplandmark-*.tar.gz")
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(archive) as file:
        file.extractall(folder, filter="data")
    folder, = folder.iterdir()
    assert {name for name in files_below(folder) if ".egg-info/" not in name} == kept | {"PKG-INFO"}
    return folder


@pytest.fixture(scope="module")
def wheel(unpacked, tmp_path_factory):
    """The wheel that the source distribution makes."""
    source = shutil.copytree(unpacked, tmp_path_factory.mktemp("source") / "source")
    subprocess.run([sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "--no-build-isolation", "--quiet",
                    "--disable-pip-version-check", "-w", "wheels"], cwd=source, check=True)
    path, = (source / "wheels").glob("deeplandmark-*-py3-none-any.whl")
    return path


def test_it_holds_the_package_the_templates_and_the_models(wheel, checkout):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    package = {f"deeplandmark/{name}" for name in files_below(checkout / "deeplandmark")
               if not name.startswith("published/") or not name.endswith((".caffemodel", ".prototxt"))}
    templates = {f"deeplandmark/templates/{name}" for name in files_below(checkout / "prototxt")
                 if name.endswith(".template")}
    assert names == package | templates and len(templates) > 10 and "deeplandmark/py.typed" in names
    assert "deeplandmark/published/best/cascade.onnx" in names and wheel.stat().st_size < 25e6
    assert not any("test" in name.split("/")[:-1] or "tests" in name.split("/") for name in names)


@pytest.mark.slow
def test_the_source_distribution_runs_its_tests(unpacked):
    process = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/faces/test_metrics.py", "tests/test_main.py",
         "tests/caffe/test_fillers.py"], cwd=unpacked, text=True, capture_output=True,
        env={"PYTHONPATH": str(unpacked), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"})
    assert process.returncode == 0, process.stdout[-3000:]
    help_text = subprocess.run(["./bootstrap.sh", "--help"], cwd=unpacked, text=True, capture_output=True, check=True)
    assert help_text.stdout.startswith("usage: ./bootstrap.sh")


def test_the_wheel_names_its_command_and_its_extras(wheel):
    with zipfile.ZipFile(wheel) as file:
        texts = {name.rpartition("/")[2]: file.read(name).decode() for name in file.namelist() if ".dist-info/" in name}
    assert "deeplandmark = deeplandmark.__main__:main" in texts["entry_points.txt"]
    metadata = texts["METADATA"].splitlines()
    assert {"Author: The deeplandmark authors", "Classifier: Typing :: Typed"} <= set(metadata)
    extras = "train", "web", "video", "completion", "docs", "dev"
    assert {f"Provides-Extra: {extra}" for extra in extras} <= set(metadata)
    needed = [line for line in metadata if line.startswith("Requires-Dist: ") and "extra ==" not in line]
    names = sorted(line.split()[1].split(">")[0].split("<")[0] for line in needed)
    assert names == ["numpy", "onnxruntime", "opencv-python"]


def test_an_index_shows_links_that_lead_somewhere(unpacked, tmp_path):
    """By the address that a release tells; each names a file of the tag, pictures as they are."""
    source = shutil.copytree(unpacked, tmp_path / "source")
    (source / "made").mkdir()
    code = "from setuptools import build_meta; build_meta.prepare_metadata_for_build_wheel('made')"
    subprocess.run([sys.executable, "-c", code], cwd=source, check=True, capture_output=True,
                   env={**os.environ, "DEEPLANDMARK_URL": "https://example.org/deeplandmark/"})
    metadata, = (source / "made").glob("*/METADATA")
    text = metadata.read_text(encoding="utf-8")
    version = re.search("^Version: (.*)$", text, re.MULTILINE)[1]
    assert "Project-URL: Changelog, https://example.org/deeplandmark/blob/v" in text
    links = re.findall(r"(!?)\[[^\]]*\]\(([^)]*)\)", text)
    assert sum(bool(mark) for mark, _ in links) >= 3
    for mark, link in links:
        place = f"https://example.org/deeplandmark/{'raw' if mark else 'blob'}/v{version}/"
        assert link.startswith(place), link
        assert (source / link.removeprefix(place).partition("#")[0]).exists(), link


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
    assert 'pip install \\".[train]\\"' in process.stdout


def test_unpacked_it_finds_points_as_the_checkout_does(wheel, tmp_path):
    """By its cascade.onnx; for torch it has no networks, and says where they are."""
    zipfile.ZipFile(wheel).extractall(tmp_path / "wheel")
    code = """
import numpy as np
from deeplandmark import __file__, load
from deeplandmark.faces.synthetic import draw_face
image, _, box = draw_face(np.random.default_rng(4))
print(__file__, load().predict(image, [box.as_array()]).tolist())
try:
    load(backend="torch")
except (ImportError, ValueError) as error:
    print(error)
"""
    found = [subprocess.run([sys.executable, "-c", code], cwd=tmp_path, text=True, capture_output=True, check=True,
                            env={"PYTHONPATH": str(folder), "PATH": ""}).stdout.splitlines()
             for folder in (tmp_path / "wheel", ROOT)]
    (ours, *problem), (theirs, *nothing) = found
    assert ours.startswith(str(tmp_path / "wheel")) and ours.partition(" ")[2] == theirs.partition(" ")[2]
    assert not nothing and "in a clone of the project, not in its wheel" in problem[0]
