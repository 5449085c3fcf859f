"""Definitions of 2013 and 2014 read as today's."""
import pytest

from deeplandmark.caffe.errors import PrototxtError
from deeplandmark.caffe.files.prototxt import read_net, read_solver, read_source
from deeplandmark.caffe.files.upgrade import v1_type_name
from deeplandmark.caffe.proto import caffe_pb2

V0 = """
name: "old"
input: "data" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8
layers { layer { name: "pad1" type: "padding" pad: 2 } bottom: "data" top: "pad1" }
layers {
  layer { name: "conv1" type: "conv" num_output: 4 kernelsize: 5 stride: 2 biasterm: false
    weight_filler { type: "gaussian" std: 0.01 } blobs_lr: 1. blobs_lr: 2. weight_decay: 1. weight_decay: 0. }
  bottom: "pad1" top: "conv1" }
layers { layer { name: "pool1" type: "pool" pool: AVE kernelsize: 3 stride: 2 } bottom: "conv1" top: "pool1" }
layers { layer { name: "norm1" type: "lrn" local_size: 3 alpha: 0.5 beta: 0.25 } bottom: "pool1" top: "norm1" }
"""


def test_v0():
    net = read_net(V0)
    assert [layer.type for layer in net.layer] == ["Input", "Convolution", "Pooling", "LRN"]
    assert not net.layers and not net.input and list(net.layer[0].input_param.shape[0].dim) == [1, 3, 8, 8]
    conv, pool, norm = net.layer[1:]
    settings = conv.convolution_param
    assert list(conv.bottom) == ["data"] and list(settings.pad) == [2] and list(settings.kernel_size) == [5]
    assert list(settings.stride) == [2] and not settings.bias_term and settings.weight_filler.type == "gaussian"
    assert [(spec.lr_mult, spec.decay_mult) for spec in conv.param] == [(1, 1), (2, 0)]
    assert pool.pooling_param.pool == pool.pooling_param.AVE and pool.pooling_param.kernel_size == 3
    assert norm.lrn_param.beta == 0.25


def test_lines_of_upgraded_layers():
    assert read_source(V0).lines == [None, 5, 9, 10]


def test_v1_transform_and_sharing():
    net = read_net("""layers { name: "d" type: DATA top: "data" data_param { source: "x" batch_size: 3 scale: 0.5
          mirror: true crop_size: 7 mean_file: "m" } }
        layers { name: "s" type: SOFTMAX_LOSS bottom: "data" top: "s" loss_weight: 2 include { phase: TRAIN } }
        layers { name: "i" type: INNER_PRODUCT bottom: "data" top: "i" param: "w" blob_share_mode: PERMISSIVE
          blobs_lr: 0.5 inner_product_param { num_output: 3 } }""")
    data, loss, inner = net.layer
    transform = data.transform_param
    assert (transform.scale, transform.mirror, transform.crop_size, transform.mean_file) == (0.5, True, 7, "m")
    assert not data.data_param.HasField("scale") and data.data_param.batch_size == 3
    assert loss.type == "SoftmaxWithLoss" and list(loss.loss_weight) == [2] and loss.include[0].phase == caffe_pb2.TRAIN
    spec = inner.param[0]
    assert (spec.name, spec.share_mode, spec.lr_mult) == ("w", spec.PERMISSIVE, 0.5)


def test_every_v1_type_has_a_name():
    known = {"AbsVal", "ArgMax", "BNLL", "ContrastiveLoss", "HDF5Data", "HDF5Output", "Im2col", "ImageData", "LRN",
             "MVN", "MultinomialLogisticLoss", "ReLU", "SigmoidCrossEntropyLoss", "SoftmaxWithLoss", "TanH"}
    assert known <= {v1_type_name(number) for number in caffe_pb2.V1LayerParameter.LayerType.values()}


def test_batch_norm_rates():
    net = read_net('layer { name: "b" type: "BatchNorm" param { lr_mult: 1 } param { } param { decay_mult: 3 } }')
    assert [(spec.lr_mult, spec.decay_mult) for spec in net.layer[0].param] == [(0, 0)] * 3


def test_solver_type():
    assert read_solver("base_lr: 1\nsolver_type: ADAGRAD").type == "AdaGrad"
    assert read_solver("base_lr: 1\n").type == "SGD"


@pytest.mark.parametrize("text, reason", [
    ('layers { layer { name: "x" type: "flip" } }', "layer 'x': unknown V0 type 'flip' (known: accuracy"),
    ('layers { layer { name: "x" type: "relu" num_output: 3 } }', "layer 'x': setting 'num_output' has no meaning"),
    ('layers { name: "a" type: RELU } layer { name: "b" type: "ReLU" }', "'layer' and 'layers'"),
    ('input: "x"\ninput_dim: 1', "1 inputs need 4 input_dim, found 1"),
    ('layers { layer { name: "p" type: "padding" } bottom: "x" top: "p" }\n'
     'layers { layer { name: "r" type: "relu" } bottom: "p" top: "r" }', "only stand before conv or pool")])
def test_refused(text, reason):
    with pytest.raises(PrototxtError) as caught:
        read_net(text)
    assert reason in str(caught.value)
