"""Prediction speed: one face and many, the same by OpenCV's importer and network by network; pictures from disk."""
import math
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from deeplandmark.cascade.cascade import Cascade
from deeplandmark.cascade.networks import networks
from deeplandmark.faces.head_pose import HeadPose
from deeplandmark.measuring.speed.measuring import in_turn
from deeplandmark.models import load
from deeplandmark.networks.network import PREDICTION
from deeplandmark.networks.published import model_at
from deeplandmark.training.templates import render, template_folder
from deeplandmark.work.opencv import set_up_opencv

BATCHES = (1, 4, 16, 64, 256)
MANY = 4096             # faces of a call, to see that the cost of a face stays the same
PEAK = 512              # size of the square matrices whose product shows the machine's peak
OPENCV, GRAPH, TORCH, SESSIONS = ("OpenCV importer, the original's 21 networks", "one graph",
                                  "torch, network by network", "ONNX Runtime, network by network")
OTHERS = {"light": "light, one graph", "68": "68 points, one graph"}
POSE = "head pose"    # of the package, beside its usual weights


def one_face(rounds, model=None):
    """Times one face, picture in memory to points, one thread each: dict of name -> Timing; without OPENCV where that
    has no importer of Caffe's files, as OpenCV 5 has none."""
    set_up_opencv()
    image, box = _picture(), np.array([[75, 75, 175, 175.0]])
    torch_cascade, graph = Cascade.load(model_at(model), backend="torch"), graph_of(model)
    with tempfile.TemporaryDirectory() as folder:
        steps = {GRAPH: lambda: graph.locate(image, box, looks=1),
                 TORCH: lambda: torch_cascade.locate(image, box, looks=1),
                 **_sessions(Path(folder), model, image, box), **({} if model else _others(image, box))}
        if hasattr(cv2.dnn, "readNetFromCaffe"):
            steps = {OPENCV: _opencv(Path(folder), image, box[0]), **steps}
        return in_turn(steps, rounds, warm=True)


def _others(image, box):
    heads = load("pose")
    return {**{text: partial(load(name).locate, image, box, looks=1) for name, text in OTHERS.items()},
            POSE: lambda: HeadPose.of_axes(heads.predict(image, box))}


def faces(rounds, threads=1, model=None):
    """Times calls with many faces of one picture: dict of name -> Timing, of the whole call, and of one product of
    matrices at the machine's peak."""
    graph, image = graph_of(model, threads), _picture()
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 130, (MANY, 2))
    boxes = np.hstack([corner, corner + rng.uniform(80, 120, (MANY, 1))])
    matrix = rng.normal(size=(PEAK, PEAK)).astype(np.float32)
    steps = {f"{n} faces, {threads} thread(s)": lambda n=n: graph.locate(image, boxes[:n], looks=1)
             for n in (*BATCHES, MANY)}
    return in_turn({**steps, "product of matrices": lambda: matrix @ matrix}, rounds, threads)


def graph_of(model=None, threads=1):
    """The Cascade of an .onnx or of a model folder's cascade.onnx."""
    backend = None if str(model).endswith(".onnx") else "onnx"
    return Cascade.load(model or None, backend, threads)


def multiply_adds(model=None):
    """Of all networks for one face."""
    from deeplandmark.cascade.torch_engine import load_modules
    _, modules = load_modules(model_at(model))
    return sum(_of_layer(node.layer, module.graph.blob_shapes[node.tops[0]])
               for module in modules.values() for node in module.graph.nodes if node.layer.blobs)


def pictures(count, jobs, model=None, size=250):
    """Pictures a second from disk, size x size JPEGs with a face each, on `jobs` threads; and milliseconds of all
    processors together a picture."""
    graph = graph_of(model)
    with tempfile.TemporaryDirectory() as folder:
        listed = _write_pictures(Path(folder), min(count, 200), size)
        start, work = time.perf_counter(), time.process_time()
        for _ in graph.predict_many((listed[i % len(listed)] for i in range(count)), jobs=jobs):
            pass
        return count / (time.perf_counter() - start), 1e3 * (time.process_time() - work) / count


def _picture(size=250):
    noise = np.random.default_rng(0).integers(0, 256, (size, size), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 3)


def _write_pictures(folder, count, size):
    from deeplandmark.faces.synthetic import draw_face
    listed = []
    for i in range(count):
        image, _, box = draw_face(np.random.default_rng(i))
        scale = np.array([size / image.shape[1], size / image.shape[0]] * 2)
        cv2.imwrite(str(folder / f"{i}.jpg"), cv2.resize(image, (size, size)))
        listed.append((folder / f"{i}.jpg", [box.as_array() * scale]))
    return listed


def _opencv(folder, image, box):
    """The original's family, untrained: F at level 1, ten networks at levels 2 and 3, its way of cutting windows."""
    from deeplandmark.caffe import TEST
    from deeplandmark.caffe.net import Net
    nets = []
    for seed, network in enumerate(n for n in networks() if n.name not in ("EN", "NM")):
        file, weights = folder / f"{network.full_name}.prototxt", folder / f"{network.full_name}.caffemodel"
        file.write_text(render(network, "deploy", folder=template_folder(), variant="original"),
                        encoding="utf-8")
        Net(str(file), TEST, seed=seed).save(str(weights))
        nets.append((network, cv2.dnn.readNetFromCaffe(str(file), str(weights))))

    def run():
        left, top, right, bottom = box
        points = np.zeros((5, 2))
        for level in (1, 2, 3):
            found = np.zeros((5, 2))
            for network, net in (pair for pair in nets if pair[0].level == level):
                window, place = _original_window(network, box, points)
                net.setInput(_cut(image, window, network.size)[None, None])
                answer = net.forward(PREDICTION).reshape(-1, 2)
                corner, size = np.array(place[:2]), np.subtract(place[2:], place[:2])
                found[list(network.points)] += (corner + answer * size) / (1 if level == 1 else 2)
            points = np.clip(found, (left, top), (right, bottom))    # untrained ones would wander off
        return points
    return run


def _original_window(network, box, points):
    """What a network sees, and the frame of its answer."""
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    if network.level == 1:
        return (left - 0.05 * width, top - 0.05 * height, right + 0.05 * width, bottom + 0.05 * height), box
    (x, y), half = points[network.points[0]], network.half_side
    window = x - half * width, y - half * height, x + half * width, y + half * height
    return window, window


def _cut(image, window, size):
    left, top, right, bottom = (max(int(edge), 0) for edge in window)
    patch = cv2.resize(image[top:bottom + 1, left:right + 1], size[::-1]).astype(np.float32)
    return (patch - patch.mean()) / (patch.std() or 1)


def _sessions(folder, model, image, box):
    """{SESSIONS: the same networks as 23 ONNX models, windows cut by NumPy}."""
    import onnxruntime

    from deeplandmark.caffe import to_onnx
    from deeplandmark.cascade.torch_engine import TorchEngine, load_modules
    source = model_at(model)
    settings, modules = load_modules(source)
    if any(network.earlier for network in modules):              # a network that is a whole cascade: the graph is it
        return {}
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1

    def module(network):
        file = folder / f"{network.full_name}.onnx"
        stem = source / network.full_name
        to_onnx(f"{stem}.prototxt", f"{stem}.caffemodel", str(file))
        return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    engine = TorchEngine(replace(settings, confidence=None), {network: module(network) for network in modules},
                         lambda session, data: (session.run(None, {"data": data})[0], None))
    return {SESSIONS: lambda: engine.run(image, box, 3)}


def _of_layer(layer, shape):
    """Multiply-adds of a layer for one face: its weights, each as often as it is used."""
    weights = layer.blobs[0]
    if weights.dim() == 2:
        return weights.numel() * math.prod(shape) // len(weights)
    if weights.dim() == 4:
        return weights.numel() * shape[0] * shape[2] * shape[3] // (getattr(layer, "p", 1) * getattr(layer, "q", 1))
    return 0
