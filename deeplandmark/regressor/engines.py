"""A regressor's network run by torch, from its model folder, or as one graph by ONNX Runtime."""
import cv2
import numpy as np

from deeplandmark.faces.box import reproject
from deeplandmark.networks.device import torch_device
from deeplandmark.networks.windows import frames_of, see, windows_of
from deeplandmark.regressor.settings import RegressorSettings
from deeplandmark.work.in_order import in_order
from deeplandmark.work.onnx_session import open_session

FORMAT = "2"            # of the exported models this version reads
OUTPUTS = ("points", "confidence")
FINE = 8                # pixels of a picture for one of the network's: of more, means go into the graph, as floats
UNKNOWN = 0.5           # the confidence of a point of which nothing is known


class TorchEngine:
    """Runs the network of a model folder, its window cut by NumPy (needs the extra [train]).

    Raises
    ------
    ValueError
        If the folder holds no regressor, naming the file that is missing or wrong (a CaffeError where it is a net's).
    """

    def __init__(self, folder, device="cpu"):
        from deeplandmark.networks.running import run_network  # only this engine needs torch
        from deeplandmark.regressor.network import load_network
        self.settings = RegressorSettings.load(folder)
        self._run_network = run_network
        self._module = load_network(self.settings, folder).to(torch_device(device))

    def run(self, image, boxes):
        """Points (n, k, 2), pixels, and confidence (n, k), in a picture uint8 (h, w) or (h, w, 3) with boxes (n, 4)
        float64."""
        points, hidden = self.run_faces([image] * len(boxes), boxes)
        if self.settings.confidence is None:
            return points, np.full(points.shape[:2], UNKNOWN)
        return points, self.settings.confidence.of(hidden)

    def run_faces(self, images, boxes):
        """Points (n, k, 2), pixels, and hidden layers (n, D) of n faces, each in its own picture."""
        network, settings = self.settings.network, self.settings
        windows = windows_of(network, boxes, None)
        seen = [see(network, image, window, settings) for image, window in zip(images, windows)]
        seen = np.array(seen, np.float32).reshape(-1, network.channels, *network.size)
        answers, hidden = self._run_network(self._module, seen)
        answers = answers.astype(np.float64).reshape(len(boxes), len(settings.points), 2)
        return reproject(frames_of(network, boxes, windows), settings.encoding.decode(answers)), hidden


class OnnxEngine:
    """Runs an exported regressor (see export.py); may be used by several threads at once.

    Attributes
    ----------
    settings : RegressorSettings
    fingerprint : str
        Of the model folder it was made of (see networks/model_folder.py).

    Raises
    ------
    ValueError
        If the file cannot be read, is damaged, or is no exported regressor.
    """

    def __init__(self, path, threads=1, device="cpu"):
        self._threads = threads
        self._session = open_session(path, device=device)
        metadata = self._session.get_modelmeta().custom_metadata_map
        if metadata.get("system") != RegressorSettings.SYSTEM or metadata.get("format") != FORMAT:
            raise ValueError(f"{path}: not a regressor exported by this version; make it anew with `deeplandmark "
                             "export`")
        self.fingerprint = metadata.get("fingerprint", "")
        self.settings = RegressorSettings.from_json(metadata.get("settings", "{}"), path)

    def run(self, image, boxes):
        """As TorchEngine.run. Each face is run with what is around it alone: the graph weighs every pixel it gets."""
        def found_in(box):
            window = windows_of(self.settings.network, box[None], None)[0]
            part, corner = _around(image, window)
            part, step = _shrunk(part, (window[2:] - window[:2]) / self.settings.network.size[::-1])
            at = (box - np.tile(corner, 2) + 0.5) / step - 0.5
            points, confidence = self._session.run(OUTPUTS, {"image": part, "boxes": at[None].astype(np.float32)})
            return (points[0] + 0.5) * step - 0.5 + corner, confidence[0]
        found = list(map(found_in, boxes) if self._threads == 1 else in_order(found_in, boxes, self._threads))
        points, confidence = zip(*found) if found else ((), ())
        shape = len(boxes), len(self.settings.points)
        return np.array(points).reshape(*shape, 2), np.array(confidence).reshape(shape)


def _shrunk(part, pixels):
    """A picture in which a pixel is the mean of step x step, and step: so many that FINE are left of the `pixels` (2,)
    that become one of the network's."""
    step = max(1, int(pixels.min() / FINE))
    rows, columns = (max(1, side // step) for side in part.shape[:2])
    if step == 1 or min(part.shape[:2]) < step:
        return part, 1
    return cv2.resize(part[:rows * step, :columns * step], (columns, rows), interpolation=cv2.INTER_AREA), step


def _around(image, window):
    """The part of a picture that a window (4,) sees, with a pixel to spare, and its left and top (2,)."""
    size = np.array(image.shape[1::-1])
    first = np.clip(np.floor(window[:2]) - 2, 0, size - 1).astype(int)
    last = np.clip(np.ceil(window[2:]) + 2, first, size - 1).astype(int)
    return np.ascontiguousarray(image[first[1]:last[1] + 1, first[0]:last[0] + 1]), first.astype(np.float64)
