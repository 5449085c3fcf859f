"""What a model folder of any system holds, and a hash of it."""
import hashlib
from pathlib import Path


def has_networks(folder):
    """Whether a folder holds networks of level 1, as every model folder does, ours and the original's."""
    return any(Path(folder).glob("1_*.prototxt"))


def fingerprint(folder):
    """A hash of the networks and settings of a model folder; an exported cascade carries that of its folder."""
    digest = hashlib.sha256()
    for path in sorted([*Path(folder).glob("[0-9]_*.prototxt"), *Path(folder).glob("[0-9]_*.caffemodel"),
                        *Path(folder).glob("cascade.json"), *Path(folder).glob("model.json")]):
        content = path.read_bytes()
        if path.suffix != ".caffemodel":
            content = content.replace(b"\r\n", b"\n")            # git may have written the text in Windows' way
        digest.update(f"{path.name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()
