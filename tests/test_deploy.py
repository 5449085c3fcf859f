"""docs/deploy/, docs/CITATION.cff and the workflow say what is true of the project as it is now."""
import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from deeplandmark.serve import get_args_parser

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "docs" / "deploy"
CONFIG = configparser.RawConfigParser()
CONFIG.read(ROOT / "setup.cfg")


def text_of(name):
    return (DEPLOY / name).read_text(encoding="utf-8")


def serve_arguments():
    """{file: the words after `deeplandmark serve` in it}."""
    entry = re.search(r'ENTRYPOINT \["deeplandmark", "serve", (.*)\]', text_of("Dockerfile"))[1]
    command = re.search(r"command: \[(.*)\]", text_of("compose.yaml"))[1]
    started = re.search(r"ExecStart=\S+/deeplandmark serve (.*)", text_of("deeplandmark.service"))[1]
    return {"Dockerfile": re.findall(r'"([^"]+)"', entry), "compose.yaml": re.findall(r'"([^"]+)"', command),
            "deeplandmark.service": started.split()}


@pytest.mark.parametrize("name", ["Dockerfile", "compose.yaml", "deeplandmark.service"])
def test_the_server_understands_its_arguments(name):
    options = get_args_parser().parse_args(serve_arguments()[name])
    assert options.host == {"Dockerfile": "0.0.0.0"}.get(name, "127.0.0.1") and options.port == 8000


def test_the_image_gets_what_the_package_needs():
    """The libraries of setup.cfg, but OpenCV without windows."""
    text = text_of("Dockerfile")
    needed = CONFIG["options"]["install_requires"].split() + CONFIG["options.extras_require"]["web"].split()
    for requirement in needed:
        wanted = requirement.replace("opencv-python", "opencv-python-headless")
        assert wanted.partition(">")[0] == "numpy" or f'"{wanted}"' in text, requirement
    copied = [word for line in re.findall(r"^COPY (?!--from)(.*)$", text, re.M) for word in line.split()[:-1]]
    assert copied and all((ROOT / name).exists() for name in copied), copied
    assert {"setup.py", "setup.cfg", "prototxt", "deeplandmark"} <= set(copied)
    assert "/health" in text and "USER deeplandmark" in text


def test_links_of_the_page_lead_somewhere():
    links = re.findall(r"\]\(([^)#]+)\)", text_of("README.md"))
    assert len(links) >= 5 and all((DEPLOY / link).exists() for link in links), links


@pytest.mark.process
@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_systemd_understands_its_unit(tmp_path):
    unit = tmp_path / "deeplandmark.service"
    unit.write_text(text_of("deeplandmark.service").replace("/opt/deeplandmark/bin/deeplandmark", "/bin/true"))
    told = subprocess.run(["systemd-analyze", "verify", str(unit)], text=True, capture_output=True)
    assert unit.name not in told.stdout + told.stderr, told


def test_the_citation_names_this_version():
    text = (ROOT / "docs" / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {CONFIG['metadata']['version']}\n" in text and "\ncff-version: 1.2.0\n" in "\n" + text
    assert f"name: {CONFIG['metadata']['author']}\n" in text


def test_the_workflow_runs_what_ci_runs():
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    assert "run: bash .ci/run" in text
    tested = re.search(r"python: \[(.*)\]", text)[1]
    named = re.findall(r"Python :: (3\.\d+)", CONFIG["metadata"]["classifiers"])
    assert re.findall(r'"([^"]+)"', tested) == [named[0], named[-1]]
