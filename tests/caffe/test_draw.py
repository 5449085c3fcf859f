"""Drawings of nets: what is in them, every format with and without Graphviz's dot, nodes that do not overlap."""
import re
import xml.dom.minidom
from pathlib import Path

import cv2
import numpy as np
import pytest

import deeplandmark.caffe as caffe
from deeplandmark.caffe import draw
from deeplandmark.caffe.drawing.layout import Layout
from deeplandmark.caffe.files.prototxt import read_net

NET = read_net(Path(__file__).parents[1] / "data/caffe/solvers/nets/net.prototxt")
ODD = read_net('layer { name: "a \\"b\\" <c>" type: "Input" top: "x" top: "y" input_param { shape { dim: 1 } } }\n'
               'layer { name: "sum" type: "Eltwise" bottom: "x" bottom: "y" bottom: "x" top: "z" }\n'
               'layer { name: "z2" type: "Power" bottom: "z" top: "z" }')


def no_dot(monkeypatch):
    monkeypatch.setattr(draw.shutil, "which", lambda name: None)


def test_dot_text():
    text = draw.get_pydot_graph(NET, "TB", phase=caffe.TRAIN, display_lrm=True).to_string()
    assert text.startswith('digraph "plain" {\nrankdir=TB;') and text.endswith("}\n")
    assert text.count("HDF5Data") == 1                           # the TEST phase's data layer is left out
    assert r'label="conv1\n(Convolution)\nkernel size: 3\nstride: 1\npad: 0"' in text
    assert '[label="6"]' in text and '[label="16"]' in text      # num_output at the edges
    assert text.count("->") == sum(len(layer.bottom) + len(layer.top) for layer in NET.layer) - 2
    assert '"#90EE90"' in text and '"#FF5050"' in text
    assert draw.get_pydot_graph(NET).to_string().count("HDF5Data") == 2


def test_names_are_quoted(monkeypatch):
    no_dot(monkeypatch)
    assert r'a \"b\" <c>' in draw.get_pydot_graph(ODD).to_string()
    document = xml.dom.minidom.parseString(draw.draw_net(ODD, ext="svg"))
    assert 'a "b" <c>' in [t.firstChild.data for t in document.getElementsByTagName("text")]


@pytest.mark.parametrize("rankdir", draw.RANK_DIRECTIONS)
@pytest.mark.parametrize("net", [NET, ODD], ids=["net", "odd"])
def test_nodes_do_not_overlap(rankdir, net):
    drawing = draw.get_pydot_graph(net, rankdir)
    layout = Layout(drawing)
    boxes = list(layout.boxes.values())
    assert len(boxes) == len(drawing.nodes) and len(layout.paths) == len(drawing.edges)
    for i, (left, top, width, height) in enumerate(boxes):
        assert left >= 0 and top >= 0 and left + width <= layout.size[0] and top + height <= layout.size[1]
        for left2, top2, width2, height2 in boxes[i + 1:]:
            assert left + width <= left2 or left2 + width2 <= left or top + height <= top2 or top2 + height2 <= top


def test_direction():
    def places(rankdir):
        layout = Layout(draw.get_pydot_graph(NET, rankdir))
        return layout.boxes[("blob", "data")], layout.boxes[("blob", "loss")]
    for rankdir, axis, sign in (("LR", 0, 1), ("RL", 0, -1), ("TB", 1, 1), ("BT", 1, -1)):
        first, last = places(rankdir)
        assert (last[axis] - first[axis]) * sign > 0


def test_files_without_dot(tmp_path, monkeypatch):
    no_dot(monkeypatch)
    for name in ("a.svg", "a.png", "a.dot"):
        draw.draw_net_to_file(NET, tmp_path / name)
    assert "conv1" in (tmp_path / "a.svg").read_text()
    image = cv2.imread(str(tmp_path / "a.png"))
    assert image is not None and (image == np.array([80, 80, 255])).all(2).any()   # a convolution's red
    with pytest.raises(caffe.CaffeError, match="needs the program dot"):
        draw.draw_net_to_file(NET, tmp_path / "a.pdf")
    assert not (tmp_path / "a.pdf").exists()


@pytest.mark.process
def test_dot_is_used_where_it_is(tmp_path, monkeypatch):
    program = tmp_path / "dot"
    program.write_text("#!/bin/sh\necho $1\nhead -c 12\n")
    program.chmod(0o755)
    monkeypatch.setattr(draw.shutil, "which", lambda name: str(program))
    assert draw.draw_net(NET, ext="pdf").startswith(b"-Tpdf\ndigraph")
    program.write_text("#!/bin/sh\ncat > /dev/null\necho 'Format: bad' >&2\nexit 1\n")
    with pytest.raises(caffe.CaffeError, match="dot -Txyz: Format: bad"):
        draw.draw_net(NET, ext="xyz")


def test_labels():
    conv = next(layer for layer in NET.layer if layer.type == "Convolution")
    assert draw.get_layer_label(conv, "TB").startswith("conv1 (Convolution)")
    assert draw.get_layer_label(conv, "LR").count("\n") == 4
    assert draw.get_pooling_types_dict()[1] == "AVE" and draw.get_edge_label(conv) == "6"
    assert re.fullmatch("#[0-9A-F]{6}", draw.choose_color_by_layertype("ReLU"))
    with pytest.raises(caffe.CaffeError, match="rankdir"):
        draw.get_pydot_graph(NET, "up")
