"""NetSpec: names, where settings go, refusals; coord_map: the maps of pycaffe and Crop offsets that align."""
import numpy as np
import pytest

import deeplandmark.caffe as caffe
from deeplandmark.caffe import coord_map, to_proto
from deeplandmark.caffe import layers as L
from deeplandmark.caffe import params as P
from deeplandmark.caffe.files.prototxt import read_net

LENET = """
layer { name: "data" type: "DummyData" top: "data" top: "label"
  dummy_data_param { shape { dim: 4 dim: 1 dim: 12 dim: 12 } shape { dim: 4 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  param { lr_mult: 1 } param { lr_mult: 2 }
  convolution_param { num_output: 5 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1"
  pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "relu1" type: "ReLU" bottom: "pool1" top: "pool1" }
layer { name: "score" type: "InnerProduct" bottom: "pool1" top: "score" inner_product_param { num_output: 3 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "label" top: "loss" loss_weight: 0.5
  include { phase: TRAIN } }
"""


def lenet():
    n = caffe.NetSpec()
    n.data, n.label = L.DummyData(shape=[dict(dim=[4, 1, 12, 12]), dict(dim=[4])], ntop=2)
    n.conv1 = L.Convolution(n.data, kernel_size=3, num_output=5, weight_filler=dict(type="xavier"),
                            param=[dict(lr_mult=1), dict(lr_mult=2)])
    n.pool1 = L.Pooling(n.conv1, kernel_size=2, stride=2, pool=P.Pooling.MAX)
    n.relu1 = L.ReLU(n.pool1, in_place=True)
    n.score = L.InnerProduct(n.relu1, num_output=3)
    n.loss = L.SoftmaxWithLoss(n.score, n.label, loss_weight=0.5, include=dict(phase=caffe.TRAIN))
    return n


def test_a_spec_is_the_prototxt():
    assert lenet().to_proto() == read_net(LENET)
    net = caffe.Net(str(lenet().to_proto()), caffe.TRAIN)
    assert net.forward()["loss"].shape == ()


def test_names_of_tops_that_have_none():
    data = L.DummyData(shape=dict(dim=[1, 1, 8, 8]))
    first = L.Convolution(data, kernel_size=3, num_output=2)
    second = L.Convolution(L.ReLU(first, in_place=True), kernel_size=3, num_output=2)
    both = L.Eltwise(second, L.Convolution(first, kernel_size=3, num_output=2))
    net = to_proto(both, L.Silence(first, ntop=0))
    # Convolution1 is the first that is reached, Convolution2 the next; Silence has no top and is named by its type.
    assert [(layer.name, list(layer.bottom), list(layer.top)) for layer in net.layer] == [
        ("DummyData1", [], ["DummyData1"]), ("Convolution1", ["DummyData1"], ["Convolution1"]),
        ("ReLU1", ["Convolution1"], ["Convolution1"]), ("Convolution2", ["Convolution1"], ["Convolution2"]),
        ("Convolution3", ["Convolution1"], ["Convolution3"]),
        ("Eltwise1", ["Convolution2", "Convolution3"], ["Eltwise1"]), ("Silence1", ["Convolution1"], [])]
    assert both.to_proto().layer[-1].name == "Eltwise1"


def test_two_tops_without_names():
    data, label = L.HDF5Data(source="list.txt", batch_size=2, ntop=2)
    layer = to_proto(L.EuclideanLoss(data, label)).layer[0]
    assert (layer.name, list(layer.top)) == ("HDF5Data1", ["HDF5Data1", "HDF5Data2"])


def test_access_by_key_and_update():
    n = lenet()
    n["extra"] = L.TanH(n["score"])
    assert n.keys()[-1] == "extra" and n.vals()[-1] is n.extra
    del n["extra"]
    n.update("conv1", dict(num_output=7, name="renamed"))
    layer = n.to_proto().layer[1]
    assert layer.convolution_param.num_output == 7 and layer.name == "renamed"
    with pytest.raises(AttributeError, match="no top 'extra'"):
        n.extra


def test_numpy_values_and_messages():
    filler = caffe.proto.caffe_pb2.FillerParameter(type="constant", value=2)
    layer = L.Convolution(L.Input(shape=dict(dim=np.array([1, 2, 8, 8]))), kernel_size=np.int64(3),
                          num_output=np.int32(4), weight_filler=filler).to_proto().layer
    assert list(layer[0].input_param.shape[0].dim) == [1, 2, 8, 8]
    assert layer[1].convolution_param.weight_filler == filler


@pytest.mark.parametrize("make, reason", [
    (lambda x: L.Convolution(x, kernel=3), "unknown setting 'kernel'.*kernel_size"),
    (lambda x: L.Deconvolution(x, num_output=3), "convolution_param=dict"),
    (lambda x: L.Convolution(x, num_output="x"), "num_output cannot be 'x'"),
    (lambda x: L.Convolution(x, weight_filler=dict(typ="x")), "FillerParameter has no field 'typ'"),
])
def test_refused(make, reason):
    with pytest.raises(caffe.NetError, match=reason):
        make(L.Input(shape=dict(dim=[1]))).to_proto()


def test_a_bottom_that_is_no_top():
    with pytest.raises(TypeError, match=r"^ReLU input 0 is not a Top \(type is <class 'str'>\)$"):
        L.ReLU("data")


# -- coord_map -------------------------------------------------------------------------------------------------------

def spatial(pad=0):
    n = caffe.NetSpec()
    n.data = L.Input(shape=dict(dim=[1, 3, 100, 100]))
    n.conv = L.Convolution(n.data, num_output=4, kernel_size=3, pad=pad)
    n.pool = L.Pooling(n.conv, pool=P.Pooling.MAX, kernel_size=2, stride=2, pad=0)
    n.relu = L.ReLU(n.pool)
    return n


def test_maps_compose():
    n = spatial(pad=1)
    n.up = L.Deconvolution(n.relu, convolution_param=dict(num_output=4, kernel_size=4, stride=2, pad=0))
    axis, scale, shift = coord_map.coord_map_from_to(n.up, n.data)
    assert axis == 1 and scale == 1 and shift == -1
    _, scale, shift = coord_map.coord_map_from_to(n.relu, n.conv)
    assert (scale, shift) == (2, 0.5)                            # the middle of two pixels
    n.crop = coord_map.crop(n.up, n.data)
    layer = n.to_proto().layer[-1]
    assert (layer.type, layer.crop_param.axis, list(layer.crop_param.offset)) == ("Crop", 2, [1])


def test_a_crop_aligns_a_bump():
    """An upsampled and cropped picture of one bright pixel is bright where the pixel was."""
    n = spatial(pad=0)
    n.up = L.Deconvolution(n.pool, convolution_param=dict(
        num_output=4, group=4, kernel_size=4, stride=2, bias_term=False, weight_filler=dict(type="bilinear")))
    _, scale, shift = coord_map.coord_map_from_to(n.up, n.conv)
    n.crop = coord_map.crop(n.up, n.conv)
    assert scale == 1 and shift == -1
    net = caffe.Net(str(n.to_proto()), caffe.TEST)
    net.params["conv"][0].data[...] = 0
    net.params["conv"][0].data[:, 0, 1, 1] = 1                   # passes channel 0 through
    net.blobs["data"].data[0, 0, 40:44, 60:64] = 1
    net.forward()
    seen = np.argwhere(net.blobs["crop"].data[0, 0] > 0.9)
    np.testing.assert_allclose(seen.mean(0), np.argwhere(net.blobs["conv"].data[0, 0] > 0.9).mean(0))


def test_maps_that_do_not_exist():
    n = spatial()
    n.fc = L.InnerProduct(n.relu, num_output=2)
    n.other = L.Convolution(L.Input(shape=dict(dim=[1, 3, 9, 9])), num_output=1, kernel_size=3)
    with pytest.raises(RuntimeError):
        coord_map.coord_map_from_to(n.fc, n.data)
    with pytest.raises(RuntimeError):
        coord_map.coord_map_from_to(n.conv, n.other)
    with pytest.raises(coord_map.UndefinedMapException):
        coord_map.coord_map(n.fc.fn)
    with pytest.raises(AssertionError, match="scales"):
        coord_map.crop(n.relu, n.data)
    with pytest.raises(coord_map.AxisMismatchException):
        n.deep = L.Convolution(n.conv, num_output=1, kernel_size=3, axis=2)
        coord_map.coord_map_from_to(n.deep, n.data)
    with pytest.raises(caffe.NetError, match="kernel_h"):
        coord_map.coord_map(L.Convolution(n.data, kernel_h=3, kernel_w=1, num_output=1).fn)
