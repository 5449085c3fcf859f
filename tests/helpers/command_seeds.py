"""Small files of every kind that commands read, and the commands that read them; made in the working directory."""
import importlib
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import h5py
import lmdb
import numpy as np
import onnxruntime  # noqa: F401 - once, not in every child

from deeplandmark.caffe.net import Net
from deeplandmark.caffe.proto import caffe_pb2
from deeplandmark.caffe.tools.command_line import main as caffe_main
from deeplandmark.cascade.onnx.export import export_cascade
from deeplandmark.faces.synthetic import draw_face
from deeplandmark.networks.published import model_at
from deeplandmark.work.opencv import set_up_opencv
from tests.helpers.onnx_cascades import random_model

ROOT = Path(__file__).parents[2]


class Seed(NamedTuple):
    """A command, its arguments, the files it needs, and those of them that are damaged."""
    main: Callable
    arguments: tuple
    needs: list
    files: list


def make():
    """All Seeds, their files written. From here on OpenCV has one thread: a forked child would wait for others."""
    set_up_opencv()
    _small_model()
    return [*_pictures(), *_boxes_and_rows(), *_models(), *_texts(), *_caffe()]


def command(line, files, needs=(), main=None):
    name, *arguments = line.split()
    main = main or importlib.import_module(f"deeplandmark.{name}").main
    return Seed(main, tuple(arguments), sorted({*files, *needs}), list(files))


def caffe(line, files, needs=()):
    return Seed(caffe_main, tuple(line.split()), sorted({*files, *needs}), list(files))


def _small_model():
    """A cascade of one level, quickly loaded, as small.onnx."""
    random_model(Path("small"), levels=(1,))
    export_cascade(Path("small"), Path("small.onnx"))


def looking(line, files, needs=()):
    """A command with a given box and the small model."""
    return command(f"{line} --model small.onnx", files, ["small.onnx", *needs])


def _pictures():
    face, _, _ = draw_face(np.random.default_rng(4))
    face = cv2.resize(face, (120, 110))
    images = {"a.jpg": face, "a.png": face, "b.png": np.dstack([face, face[..., :1]]).astype(np.uint16) * 257,
              "a.webp": face, "a.bmp": face, "a.tif": face, "a.gif": face, "a.ppm": face, "a.sr": face}
    for name, image in images.items():
        cv2.imwrite(name, image)
    cv2.imwrite("p.jpg", face, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])
    writer = cv2.VideoWriter("film.mp4", cv2.VideoWriter_fourcc(*"mp4v"), 25, (120, 110))
    for _ in range(3):
        writer.write(face)
    writer.release()
    seeds = [looking(f"detect {name} --boxes 20,20,90,90", [name]) for name in (*images, "p.jpg")]
    return [*seeds, looking("detect a.png --detector haar", ["a.png"]),
            looking("detect film.mp4 --every 2", ["film.mp4"]),
            looking("align a.png --boxes 20,20,90,90 --out crops --template template.json", ["template.json"],
                    ["a.png"])]


def _boxes_and_rows():
    row = {"picture": "a.png", "box": [20, 20, 90, 90], "points": [[30, 30]] * 5, "confidence": [0.5] * 5,
           "score": None}
    Path("rows.jsonl").write_text(3 * (json.dumps(row) + "\n"))
    points = ",".join(f"{axis}{i}" for i in range(1, 6) for axis in "xy")
    confidences = ",".join(f"confidence{i}" for i in range(1, 6))
    head = f"picture,frame,left,top,right,bottom,{points},{confidences},score,time,track\n"
    Path("rows.csv").write_text(head + 3 * f"a.png,,20,20,90,90,{','.join(['30'] * 10)},{','.join(['0.5'] * 5)},,,\n")
    for name in ("rows.jsonl", "rows.csv"):
        text = Path(name).read_text()
        Path(f"part.{name[5:]}.part").write_text(text)
        Path(f"part.{name[5:]}.part.done").write_text(f'[{len(text)}, "a.png"]\n')
    Path("template.json").write_text('{"size": [40, 50], "points": [[1, 2], [30, 4], [5, 40], [7, 8], [9, 1]]}')
    return [looking("detect a.png --boxes-file rows.jsonl", ["rows.jsonl"], ["a.png"]),
            looking("detect a.png --boxes-file rows.csv", ["rows.csv"], ["a.png"]),
            looking("detect a.png --boxes 20,20,90,90 --json rows.jsonl --resume", ["rows.jsonl"], ["a.png"]),
            looking("detect a.png --boxes 20,20,90,90 --csv rows.csv --resume", ["rows.csv"], ["a.png"]),
            *(looking(f"detect a.png --boxes 20,20,90,90 --{flag} part.{kind} --resume",
                      [f"part.{kind}.part", f"part.{kind}.part.done"], ["a.png"])
              for flag, kind in (("json", "jsonl"), ("csv", "csv")))]


def _models():
    shutil.copytree(model_at("wide"), "model", ignore=shutil.ignore_patterns("*.onnx", "losses*", "*.md"))
    parts = sorted(str(file) for file in Path("model").iterdir() if file.is_file())   # not those of other models
    small = ["model/cascade.json", "model/1_F.prototxt", "model/1_F.caffemodel", "model/2_LE1.prototxt",
             "model/3_N1.caffemodel"]
    return [command("detect a.png --boxes 20,20,90,90 --model model", small, ["a.png", *parts]),
            looking("detect a.png --boxes 20,20,90,90", ["small.onnx"], ["a.png"]),
            looking("detect a.png --detector small.onnx", ["small.onnx"], ["a.png"]),
            command("export out.onnx --model small",
                    ["small/cascade.json", "small/1_F.prototxt", "small/1_F.caffemodel"],
                    sorted(map(str, Path("small").iterdir())))]


def _texts():
    numbers = "20 90 20 90 30.5 30 70 31 50 50 35 70 65 70"
    for name in ("trainImageList.txt", "testImageList.txt"):
        Path(name).write_text("".join(f"a.{kind} {numbers}\n" for kind in ("jpg", "png", "bmp") * 7))
    parts = "".join(f"<part name='{i:02}' x='{20 + i}' y='{30 + i % 9}'/>" for i in range(68))
    Path("faces.xml").write_text("<?xml version='1.0' encoding='UTF-8'?><dataset><images>" + 4 * (
        f"<image file='a.png'><box top='20' left='20' width='70' height='70'>{parts}</box></image>")
        + "</images></dataset>")
    with zipfile.ZipFile("data.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("trainImageList.txt", "testImageList.txt", "a.jpg", "a.png", "a.bmp"):
            archive.write(name)
    Path("points.json").write_text('{"names": ["left", "right", "chin"], "mirror": [["left", "right"]]}')
    Path("log").mkdir()
    shutil.copy(sorted((ROOT / "tests/data/caffe/logs").glob("*"))[0], "log/1_F.log")
    pictures = ["a.jpg", "a.png", "a.bmp", "testImageList.txt", "trainImageList.txt"]
    return [looking("evaluate --list testImageList.txt --json out.json", ["testImageList.txt"], pictures),
            command("find_data --data data.zip --dataset set", ["data.zip"]),
            command("generate --points points.json --out made", ["points.json"]),
            command("prepare 1 --data . --out train --jobs 1", ["trainImageList.txt"], pictures),
            caffe("parse_log log/1_F.log out", ["log/1_F.log"])]


def _caffe():
    with lmdb.open("db", map_size=1 << 20) as environment, environment.begin(write=True) as transaction:
        for i in range(40):
            datum = caffe_pb2.Datum(channels=1, height=6, width=6, label=i % 2, data=bytes(range(36)))
            transaction.put(b"%08d" % i, datum.SerializeToString())
    with h5py.File("rows.h5", "w") as file:
        file["data"], file["label"] = np.random.default_rng(0).random((8, 1, 6, 6), np.float32), np.zeros(8, np.float32)
    Path("rows.txt").write_text("rows.h5\n")
    Path("images.txt").write_text("a.png 0\na.jpg 1\n")
    rest = ('layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 2 } }\n'
            'layer { name: "l" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "l" }\n')
    sources = {"db": 'type: "Data" data_param { source: "db" batch_size: 4 backend: LMDB }',
               "h5": 'type: "HDF5Data" hdf5_data_param { source: "rows.txt" batch_size: 4 }',
               "im": 'type: "ImageData" image_data_param { source: "images.txt" batch_size: 2 '
                     'new_height: 6 new_width: 6 }'}
    for name, source in sources.items():
        Path(f"{name}.prototxt").write_text(f'layer {{ name: "d" top: "data" top: "label" {source} }}\n{rest}')
    for name in sources:
        Path(f"{name}.solver").write_text(f'net: "{name}.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 2 '
                                          'display: 1 snapshot_prefix: "s" random_seed: 1\n')
    return [caffe("train -solver db.solver", ["db/data.mdb", "db.prototxt"], ["db.solver"]),
            caffe("train -solver h5.solver", ["rows.h5", "rows.txt", "h5.prototxt", "h5.solver"]),
            caffe("train -solver im.solver", ["images.txt", "a.png", "im.prototxt"], ["a.jpg", "im.solver"]),
            caffe("compute_image_mean db", ["db/data.mdb"]), caffe("draw_net im.prototxt out.png", ["im.prototxt"]),
            caffe("upgrade_net_proto_text im.prototxt out.prototxt", ["im.prototxt"]), *_nets_on_pictures()]


def _nets_on_pictures():
    Path("deploy.prototxt").write_text(
        'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 6 dim: 6 } } }\n'
        'layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 2 } }\n')
    Net("deploy.prototxt", caffe_pb2.TEST).save("deploy.caffemodel")
    np.save("mean.npy", np.zeros((3, 4, 5)))
    np.save("pictures.npy", np.zeros((2, 9, 8, 3), np.float32))
    Path("windows.csv").write_text("filename,ymin,xmin,ymax,xmax\na.png,1,2,9,9\na.jpg,0,0,8,12\n")
    Path("names.txt").write_text("n1 cat, house cat\nn2 dog\n")
    net = "--model_def deploy.prototxt --pretrained_model deploy.caffemodel"
    files = ["deploy.prototxt", "deploy.caffemodel"]
    return [caffe(f"classify a.png out.npy {net} --mean_file mean.npy --print_results --labels_file names.txt",
                  ["a.png", "mean.npy", "names.txt", *files]),
            caffe(f"classify pictures.npy out.npy {net}", ["pictures.npy"], files),
            caffe(f"detect windows.csv out.h5 {net} --context_pad 1", ["windows.csv"], ["a.png", "a.jpg", *files]),
            caffe(f"detect windows.csv out.csv {net} --context_pad 0", ["windows.csv", "a.jpg"], ["a.png", *files])]
