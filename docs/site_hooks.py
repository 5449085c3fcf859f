"""What mkdocs does with pages that were written to be read beside the code: see mkdocs.yml.

Some pages lie elsewhere, since they belong to what lies there, and become pages of the site. Links to files of the
code, which the site does not have, become their names.
"""
import posixpath
import re
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
PAGES = {"deeplandmark/published/MODEL.md": "model_card.md", "deeplandmark/published/wide/MODEL.md": "model_wide.md",
         "deeplandmark/published/light/MODEL.md": "model_light.md",
         "deeplandmark/published/best/MODEL.md": "model_best.md", "dataset/README.md": "dataset.md"}
LINK = re.compile(r"(!?)\[((?:[^\]\\]|\\.)*)\]\(([^)#\s]+)(#[^)]*)?\)")


def on_files(files, config):
    """Adds the pages that lie elsewhere."""
    for path in PAGES:
        text = _linked((ROOT / path).read_text(encoding="utf-8"), path)
        files.append(File.generated(config, PAGES[path], content=text))
    return files


def on_page_markdown(markdown, page, config, files):
    """The text of a page with links that the site has."""
    uri = page.file.src_uri
    return markdown if uri in PAGES.values() else _linked(markdown, f"docs/{uri}")


def _linked(text, path):
    """A page's text, read from `path` below the root, with its links as the site's page has them."""
    here = posixpath.dirname(PAGES.get(path, path.removeprefix("docs/")))

    def link(match):
        image, label, target, anchor = match.groups()
        if re.match(r"[a-z]+:", target):
            return match[0]
        place = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
        of_site = PAGES.get(place, place.removeprefix("docs/") if place.startswith("docs/") else None)
        if of_site is None or posixpath.splitext(of_site)[1] == ".py":
            return label if not image else ""
        if (ROOT / place).is_dir():
            of_site += "/README.md"
        elif of_site == "deploy/Dockerfile":
            return label
        return f"{image}[{label}]({posixpath.relpath(of_site, here or '.')}{anchor or ''})"
    return LINK.sub(link, text)
