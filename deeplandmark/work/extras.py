"""How to install what a part of the package needs beyond numpy, OpenCV and ONNX Runtime: the extras of setup.cfg."""
import json
from pathlib import Path

_NAME = "deeplandmark"


def install(*extras: str) -> str:
    """The command that installs extras, in words for an error message: from where the package itself came, by what pip
    wrote down of it (PEP 610). Nothing is asked of an index unless the package came from one: somebody else may own the
    name there."""
    names, origin = ",".join(extras), _origin()
    if origin is None:
        return f'pip install "{_NAME}[{names}]"'
    if origin:
        return f'pip install "{_NAME}[{names}] @ {origin}"'
    return f'pip install ".[{names}]" in the clone of {_NAME}'


def _origin():
    """The address of the archive or the repository that the package was installed from; "" for a clone, None for an
    index."""
    from importlib.metadata import Distribution, PackageNotFoundError  # late: it reads e-mail's headers
    package = Path(__file__).parents[1]
    if (package.parent / "setup.cfg").is_file():
        return ""
    try:
        installed = Distribution.from_name(_NAME)
    except PackageNotFoundError:                                 # the folder alone was copied somewhere
        return ""
    text = installed.read_text("direct_url.json")
    if text is None:                                             # unpacked by hand, it has no installer either
        return None if installed.read_text("INSTALLER") else ""
    place = json.loads(text)
    if "vcs_info" in place:
        return f"{place['vcs_info']['vcs']}+{place['url']}"
    return place["url"] if "archive_info" in place else ""
