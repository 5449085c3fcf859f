"""ONNX Runtime for browsers: where its files come from when a page that needs no server is written."""
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "onnxruntime-web"
VERSIONS = "^1.20"
# Its files, and what they are called in the page: hosts know what .js and .wasm are, not all know .mjs.
FILES = {"ort.wasm.min.mjs": "ort.js", "ort-wasm-simd-threaded.mjs": "ort-wasm.js",
         "ort-wasm-simd-threaded.wasm": "ort-wasm.wasm"}
_PACKAGE_JSON = "package.json"          # names version and licence
_MOST = 100_000_000                     # bytes of one of them


def runtime_files(source=None):
    """The files of ONNX Runtime for browsers, {name in the page: bytes}, with its package.json where there is one.

    Parameters
    ----------
    source : path, optional
        The npm package onnxruntime-web: packed (.tgz, as `npm pack` gives it), unpacked, or a folder with its files or
        with the node_modules that hold it. By default npm fetches it.

    Raises
    ------
    ValueError
        When it does not hold them, or npm does not give it.
    """
    if source is None:
        with tempfile.TemporaryDirectory() as folder:
            return _of_archive(_fetched(folder))
    source = Path(source)
    return _of_folder(source) if source.is_dir() else _of_archive(source)


def _fetched(folder):
    """The package, packed in a folder, by npm."""
    npm = shutil.which("npm")
    if npm is None:
        raise ValueError(f"no npm to fetch {PACKAGE} with; `npm pack {PACKAGE}` on another machine gives a .tgz for "
                         "--runtime")
    process = subprocess.run([npm, "pack", f"{PACKAGE}@{VERSIONS}", "--silent"], cwd=folder, text=True,
                             capture_output=True)
    found = sorted(Path(folder).glob("*.tgz"))
    if process.returncode or not found:
        last = (process.stderr.strip() or "it gave no file").splitlines()[-1]
        raise ValueError(f"npm pack {PACKAGE}: {last}; --runtime takes a .tgz or a folder that is here already")
    return found[-1]


def _of_folder(folder):
    for place in (folder, folder / "dist", folder / "node_modules" / PACKAGE / "dist"):
        if all((place / name).is_file() for name in FILES):
            described = [path for path in (place / _PACKAGE_JSON, place.parent / _PACKAGE_JSON) if path.is_file()]
            files = {new: place / name for name, new in FILES.items()} | {path.name: path for path in described[:1]}
            return {name: path.read_bytes() for name, path in files.items()}
    raise ValueError(f"{folder}: no {PACKAGE}: expected {', '.join(FILES)} in it, in dist/ or in node_modules/")


def _of_archive(path):
    wanted = {**{f"package/dist/{name}": new for name, new in FILES.items()},
              f"package/{_PACKAGE_JSON}": _PACKAGE_JSON}
    try:
        with tarfile.open(path, "r:gz") as archive:
            found = {wanted[member.name]: archive.extractfile(member).read() for member in archive
                     if member.name in wanted and member.isfile() and member.size <= _MOST}
    except FileNotFoundError:
        raise ValueError(f"{path}: neither a folder nor a file") from None
    except (OSError, EOFError, tarfile.TarError) as error:
        raise ValueError(f"{path}: not the npm package {PACKAGE} ({error})") from None
    missing = [name for name, new in FILES.items() if new not in found]
    if missing:
        raise ValueError(f"{path}: not the npm package {PACKAGE}: package/dist/{missing[0]} is missing")
    return found
