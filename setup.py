"""What setup.cfg has no words for: the folder prototxt/ as the package deeplandmark.templates, and absolute links
in the README that an index shows, where an address is told (DEEPLANDMARK_URL, see docs/RELEASE.md)."""
import os
import re
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup

_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|#)([^)]+)\)")


def described(address):
    """README and the project's addresses for an index, which shows README without the files beside it."""
    readme = Path("README.md").read_text(encoding="utf-8")
    if not address:
        return {"long_description": readme}
    config = ConfigParser()
    config.read("setup.cfg", encoding="utf-8")
    tag = f"v{config['metadata']['version']}"
    pages = {True: f"{address}/raw/{tag}", False: f"{address}/blob/{tag}"}
    absolute = _LINK.sub(lambda link: f"{link[1]}[{link[2]}]({pages[bool(link[1])]}/{link[3]})", readme)
    return {"long_description": absolute, "url": address,
            "project_urls": {"Documentation": f"{pages[False]}/docs/README.md", "Source": address,
                             "Changelog": f"{pages[False]}/docs/CHANGELOG.md"}}


setup(packages=[*find_packages(include=["deeplandmark*"]), "deeplandmark.templates"],
      package_dir={"deeplandmark.templates": "prototxt"}, long_description_content_type="text/markdown",
      **described(os.environ.get("DEEPLANDMARK_URL", "").rstrip("/")))
