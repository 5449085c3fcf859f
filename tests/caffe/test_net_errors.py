"""Definitions that cannot be used are refused with file, line, layer and blob."""
import pytest

import deeplandmark.caffe as caffe
from deeplandmark.caffe.errors import FileFormatError, NetError, PrototxtError
from deeplandmark.caffe.files.prototxt import layer_lines, read_net, read_solver

DATA = 'layer { name: "data" type: "Input" top: "data"\n  input_param { shape { dim: 2 dim: 3 dim: 6 dim: 6 } } }\n'


def refusal(tmp_path, text, phase=caffe.TEST):
    """The message for a file `net.prototxt` whose layers begin at line 3."""
    path = tmp_path / "net.prototxt"
    path.write_text(DATA + text)
    with pytest.raises(NetError) as caught:
        caffe.Net(str(path), phase)
    return str(caught.value).removeprefix(f"{tmp_path}/")


@pytest.mark.parametrize("text, place, reason", [
    ('layer { name: "pool1" type: "Poling" bottom: "data" top: "p" }',
     "net.prototxt:3: layer 'pool1': ", "unknown type 'Poling' (known: AbsVal, "),
    ('\n\nlayer { name: "a" type: "ReLU" bottom: "dat" top: "a" }',
     "net.prototxt:5: layer 'a': ", "unknown bottom blob 'dat', bottom index 0 (blobs made before: data)"),
    ('layer { name: "a" type: "ReLU" bottom: "data" top: "x" }\n'
     'layer { name: "b" type: "TanH" bottom: "x" top: "data" }',
     "net.prototxt:4: layer 'b': blob 'data': ", "made by more than one layer"),
    ('layer { name: "a" type: "ReLU" bottom: "data" bottom: "data" top: "x" }',
     "net.prototxt:3: layer 'a': ", "takes 1 bottoms, found 2"),
    ('layer { name: "e" type: "EuclideanLoss" bottom: "data" bottom: "data" top: "x" top: "y" }',
     "net.prototxt:3: layer 'e': ", "takes 1 tops, found 2"),
    ('layer { name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param '
     '{ num_output: 2 kernel_size: 9 } }',
     "net.prototxt:3: layer 'c': ", "larger than the bottom, shape (2, 3, 6, 6)"),
    ('layer { name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param '
     '{ num_output: 2 kernel_size: 3 weight_filler { type: "orthogonal" } } }',
     "net.prototxt:3: layer 'c': ", "unknown filler type"),
    ('layer { name: "i" type: "InnerProduct" bottom: "data" top: "i" param { } param { } param { } '
     'inner_product_param { num_output: 2 } }', "net.prototxt:3: layer 'i': ", "3 param for 2 blobs"),
    ('layer { name: "a" type: "ReLU" bottom: "data" top: "a" propagate_down: true propagate_down: false }',
     "net.prototxt:3: layer 'a': ", "2 propagate_down for 1 bottoms"),
    ('layer { name: "a" type: "ReLU" bottom: "data" top: "a" include { phase: TEST } exclude { phase: TRAIN } }',
     "net.prototxt:3: layer 'a': ", "only one kind"),
    ('layer { name: "a" type: "ReLU" bottom: "data" top: "a" loss_weight: 1 loss_weight: 2 }',
     "net.prototxt:3: layer 'a': ", "2 loss_weight for 1 tops"),
    ('layer { name: "h" type: "HDF5Data" top: "x" hdf5_data_param { source: "no/where.txt" batch_size: 2 } }',
     "net.prototxt:3: layer 'h': ", "cannot read its source 'no/where.txt'"),
    ('layer { name: "w" type: "InnerProduct" bottom: "data" top: "w" param { name: "s" } inner_product_param '
     '{ num_output: 2 } }\nlayer { name: "v" type: "InnerProduct" bottom: "data" top: "v" param { name: "s" } '
     'inner_product_param { num_output: 3 } }',
     "net.prototxt:4: layer 'v': ", "cannot share param 's': shape (3, 108) here, (2, 108) in layer 'w'"),
])
def test_refused(tmp_path, text, place, reason):
    message = refusal(tmp_path, text)
    assert message.startswith(place) and reason in message, message


def test_second_layer_of_a_name_has_its_own_line(tmp_path):
    text = ('layer { name: "a" type: "ReLU" bottom: "data" top: "a" include { phase: TRAIN } }\n'
            'layer { name: "a" type: "Rolu" bottom: "data" top: "a" include { phase: TEST } }\n')
    assert refusal(tmp_path, text).startswith("net.prototxt:4: layer 'a'")


def test_lines_survive_comments_strings_and_inputs():
    text = """# layer {
name: "layer {"
input: "x" input_dim: 1
layer {
  name: "a" # name: "b"
}
layers
{ layer { name: 'c' } }
"""
    assert layer_lines(text) == [("a", 4), ("c", 7)]


def test_bad_text_names_file_and_line(tmp_path):
    path = tmp_path / "bad.prototxt"
    path.write_text('name: "x"\nlayer {\n  nam: "y"\n}\n')
    with pytest.raises(PrototxtError) as caught:
        read_net(path)
    assert str(caught.value).startswith(f"{path}:3: ") and "nam" in str(caught.value)


def test_missing_files(tmp_path):
    with pytest.raises(PrototxtError, match="nowhere.prototxt: No such file"):
        read_net(tmp_path / "nowhere.prototxt")
    with pytest.raises(PrototxtError, match="No such file"):
        read_solver(str(tmp_path / "solver.prototxt"))
    with pytest.raises(FileFormatError, match="x.caffemodel: No such file"):
        caffe.Net(DATA, str(tmp_path / "x.caffemodel"), caffe.TEST)


def test_label_asked_for_a_gradient():
    net = caffe.Net("""layer { name: "data" type: "Input" top: "x" top: "y"
          input_param { shape { dim: 4 dim: 3 } shape { dim: 4 } } }
        layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip" inner_product_param { num_output: 3 } }
        layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "y" top: "l"
          propagate_down: true propagate_down: true }""", caffe.TRAIN)
    with pytest.raises(NetError, match="layer 'loss': blob 'y': .*cannot get a gradient"):
        net.forward()


def test_wrong_arguments():
    net = caffe.Net(DATA, caffe.TEST)
    with pytest.raises(NetError, match="'data'"):
        net.forward(dat=[1])
    with pytest.raises(NetError, match="no layer 'x'"):
        net.forward(start="x")
    with pytest.raises(NetError, match="phase"):
        caffe.Net(DATA)
    with pytest.raises(NetError, match="not an input"):
        caffe.to_torch(DATA)(other=1)


def test_a_shape_that_does_not_fit_names_the_blob_and_its_shape(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text('layer { name: "in" type: "Input" top: "data" input_param { shape { dim: [1, 1, 4, 4] } } }\n'
                    'layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"\n'
                    '        convolution_param { num_output: 2 kernel_size: 9 } }\n')
    with pytest.raises(NetError, match=r"net\.prototxt:2: layer 'conv1': .*\(bottom 'data' \(1, 1, 4, 4\)\)"):
        caffe.Net(str(path), caffe.TEST)
