"""The documentation as a site: every link of every page leads somewhere, every name of api.md is there."""
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NEEDED = "mkdocs", "material", "mkdocstrings"


@pytest.mark.slow
@pytest.mark.process
@pytest.mark.skipif(any(importlib.util.find_spec(name) is None for name in NEEDED), reason="needs the extra [docs]")
def test_it_builds_without_a_warning(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path / "site"]
    built = subprocess.run(command, cwd=ROOT, text=True, capture_output=True)
    assert built.returncode == 0, built.stderr
    pages = {path.relative_to(tmp_path / "site").as_posix(): path.read_text(encoding="utf-8")
             for path in (tmp_path / "site").rglob("*.html")}
    assert {"index.html", "model_card/index.html", "dataset/index.html", "limits/index.html"} <= set(pages)
    assert "locate_many" in pages["api/index.html"] and "Finds the points of every face" in pages["api/index.html"]
    loading = re.compile(r'<(?:script|img|link rel="(?:stylesheet|preconnect)")[^>]*(?:src|href)="(https?:[^"]+)"')
    assert not [address for text in pages.values() for address in loading.findall(text)]    # nothing from other hosts
