"""The forms of a layer type - class, ONNX nodes, stacked, in the cascade's graph - and what their tables share."""
import pytest

import deeplandmark.caffe as caffe
from deeplandmark.caffe.graph.pooled_first import MONOTONE, pooled_first
from deeplandmark.caffe.layers.registry import LAYERS
from deeplandmark.caffe.onnx.registry import EXPORTERS
from deeplandmark.caffe.stacked.layers import OPERATIONS as STACKED
from deeplandmark.cascade.onnx.layers import OPERATIONS as IN_THE_CASCADE
from deeplandmark.networks.published import model_at
from tests.helpers.onnx_runs import CONV

FORMS = {"class": LAYERS, "ONNX": EXPORTERS, "stacked": STACKED, "cascade": IN_THE_CASCADE}


def test_which_type_has_which_form():
    """`pytest -s` shows it; docs/caffe.md has the same. Networks that train together and end in one graph need all."""
    for name in sorted(LAYERS):
        print(f"{name:28}", *(f"{form:8}" if name in table else " " * 8 for form, table in FORMS.items()))
    for form, table in FORMS.items():
        assert table.keys() <= LAYERS.keys(), f"{form}: a type that does not exist"
    assert IN_THE_CASCADE.keys() <= EXPORTERS.keys(), "a network that is no chain goes into the graph layer by layer"
    module = caffe.to_torch(str(model_at("wide") / "1_F.prototxt"))
    types = {node.type for node in module.graph.nodes if node.bottoms} - {"Split"}
    assert len(types) > 4
    for form, table in FORMS.items():
        assert types <= table.keys(), f"{form}: missing {types - table.keys()}"


@pytest.mark.parametrize("form", FORMS)
def test_a_second_entry_is_refused(form):
    table, before = FORMS[form], dict(FORMS[form])
    with pytest.raises(ValueError, match=f"layer type 'ReLU' has two {table.form}"):
        table.register("ReLU")(print)
    assert table == before


def types(definitions, movable=MONOTONE, **more):
    """The types of a net's layers in the order that pooled_first finds."""
    text = 'layer { name: "x0" type: "Input" top: "x0" input_param { shape { dim: 1 dim: 2 dim: 6 dim: 6 } } }\n'
    for i, definition in enumerate(definitions):
        text += f'layer {{ name: "l{i}" bottom: "x{i}" top: "x{i + 1}" {definition} }}\n'
    layers = [node.layer for node in caffe.to_torch(text).graph.nodes]
    return [layers[i].param.type for i in pooled_first(layers, movable, **more)][1:]


TANH, RELU, ABS = 'type: "TanH"', 'type: "ReLU"', 'type: "AbsVal"'
POOL = 'type: "Pooling" pooling_param { kernel_size: 2 '


def test_functions_go_behind_maxima_and_absolute_values():
    pool = POOL + "stride: 2 }"
    assert types([TANH, ABS, pool]) == ["AbsVal", "Pooling", "TanH"]
    assert types([TANH, RELU, pool, TANH]) == ["Pooling", "TanH", "ReLU", "TanH"]
    assert types([RELU, pool], movable=("TanH",)) == ["ReLU", "Pooling"]
    assert types([TANH, ABS, pool], alone=lambda place: place != 1) == ["TanH", "AbsVal", "Pooling"]


@pytest.mark.parametrize("other", [
    POOL + "stride: 1 }", POOL + "stride: 2 pool: AVE }", POOL + "stride: 2 pad: 1 }",
    f'type: "Convolution" convolution_param {{ num_output: 2 kernel_size: 1 {CONV} }}', 'type: "Sigmoid"'])
def test_they_stay_before_what_they_do_not_commute_with(other):
    """Windows that overlap would only do the work several times; the other layers have other answers."""
    first, second = types([TANH, other])
    assert (first, second) == ("TanH", other.split('"')[1])
    assert types([RELU, ABS]) == ["ReLU", "AbsVal"]              # |relu x| is not relu |x|
