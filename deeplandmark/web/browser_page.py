"""A page that finds faces and their points in the browser alone: the page of `serve`, with browser/*.js for the server.

The folder holds static/ (the page, and what finds faces), model/ (the networks as ONNX, and settings.json with all
numbers that the Python code has as constants, so that they stand in one place) and runtime/ (ONNX Runtime's wasm).
"""
import json
from pathlib import Path

from deeplandmark.cascade import onnx_engine
from deeplandmark.cascade.cascade import MANNER
from deeplandmark.detectors import PUBLISHED, brightened, single_shot, upright
from deeplandmark.faces.box_of_points import EDGE_SHIFTS
from deeplandmark.faces.upright import BOX, MEAN_FACE, PATCH
from deeplandmark.models import exporter_of, load, system_of
from deeplandmark.models.onnx_metadata import metadata_of
from deeplandmark.networks import looks
from deeplandmark.networks.published import ONNX_FILE, model_at
from deeplandmark.web.finder import Finder
from deeplandmark.web.limits import Limits
from deeplandmark.web.policy import OF_BROWSER
from deeplandmark.web.wasm_runtime import runtime_files
from deeplandmark.work.whole_file import write_bytes, write_text

STATIC, BROWSER = (Path(__file__).with_name(name) for name in ("static", "browser"))
_SERVER_ONLY = "docs.html", "docs.js", "api.js", "index.html"
_MARK = "data-server"                   # of the lines of index.html that are about the server
_FOOTER = "<p>Pictures are worked on by this browser and go nowhere. Nothing is loaded from anywhere else.</p>"


def write_page(folder, model=None, runtime=None, **options):
    """Writes the page.

    Parameters
    ----------
    folder : path
        Made where it is missing; files of these names in it are replaced.
    model : path, optional
        A cascade's model folder, or its .onnx; by default the published weights.
    runtime : path, optional
        As of `wasm_runtime.runtime_files`.
    options : of the cascade's export: mirror, half

    Returns
    -------
    int, bytes of all files

    Raises
    ------
    ValueError
        For a model that is no cascade, or where the runtime is not to be had.
    OSError
        Naming the file that cannot be written.
    """
    model = model_at(model)
    if system_of(model) != "cascade":
        raise ValueError(f"--web: {model} is a {system_of(model)}; the page runs cascades only")
    files = {f"runtime/{name}": data for name, data in runtime_files(runtime).items()}
    folder = Path(folder)
    for name in ("model", "runtime", "static/browser"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    cascade = _write_cascade(folder / "model" / ONNX_FILE, model, options)
    files |= {f"model/{name}": (PUBLISHED / single_shot.SingleShotDetector.name / name).read_bytes()
              for name in (single_shot.SEARCH, single_shot.VERIFY)}
    files |= {f"static/{path.name}": path.read_bytes() for path in STATIC.iterdir() if path.name not in _SERVER_ONLY}
    files |= {f"static/browser/{path.name}": path.read_bytes() for path in BROWSER.iterdir() if path.name != "api.js"}
    files["static/api.js"] = (BROWSER / "api.js").read_bytes()
    for name, data in files.items():
        write_bytes(folder / name, data, durable=False)
    write_text(folder / "model" / "settings.json", json.dumps(_settings(cascade), indent=1) + "\n")
    write_text(folder / "index.html", _index((STATIC / "index.html").read_text()))
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _write_cascade(path, model, options):
    """The cascade, once its .onnx is written: as it is where it fits its folder, else made of the folder's networks."""
    if model.is_dir():
        ready = not options and load(model).backend == "onnx"
        if ready:
            write_bytes(path, (model / ONNX_FILE).read_bytes(), durable=False)
        else:
            exporter_of(model)(model, path, **options)
    elif options:
        raise ValueError(f"{model} is exported already: --{next(iter(options))} needs its folder")
    else:
        write_bytes(path, model.read_bytes(), durable=False)
    return path


def _settings(cascade):
    system = load(cascade)
    points, calibrated = system.points, system.settings.confidence is not None
    return {
        "model": Finder(system, None, Limits()).model(),
        "five": [list(part) for part in points.five] or None, "mirror": list(points.mirror),
        "calibrated": calibrated,
        "engine": {"reach": float(metadata_of(cascade)["reach"]), "large": onnx_engine.LARGE,
                   "faces": onnx_engine.FACES, "pixels": onnx_engine.PIXELS},
        "looks": {"most": looks.MOST, "sure": MANNER.sure, "fits": looks.FITS, "off": looks.OFF, "lost": MANNER.lost,
                  "unlikely": looks.UNLIKELY, "turns": looks.TURNS.tolist(), "tilted": looks.TILTED, "patch": PATCH,
                  "box": BOX},
        "edge_shifts": EDGE_SHIFTS, "mean_face": MEAN_FACE.tolist(),
        "brightening": {"bright": brightened.BRIGHT, "gain": brightened.GAIN, "share": brightened.SHARE,
                        "looked_at": brightened.LOOKED_AT},
        "detector": {**{name.lower(): getattr(single_shot, name) for name in _DETECTOR}, "width": upright.WIDTH},
    }


_DETECTOR = ("SMALLEST", "SHARE", "BASE", "STEP", "NEARLY", "LARGEST", "MULTIPLE", "LONGEST", "UNIT", "WINDOW", "BATCH",
             "FIRST_SCORE", "SCORE", "OVERLAP", "MEAN", "DEVIATION")


def _index(text):
    """The page's HTML without what is about the server, and with what only a header says otherwise."""
    text = "".join(line for line in text.splitlines(keepends=True) if _MARK not in line)
    policy = f'<meta http-equiv="Content-Security-Policy" content="{OF_BROWSER}">\n'
    return text.replace("<title>", policy + "<title>", 1).replace("<footer>", "<footer>\n" + _FOOTER, 1)
