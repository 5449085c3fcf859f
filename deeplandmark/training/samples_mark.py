"""The mark that a level's HDF5 files are whole: `prepared_{level}.json` beside their folders, written last of all."""
import json
from pathlib import Path

from deeplandmark.work.json_text import parse_json
from deeplandmark.work.whole_file import write_text


def marker_file(folder, level):
    return Path(folder, f"prepared_{level}.json")


def prepared(folder, level):
    """The fingerprint of a level's HDF5 files; None when there are none, or not all."""
    try:
        return parse_json(marker_file(folder, level).read_bytes())["fingerprint"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_marker(folder, level, content):
    """Puts the mark, a dict with a "fingerprint", in its place at once."""
    write_text(marker_file(folder, level), json.dumps(content, indent=1))
