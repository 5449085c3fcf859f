"""An SSD learns to find coloured shapes: from pictures and XML files by the tools, the solver and `caffe test`."""
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

import deeplandmark.caffe as caffe
from deeplandmark.caffe.tools.command_line import main

SIDE = 48
CLASSES = {"red": (0, 0, 255), "green": (0, 255, 0)}
TRANSFORM = f"mean_value: 50 scale: 0.01 resize_param {{ height: {SIDE} width: {SIDE} }}"
DATA = f"""layer {{ name: "data" type: "AnnotatedData" top: "data" top: "label" include {{ phase: TRAIN }}
  transform_param {{ {TRANSFORM} mirror: true emit_constraint {{ emit_type: CENTER }}
    expand_param {{ prob: 0.3 max_expand_ratio: 1.3 }}
    distort_param {{ brightness_prob: 0.5 brightness_delta: 20 contrast_prob: 0.5 contrast_lower: 0.8
      contrast_upper: 1.2 }} }}
  annotated_data_param {{ batch_sampler {{ max_sample: 1 max_trials: 1 }}
    batch_sampler {{ sampler {{ min_scale: 0.7 }} sample_constraint {{ min_object_coverage: 0.9 }} max_sample: 1
      max_trials: 20 }} }}
  data_param {{ source: "train_lmdb" batch_size: 16 backend: LMDB }} }}
layer {{ name: "data" type: "AnnotatedData" top: "data" top: "label" include {{ phase: TEST }}
  transform_param {{ {TRANSFORM} }} data_param {{ source: "test_lmdb" batch_size: 8 backend: LMDB }} }}
"""


def conv(name, bottom, outputs, more="pad: 1 kernel_size: 3", activated=True):
    text = f"""layer {{ name: "{name}" type: "Convolution" bottom: "{bottom}" top: "{name}" convolution_param {{
        num_output: {outputs} {more} weight_filler {{ type: "xavier" }} }} }}\n"""
    relu = f'layer {{ name: "{name}_relu" type: "ReLU" bottom: "{name}" top: "{name}" }}\n'
    return text + (relu if activated else "")


def head(bottom, size, step):
    """Places and classes of one box of each of two sizes and two aspect ratios more in every cell of a map."""
    def flat(kind, outputs):
        return conv(f"{bottom}_{kind}", bottom, outputs, activated=False) + f"""
layer {{ name: "{bottom}_{kind}_perm" type: "Permute" bottom: "{bottom}_{kind}" top: "{bottom}_{kind}_perm"
  permute_param {{ order: 0 order: 2 order: 3 order: 1 }} }}
layer {{ name: "{bottom}_{kind}_flat" type: "Flatten" bottom: "{bottom}_{kind}_perm" top: "{bottom}_{kind}_flat"
  flatten_param {{ axis: 1 }} }}\n"""
    return flat("loc", 16) + flat("conf", 12) + f"""
layer {{ name: "{bottom}_prior" type: "PriorBox" bottom: "{bottom}" bottom: "data" top: "{bottom}_prior"
  prior_box_param {{ min_size: {size} max_size: {1.6 * size} aspect_ratio: 2 flip: true clip: false variance: 0.1
    variance: 0.1 variance: 0.2 variance: 0.2 step: {step} }} }}\n"""


def concat(kind, axis):
    suffix = kind if kind == "prior" else f"{kind}_flat"
    return f"""layer {{ name: "mbox_{kind}" type: "Concat" bottom: "conv3_{suffix}" bottom: "conv4_{suffix}"
  top: "mbox_{kind}" concat_param {{ axis: {axis} }} }}\n"""


NET = DATA + conv("conv1", "data", 12, "pad: 1 kernel_size: 3 stride: 2") + conv(
    "conv2", "conv1", 16, "pad: 1 kernel_size: 3 stride: 2") + conv("conv3", "conv2", 24) + conv(
    "conv4", "conv3", 24, "pad: 1 kernel_size: 3 stride: 2") + head("conv3", 10, 4) + head("conv4", 18, 8) + concat(
    "loc", 1) + concat("conf", 1) + concat("prior", 2) + """
layer { name: "mbox_loss" type: "MultiBoxLoss" bottom: "mbox_loc" bottom: "mbox_conf" bottom: "mbox_prior"
  bottom: "label" top: "mbox_loss" include { phase: TRAIN } propagate_down: true propagate_down: true
  propagate_down: false propagate_down: false loss_param { normalization: VALID }
  multibox_loss_param { num_classes: 3 code_type: CENTER_SIZE neg_overlap: 0.5 } }
layer { name: "conf_reshape" type: "Reshape" bottom: "mbox_conf" top: "conf_reshape" include { phase: TEST }
  reshape_param { shape { dim: 0 dim: -1 dim: 3 } } }
layer { name: "conf_softmax" type: "Softmax" bottom: "conf_reshape" top: "conf_softmax" include { phase: TEST }
  softmax_param { axis: 2 } }
layer { name: "conf_flatten" type: "Flatten" bottom: "conf_softmax" top: "conf_flatten" include { phase: TEST } }
layer { name: "detection_out" type: "DetectionOutput" bottom: "mbox_loc" bottom: "conf_flatten" bottom: "mbox_prior"
  top: "detection_out" include { phase: TEST } detection_output_param { num_classes: 3 code_type: CENTER_SIZE
    nms_param { nms_threshold: 0.45 top_k: 100 } keep_top_k: 50 confidence_threshold: 0.01 } }
layer { name: "detection_eval" type: "DetectionEvaluate" bottom: "detection_out" bottom: "label" top: "detection_eval"
  include { phase: TEST } detection_evaluate_param { num_classes: 3 overlap_threshold: 0.5 } }
"""
SOLVER = """net: "net.prototxt" base_lr: 0.004 type: "Adam" momentum: 0.9 lr_policy: "multistep" stepvalue: 120
gamma: 0.2 max_iter: 160 display: 60 test_iter: 5 test_interval: 160 test_initialization: false eval_type: "detection"
ap_version: "11point" show_per_class_result: true snapshot_prefix: "ssd" random_seed: 3"""
BOX = "<object><name>%s</name><bndbox><xmin>%d</xmin><ymin>%d</ymin><xmax>%d</xmax><ymax>%d</ymax></bndbox></object>"


def write_pictures(name, count, rng):
    """Pictures of one or two shapes on noise, with VOC's XML, as a database by the tool."""
    lines = []
    for number in range(count):
        picture, objects = rng.integers(0, 110, (60, 60, 3)).astype(np.uint8), ""
        for left in rng.permutation([2, 31])[:rng.integers(1, 3)]:
            kind = rng.choice(list(CLASSES))
            width, height = rng.integers(11, 25, 2)
            x, y = left + rng.integers(0, 27 - width + 1), rng.integers(2, 58 - height)
            picture[y:y + height, x:x + width] = CLASSES[kind]
            objects += BOX % (kind, x, y, x + width, y + height)
        cv2.imwrite(f"{name}{number}.png", picture)
        Path(f"{name}{number}.xml").write_text(f"<annotation>{objects}</annotation>")
        lines.append(f"{name}{number}.png {name}{number}.xml\n")
    Path(f"{name}.txt").write_text("".join(lines))
    assert main(["convert_annoset", "--anno_type", "detection", "--label_map_file", "labelmap.prototxt", "--encoded",
                 "--check_label", "./", f"{name}.txt", f"{name}_lmdb"]) == 0


@pytest.mark.slow
def test_it_finds_most_shapes(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    Path("labelmap.prototxt").write_text("".join(
        f'item {{ name: "{name}" label: {i} display_name: "{name}" }}\n'
        for i, name in enumerate(["none_of_the_above", *CLASSES])))
    write_pictures("train", 64, rng)
    write_pictures("test", 40, rng)
    Path("net.prototxt").write_text(NET)
    Path("solver.prototxt").write_text(SOLVER)
    assert main(["train", "--solver", "solver.prototxt"]) == 0
    printed = capfd.readouterr().err
    mean = float(re.search(r"Test net output #0: detection_eval = (\S+)", printed)[1])
    classes = [float(value) for value in re.findall(r"class[12]: (\S+)", printed)]
    print(mean, classes)
    assert mean > 0.8 and len(classes) == 2 and np.mean(classes) == pytest.approx(mean, abs=1e-4)
    assert main(["test", "--model", "net.prototxt", "--weights", "ssd_iter_160.caffemodel", "--iterations", "5",
                 "--ap_version", "11point"]) == 0
    again = float(re.search(r"\] detection_eval = (\S+)", capfd.readouterr().err)[1])
    assert again == pytest.approx(mean, abs=1e-4)
    net = caffe.Net("net.prototxt", "ssd_iter_160.caffemodel", caffe.TEST)
    assert net.forward()["detection_eval"].shape[3] == 5
