"""Readers of every kind of file, what they promise to raise, and a small whole file of each."""
import io
import json
import shutil
import zipfile
from functools import partial
from pathlib import Path

import cv2
import h5py
import lmdb
import numpy as np

from deeplandmark.caffe.errors import CaffeError
from deeplandmark.caffe.files import hdf5
from deeplandmark.caffe.files.lmdb_file import LmdbFile
from deeplandmark.caffe.files.model_file import read_binaryproto, read_caffemodel
from deeplandmark.caffe.files.prototxt import read_net
from deeplandmark.caffe.files.window_file import WindowFileError, read_window_file
from deeplandmark.caffe.logs.parse_log import parse_log
from deeplandmark.caffe.proto import caffe_pb2
from deeplandmark.cascade.settings import CascadeSettings
from deeplandmark.detectors.given import read_boxes
from deeplandmark.faces import FIVE_POINTS, IBUG_68, Annotation, BBox, FacesError, read_faces
from deeplandmark.faces.alignment import read_template
from deeplandmark.faces.datasets.archive import open_archive
from deeplandmark.faces.datasets.formats import FORMATS
from deeplandmark.faces.picture import read_grey, read_upright
from deeplandmark.faces.points import WFLW_98
from deeplandmark.faces.points_file import read_points
from deeplandmark.faces.synthetic import draw_face
from deeplandmark.models.onnx_metadata import metadata_of
from deeplandmark.networks.published import model_at
from deeplandmark.running.resume import pictures_of_rows, read_journal
from deeplandmark.running.rows import CSV, JSON_LINES, csv_header
from deeplandmark.work.opencv import set_up_opencv

ROOT = Path(__file__).parents[2]
LISTS = {"list": "a.txt", "csv": "a.csv", "coco": "a.json", "imglab": "a.xml", "pts": "pts/0.pts", "wflw": "w.txt",
         "celeba": "list_landmarks_celeba.txt"}
POINTS = {"wflw": WFLW_98, "pts": IBUG_68, "imglab": IBUG_68}


def make():
    """[(function of a path, errors that it may raise, name of a file, its bytes)]. Some write beside the file: to be
    read in a folder of their own."""
    set_up_opencv()                                              # one thread: readers run in forked children
    return [*_pictures(), *_lists(), *_rows(), *_models(), *_caffe()]


def _pictures():
    face = cv2.resize(draw_face(np.random.default_rng(4))[0], (60, 56))
    deep = np.dstack([face, face[..., :1]]).astype(np.uint16) * 257
    kinds = [("a.jpg", face, ()), ("p.jpg", face, (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)),
             ("r.jpg", face, (cv2.IMWRITE_JPEG_RST_INTERVAL, 2)), ("a.png", face, ()), ("b.png", deep, ()),
             ("a.webp", face, ()), ("a.bmp", face, ()), ("a.tif", face, ()), ("b.tif", deep, ()), ("a.gif", face, ()),
             ("a.ppm", face, ()), ("a.pam", face, ()), ("a.sr", face, ()), ("a.jp2", face, ()), ("a.avif", face, ()),
             ("a.hdr", face.astype(np.float32) / 255, ())]
    for name, image, parameters in kinds:
        try:
            data = cv2.imencode(Path(name).suffix, image, parameters)[1].tobytes()
        except cv2.error:                                        # this OpenCV writes none
            continue
        yield read_upright if name != "r.jpg" else read_grey, (FacesError,), name, data


def _lists():
    rng = np.random.default_rng(5)
    for row in FORMATS:
        points = POINTS.get(row.name, FIVE_POINTS)
        faces = [Annotation(Path.cwd() / f"{i}.jpg", BBox(10.5, 20, 110, 120),
                            rng.uniform(0, 120, (len(points), 2)), "", 1) for i in range(4)]
        name = LISTS[row.name]
        row.write(Path(name).parent if row.name == "pts" else Path(name), faces, points)
        read = partial(_read_list, points, folder=row.name == "pts")
        yield read, (FacesError,), name, Path(name).read_bytes()
        if row.name == "celeba":
            yield partial(_read_list, points, list_path=name), (FacesError,), "list_bbox_celeba.txt", \
                Path("list_bbox_celeba.txt").read_bytes()


def _read_list(points, path, folder=False, list_path=None):
    """All of a list, in each of the ways that boxes are taken."""
    for boxes in ("", "file", "points"):
        read_faces(list_path or (Path(path).parent if folder else path), points, boxes=boxes)


def _rows():
    row = json.dumps({"picture": "a.png", "box": [20, 20, 90, 90], "points": [[30, 30]] * 5, "confidence": [0.5] * 5,
                      "score": None}) + "\n"
    table = csv_header(5) + 3 * f"a.png,,20,20,90,90,{','.join(['30'] * 10)},{','.join(['0.5'] * 5)},,,\n"
    Path("part").write_text(3 * row)
    journal = "".join(f'[{len(row) * i}, "{i}.png"]\n' for i in (1, 2, 3))
    yield read_boxes, (FacesError,), "rows.jsonl", (3 * row).encode()
    yield read_boxes, (FacesError,), "rows.csv", table.encode()
    yield lambda path: pictures_of_rows(Path(path), JSON_LINES, ""), (FacesError,), "r.jsonl", (3 * row).encode()
    yield lambda path: pictures_of_rows(Path(path), CSV, csv_header(5)), (FacesError,), "r.csv", table.encode()
    yield lambda path: read_journal(Path(path), Path("part")), (FacesError,), "journal", journal.encode()
    yield read_template, (FacesError,), "template.json", \
        b'{"size": [40, 50], "points": [[1, 2], [30, 4], [5, 40], [7, 8], [9, 1]]}'
    yield read_points, (FacesError, ValueError), "points.json", \
        b'{"names": ["left", "right", "chin"], "mirror": [["left", "right"]]}'


def _models():
    settings = (model_at("wide") / "cascade.json").read_bytes()
    yield lambda path: CascadeSettings.from_json(Path(path).read_bytes(), path), (ValueError,), "cascade.json", settings
    whole = (model_at("wide") / "cascade.onnx").read_bytes()
    yield metadata_of, (ValueError,), "a.onnx", whole[:2000] + whole[-40_000:]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("trainImageList.txt", "testImageList.txt", "a/0.jpg"):
            archive.writestr(name, b"a 0 1 0 1 1 1 1 1 1 1 1 1 1 1\n" * 9)
    yield _unpack, (FacesError,), "data.zip", packed.getvalue()


def _unpack(path):
    try:
        open_archive(path, "unpacked")
    finally:
        shutil.rmtree("unpacked", ignore_errors=True)
        for bad in Path().glob("data.*bad*"):
            bad.unlink()


def _caffe():
    net = (model_at("wide") / "1_F.prototxt").read_bytes()
    yield read_net, (CaffeError,), "net.prototxt", net
    blob = caffe_pb2.BlobProto(data=[0.5] * 12)
    blob.shape.dim.extend([1, 3, 4])
    layer = caffe_pb2.LayerParameter(name="ip", type="InnerProduct", blobs=[blob, blob])
    yield read_caffemodel, (CaffeError,), "net.caffemodel", \
        caffe_pb2.NetParameter(name="net", layer=[layer, layer]).SerializeToString()
    yield read_binaryproto, (CaffeError,), "mean.binaryproto", blob.SerializeToString()
    log = sorted((ROOT / "tests/data/caffe/logs").glob("*"))[0].read_bytes()[:20_000]
    yield parse_log, (CaffeError,), "a.log", log
    window = b"# 0\na.png\n3\n90\n80\n2\n1 0.9 1 2 30 40\n0 0.1 3 4 50 60\n" * 2
    yield lambda path: read_window_file(path, 0.5, 0.3), (WindowFileError,), "windows.txt", \
        window.replace(b"# 0", b"# 1").replace(b"# 1", b"# 0", 1)
    with h5py.File("rows.h5", "w") as file:
        file["data"], file["label"] = np.zeros((4, 2), np.float32), np.zeros(4)
    yield _read_hdf5, (CaffeError,), "rows.h5", Path("rows.h5").read_bytes()
    with lmdb.open("db", map_size=1 << 20) as environment, environment.begin(write=True) as transaction:
        for i in range(40):
            transaction.put(b"%08d" % i, bytes(range(100)))
    yield lambda path: sum(len(value) for _, value in LmdbFile(path)), (OSError,), "data.mdb", \
        Path("db/data.mdb").read_bytes()


def _read_hdf5(path):
    with hdf5.opened(path) as file:
        for name in ("data", "label"):
            hdf5.read_array(hdf5.member(file, name))
