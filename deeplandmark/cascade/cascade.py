"""The cascade at work: a picture and face boxes in, facial points out."""
import warnings
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from deeplandmark.cascade.model_folder import MARK, ONNX_FILE, default_model, fingerprint
from deeplandmark.cascade.onnx_engine import OnnxEngine
from deeplandmark.faces.box import usable
from deeplandmark.faces.errors import PictureError
from deeplandmark.faces.picture import read_grey
from deeplandmark.work.cores import cores
from deeplandmark.work.in_order import in_chunks, in_order

BACKENDS = ("onnx", "torch")
# Pictures of a stream that are worked on together: less overhead a face; and how many of their pixels are held for it.
_TOGETHER, _PIXELS = 16, 8_000_000


@dataclass(frozen=True)
class Faces:
    """What `Cascade.locate` found in n faces; all arrays float32, points in pixels, x then y.

    Attributes
    ----------
    points : (n, k, 2)
        The last level's.
    confidence : (n, k)
        0..1, how probable it is that a point lies within 5 % of the box width of the truth (see confidence.py).
    levels : (n, L, k, 2)
        After each level.
    first : (n, k, 2)
        Network F alone.
    spread : (n, L, k)
        Mean distance of a point's networks from their average at each level, pixels.
    """
    points: np.ndarray
    confidence: np.ndarray
    levels: np.ndarray
    first: np.ndarray
    spread: np.ndarray


class Cascade:
    """Finds facial points. `Cascade.load()` makes one; it may be used by several threads at once.

    Attributes
    ----------
    settings : CascadeSettings
    levels : list of int, those there are
    backend : "onnx" or "torch"
    """

    def __init__(self, engine, backend):
        self._engine, self.backend = engine, backend
        self.settings, self.levels = engine.settings, engine.levels

    @classmethod
    def load(cls, path=None, backend=None, threads=1):
        """Reads an exported cascade (.onnx) or a model folder, ours or a saved one of the original.

        Parameters
        ----------
        path : path, optional
            By default the published weights of the package.
        backend : "onnx" or "torch", optional
            How a folder is run. By default by its `cascade.onnx`, if it has one that was made of these very networks,
            else by torch, network by network, which is slower and needs the extra [train].
        threads : int
            Threads that one call may use, each for some of its faces. One by default: a single face has no use for
            more, and with several calls at once, as in `predict_many`, they would only be in each other's way. torch
            has `torch.set_num_threads`.

        Raises
        ------
        ValueError
            If there is no cascade, naming the file that is missing or wrong.
        ImportError
            If torch is needed and not installed.
        """
        if backend not in (None, *BACKENDS):
            raise ValueError(f"backend {backend!r} is unknown (known: {', '.join(BACKENDS)})")
        if threads < 1:
            raise ValueError(f"threads must be at least 1, found {threads}")
        path = Path(path or default_model())
        if path.is_dir():
            return _load_folder(cls, path, backend, threads)
        if backend == "torch":
            raise ValueError(f"{path} is not a folder: torch runs model folders")
        if not path.exists():
            raise ValueError(f"{path}: neither a model folder nor an exported cascade is there")
        return cls(OnnxEngine(path, threads), "onnx")

    def predict(self, image, boxes, level=3):
        """The points after a level (or the last one there is): float32 (n, k, 2), pixels, x then y."""
        return self.locate(image, boxes, level).points

    def locate(self, image, boxes, level=3):
        """Finds the points of every face.

        Parameters
        ----------
        image : uint8 array, (h, w) grey or (h, w, 3) BGR as OpenCV reads it
        boxes : (n, 4), face boxes: left, top, right, bottom in pixels; n may be 0; may reach over the edge, where the
            picture's border is repeated (see cutting.py)
        level : int
            The last level to run.

        Returns
        -------
        Faces

        Raises
        ------
        ValueError
            For another kind of picture or boxes, a box of no area, or a level below 1.
        """
        return _faces(self._engine.run(_grey(image), _checked(boxes), _level(level)))

    def locate_many(self, pictures, level=3, jobs=None, errors="raise"):
        """Finds the points of the faces of many pictures, which are read and worked on ahead in threads.

        Parameters
        ----------
        pictures : iterable of (path or uint8 array, boxes)
            Taken from as needed, some dozens a thread ahead; however many there are, few are in memory.
        level : int
        jobs : int, optional
            Threads that read and work; by default as many as there are cores.
        errors : "raise" or "yield"
            What happens to a picture that cannot be read or used: its error is raised, or yielded in its place.

        Yields
        ------
        Faces, in the order of the pictures; with errors="yield" also PictureError, ValueError and TypeError objects.
        """
        if errors not in ("raise", "yield"):
            raise ValueError(f"errors is 'raise' or 'yield', found {errors!r}")
        _level(level)
        jobs = jobs or cores()
        count = min(_TOGETHER, -(-len(pictures) // jobs)) if hasattr(pictures, "__len__") else _TOGETHER
        chunks = in_chunks(pictures, max(count, 1), _pixels_held, _PIXELS)
        found = in_order(lambda chunk: self._locate_chunk(chunk, level), chunks, jobs, ahead=2)
        return (_raised_or(each, errors) for chunk in found for each in chunk)

    def _locate_chunk(self, chunk, level):
        """Faces, or its error, of each (picture, boxes)."""
        failed = {}

        def readable():
            for i, item in enumerate(chunk):
                try:
                    picture, boxes = item
                    yield _grey(picture if isinstance(picture, np.ndarray) else read_grey(picture)), _checked(boxes)
                except (PictureError, ValueError, TypeError) as error:
                    failed[i] = error
        found = iter(self._engine.run_many(readable(), level))
        return [failed.get(i) or _faces(next(found)) for i in range(len(chunk))]

    def predict_many(self, pictures, level=3, jobs=None, errors="raise"):
        """As `locate_many`, but yields just the points, float32 (n, k, 2)."""
        for found in self.locate_many(pictures, level, jobs, errors):
            yield found.points if isinstance(found, Faces) else found


def _faces(found):
    levels, spread, confidence, first = (np.asarray(array, np.float32) for array in found[:4])
    return Faces(np.ascontiguousarray(levels[:, -1]), confidence, levels, first, spread)


def _level(level):
    if level < 1:
        raise ValueError(f"levels begin at 1, found {level}")
    return level


def _raised_or(result, errors):
    if errors == "raise" and isinstance(result, Exception):
        raise result
    return result


def _pixels_held(item):
    """Of a picture in memory; one on disk is read when its turn has come."""
    picture = item[0] if isinstance(item, (tuple, list)) and item else None
    return np.prod(picture.shape[:2]) if isinstance(picture, np.ndarray) else 0


def _load_folder(cls, folder, backend, threads):
    """The Cascade of a model folder, by its cascade.onnx where that belongs to its networks."""
    path = folder / ONNX_FILE
    if backend != "torch" and path.exists():
        engine = OnnxEngine(path, threads)
        # A folder may hold the exported cascade and nothing else.
        if not (folder / MARK).exists() or engine.fingerprint == fingerprint(folder):
            return cls(engine, "onnx")
        _stale(f"{path} was made of other networks than the folder holds; `deeplandmark export --model "
               f"{folder} {path}` makes it anew", backend)
    elif backend == "onnx":
        raise ValueError(f"{path} is missing; `deeplandmark export --model {folder} {path}` makes it")
    try:
        from deeplandmark.cascade.torch_engine import TorchEngine, load_modules  # only this needs torch
    except ImportError as error:
        if not error.name or error.name.startswith("deeplandmark"):
            raise
        raise ImportError(f'{folder}: its networks need torch: pip install "deeplandmark[train]", or use an exported '
                          "cascade (.onnx)") from None
    return cls(TorchEngine(*load_modules(folder)), "torch")


def _stale(message, backend):
    if backend == "onnx":
        raise ValueError(message)
    warnings.warn(message + "; torch is used until then", stacklevel=4)


def _grey(image):
    image = np.asarray(image)
    if image.dtype != np.uint8 or not (image.ndim == 2 or image.ndim == 3 and image.shape[2] == 3) or not image.size:
        raise ValueError(f"a picture is uint8 (h, w) or (h, w, 3); found {image.dtype} {image.shape}")
    return np.ascontiguousarray(image) if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)


def _checked(boxes):
    boxes = np.asarray(boxes, np.float64)
    if boxes.size == 0:
        return boxes.reshape(0, 4)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes are (n, 4): left, top, right, bottom; found shape {boxes.shape}")
    bad = ~usable(boxes)
    if bad.any():
        i = int(np.argmax(bad))
        raise ValueError(f"box {i}, {boxes[i].tolist()}, has no area, or lies a million pixels away; the order is "
                         "left, top, right, bottom")
    return boxes
