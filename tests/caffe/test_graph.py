"""From definition to graph: rules, split layers, loss weights, who runs backward."""
import pytest

from deeplandmark.caffe.files.prototxt import read_source
from deeplandmark.caffe.graph.build import build_graph
from deeplandmark.caffe.graph.phase_rules import meets_rule
from deeplandmark.caffe.layers.base import Context
from deeplandmark.caffe.proto import caffe_pb2

DATA = 'layer { name: "data" type: "Input" top: "x" top: "y" input_param { shape { dim: 2 dim: 4 } } }\n'


def ip(name, bottom, top, extra=""):
    return f"""layer {{ name: "{name}" type: "InnerProduct" bottom: "{bottom}" top: "{top}" {extra}
        inner_product_param {{ num_output: 4 }} }}\n"""


def graph(text, phase=caffe_pb2.TRAIN, **context):
    return build_graph(read_source(DATA + text), phase, Context(**context))


def needs(found):
    return {node.name: (node.needs_backward, node.bottom_needs) for node in found.nodes}


def test_a_loss_weight_is_a_use():
    """insert_splits.cpp: the first split top takes the loss weight, the layer loses it."""
    found = graph(ip("a", "x", "a", "loss_weight: 3") + ip("b", "a", "b"))
    split = found.nodes[2]
    assert split.name == "a_a_0_split" and split.loss_weights == [3, 0]
    assert found.nodes[1].loss_weights == [0] and list(found.nodes[1].layer.param.loss_weight) == []
    assert found.nodes[3].layer.param.bottom[0] == "a_a_0_split_1"
    assert [found.blob_names[i] for i in found.outputs] == ["a_a_0_split_0", "b", "y"]


def test_split_behind_an_in_place_layer():
    found = graph(ip("a", "x", "a") + 'layer { name: "r" type: "ReLU" bottom: "a" top: "a" }\n'
                  + ip("b", "a", "b") + ip("c", "a", "c"))
    assert [node.name for node in found.nodes] == ["data", "a", "r", "a_r_0_split", "b", "c"]
    assert found.nodes[2].bottoms == found.nodes[2].tops == found.nodes[1].tops


def test_needs_follow_learning_and_loss():
    found = needs(graph(ip("frozen", "x", "f", "param { lr_mult: 0 } param { lr_mult: 0 }") + ip("a", "f", "a")
                        + ip("b", "a", "b")
                        + 'layer { name: "loss" type: "EuclideanLoss" bottom: "b" bottom: "y" top: "loss" }\n'))
    assert found["frozen"] == (False, [False])
    assert found["a"] == (True, [False])
    assert found["b"] == (True, [True]) and found["loss"] == (True, [True, False])


def test_without_a_loss_nothing_runs_backward():
    found = needs(graph(ip("a", "x", "a") + 'layer { name: "s" type: "Silence" bottom: "y" }'))
    assert found["a"] == (False, [False])


def test_propagate_down():
    loss = 'layer { name: "loss" type: "EuclideanLoss" bottom: "b" bottom: "y" top: "loss" }\n'
    found = needs(graph(ip("a", "x", "a") + ip("b", "a", "b", "propagate_down: false") + loss))
    assert found["a"] == (False, [False]) and found["b"] == (True, [False])
    found = needs(graph(ip("a", "x", "a", "propagate_down: true") + ip("b", "a", "b") + loss))
    assert found["a"] == (True, [True])


def test_force_backward_spares_labels():
    source = read_source("force_backward: true\n" + DATA + ip("a", "x", "a")
                         + 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "a" bottom: "y" top: "loss" }\n'
                         .replace('bottom: "y"', 'bottom: "z"').replace("layer {", 'layer { name: "z" type: "Input" '
                         'top: "z" input_param { shape { dim: 2 } } }\nlayer {', 1))
    found = needs(build_graph(source, caffe_pb2.TRAIN, Context()))
    assert found["a"] == (True, [True]) and found["loss"] == (True, [True, False])


@pytest.mark.parametrize("rule, state, met", [
    ("", {}, True),
    ("phase: TEST", {}, False),
    ("phase: TRAIN", {}, True),
    ("min_level: 1", {"level": 1}, True),
    ("min_level: 1", {"level": 0}, False),
    ("max_level: 1", {"level": 2}, False),
    ('stage: "a" stage: "b"', {"stages": ("a",)}, False),          # all of them
    ('stage: "a" stage: "b"', {"stages": ("b", "a", "c")}, True),
    ('not_stage: "a" not_stage: "b"', {"stages": ("b",)}, False)])  # none of them
def test_rules(rule, state, met):
    layer = read_source(f'layer {{ name: "a" include {{ {rule} }} }}').message.layer[0]
    assert meets_rule(layer.include[0], caffe_pb2.TRAIN, **state) == met
