"""Fields of forks that change no result: left out with one warning, refused with strict, everything else an error."""
import warnings

import numpy as np
import pytest

import deeplandmark.caffe as caffe
from deeplandmark.caffe.errors import ForkFieldWarning
from deeplandmark.caffe.files.prototxt import read_net, read_solver
from deeplandmark.caffe.tools.command_line import main

INPUT = 'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 1 dim: 4 dim: 4 } } }\n'
CONV = ('layer { name: "c" type: "Convolution" bottom: "x" top: "c" %s\n'
        '  convolution_param { num_output: 1 kernel_size: 3 weight_filler { value: 1 } %s } }\n')


@pytest.mark.parametrize("text, words", [
    ("default_forward_type: FLOAT16\n" + INPUT + CONV % ("", ""), "line 1: default_forward_type is of a fork"),
    ("eltwise_mem_sharing: false\n" + INPUT + CONV % ("", ""), "eltwise_mem_sharing"),
    ("bn_stats_batch_size: 32\n" + INPUT + CONV % ("", ""), "bn_stats_batch_size"),
    ("mem_param { optimize_train: true }\n" + INPUT + CONV % ("", ""), "mem_param"),
    (INPUT + CONV % ("quantization_param { bw_layer_in: 8 # }\n fl { a: '}' } }", ""),
     r"layer 'c' \(line 2\): quantization_param"),
    (INPUT + CONV % ("forward_type: FLOAT backward_type: FLOAT", ""), "2 fields in all: backward_type, forward_type"),
    (INPUT + CONV % ("", "engine: MKL2017"), "convolution_param engine"),
    (INPUT + CONV % ('engine: "MKLDNN:" "x"', "conv_algorithm: 'auto'"), "2 fields in all: convolution_param"),
])
def test_left_out_with_a_warning(text, words, tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(text)
    with pytest.warns(ForkFieldWarning, match=words) as caught:
        net = caffe.Net(path, caffe.TEST)
    assert len(caught) == 1 and str(path) in str(caught[0].message)
    assert net.forward(x=np.ones((1, 1, 4, 4)))["c"].tolist() == [[[[9, 9], [9, 9]]]]
    with pytest.raises(caffe.PrototxtError, match="has no field named|has no value named|Expected"):
        caffe.Net(path, caffe.TEST, strict=True)
    with pytest.raises(caffe.PrototxtError), warnings.catch_warnings():
        warnings.simplefilter("error")
        caffe.to_torch(path, strict=True)


def test_lines_stay_and_other_errors_name_their_layer():
    text = 'default_forward_type: FLOAT16\n' + INPUT + CONV % ("quantization_param { a: 1\n\n b: 2 }", "") + \
           'layer { name: "r"\n type: "ReLU" bottom: "c" top: "r"\n nonsense: 3 }'
    with pytest.warns(ForkFieldWarning), pytest.raises(caffe.PrototxtError, match=":9: layer 'r': .*nonsense"):
        read_net(text)


@pytest.mark.parametrize("text", [
    'layer { name: "c" type: "ReLU" bottom: "x" top: "c" relu_param { negative_slop: 1 } }',
    'layer { name: "c" type: "ReLU" bottom: "x" top: "c" relu_param { engine: CUDNN engine: { } } }',
    'layer { name: "c" quantization_param { ', "engine: ", "quantization_param", "engine: MKL2017 }", "}}} engine: A"])
def test_what_cannot_be_read_stays_an_error(text):
    with warnings.catch_warnings(), pytest.raises(caffe.CaffeError):
        warnings.simplefilter("ignore")
        caffe.Net(INPUT + text, caffe.TEST)


def test_a_known_field_is_never_taken_out():
    with pytest.warns(ForkFieldWarning):
        net = read_net(INPUT + CONV % ("debug: true", "engine: CUDNN"))
    assert net.layer[1].convolution_param.engine == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_net(INPUT + CONV % ("", "engine: CAFFE"))


def test_solvers(tmp_path):
    text = 'net: "n" base_lr: 1 multinode { a: 1 } reduce_buckets: 3 per_parameter_reduce: false\n'
    with pytest.warns(ForkFieldWarning, match="line 1: multinode.*3 fields"):
        assert read_solver(text).base_lr == 1
    with pytest.raises(caffe.PrototxtError, match="multinode"):
        read_solver(text, strict=True)


def test_flag_of_the_program(tmp_path, capfd):
    (tmp_path / "net.prototxt").write_text("reduce_buckets: 3\n" + INPUT + CONV % ("", ""))
    arguments = ["time", "--model", str(tmp_path / "net.prototxt"), "--iterations", "1"]
    with pytest.warns(ForkFieldWarning):
        assert main(arguments) == 0
    assert main([*arguments, "--strict"]) == 1
    assert "reduce_buckets" in capfd.readouterr().err
