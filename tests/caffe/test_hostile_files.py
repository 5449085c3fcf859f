"""Files and definitions made to harm: a CaffeError, little memory, never a crash or a hang."""
import os
import resource
import time
import zlib

import h5py
import numpy as np
import pytest

import deeplandmark.caffe as caffe
from deeplandmark.caffe.errors import CaffeError
from deeplandmark.caffe.files.model_file import read_binaryproto
from deeplandmark.caffe.files.prototxt import read_solver
from deeplandmark.caffe.limits import limited
from deeplandmark.caffe.proto import caffe_pb2
from deeplandmark.caffe.solvers.snapshot import read_state

MIB = 1 << 20
HANG = 30               # seconds of the processor, where a refusal takes less than one
HUGE = 4294967295
NET = """layer { name: "data" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "fc" type: "InnerProduct" bottom: "x" top: "fc"
  inner_product_param { num_output: 4 weight_filler { type: "xavier" } } }"""


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(call, *arguments):
    """The message of the CaffeError; memory is measured, and a hang is a failure."""
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with pytest.raises(CaffeError) as caught:
        call(*arguments)
    assert time.process_time() - start < HANG
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024
    message = str(caught.value)
    assert 0 < len(message) < 3000
    return message


def input_of(*dims):
    dims = " ".join(f"dim: {n}" for n in dims)
    return f'layer {{ name: "x" type: "Input" top: "x" input_param {{ shape {{ {dims} }} }} }}\n'


def layer(type_name, settings, bottoms=1):
    bottom = 'bottom: "x"' * bottoms
    return f'layer {{ name: "op" type: "{type_name}" {bottom} top: "y" {settings} }}'


@pytest.mark.parametrize("text, reason", [
    (input_of(10**6, 10**6), "would need 3.638 TiB"), (input_of(2, -3), "cannot have the shape"),
    (input_of(2**62, 2**62), "would need"), (input_of(*[2**40] * 33), "33 axes"),
    (input_of(2, 3) + layer("InnerProduct", f"inner_product_param {{ num_output: {HUGE} }}"), "would need"),
    *[(input_of(2, 3, 9, 9) + layer(name, f"convolution_param {{ {settings} }}"), "would need")
      for name, settings in (("Convolution", f"num_output: {HUGE} kernel_size: 3"),
                             ("Convolution", f"num_output: 2 kernel_size: {HUGE}"),
                             ("Convolution", f"num_output: 2 kernel_size: 3 pad: {HUGE}"),
                             ("Deconvolution", f"num_output: 2 kernel_size: 3 stride: {HUGE}"),
                             ("Im2col", f"kernel_size: 3 pad: {HUGE}"))],
    (input_of(2, 3, 9, 9) + layer("Pooling", f"pooling_param {{ kernel_size: {HUGE} pad: {HUGE - 1} }}"), "would need"),
    (input_of(2, 3, 9, 9) + layer("SPP", f"spp_param {{ pyramid_height: {HUGE} }}"), "pad"),
    (input_of(2, 3) + layer("Tile", "tile_param { tiles: 2147483647 }"), "would need"),
    (input_of(2) + layer("Embed", f"embed_param {{ input_dim: {HUGE} num_output: {HUGE} }}"), "would need"),
    (input_of(2, 3) + layer("Reshape", f"reshape_param {{ shape {{ {f'dim: {2**63 - 1} ' * 9000} }} }}"), "up to"),
    (layer("DummyData", "dummy_data_param { shape { dim: 1000000000000 } }", 0), "would need"),
    (layer("DummyData", "dummy_data_param { shape { dim: -1 } }", 0), "cannot have"),
    (layer("Parameter", "parameter_param { shape { dim: 1000000 dim: 1000000 } }", 0), "would need"),
    (input_of(2, 3, 9, 9) + layer("LocallySharedConvolution", f"convolution_param {{ num_output: {HUGE} kernel_size: 3 "
                                  f"}} local_share_param {{ p: {HUGE} q: 3 }}"), "would need"),
    ("layer { " * 100000, "no field named"), ("layer: [" * 100000 + "\n", "..."),
    ("layer{}" * 110000, "larger than any"),
    ("{" + "#" * (3 * MIB), "larger than any"), ("{" * 90000, "<text>:1"),
    ('layer { name: "\\377" }', "<text>:1"), ("layer { type: 3 }", "<text>:1"),
    ("layer { name: 'x' bottom: { } }", "<text>:1"), ("name: \n" + "-" * 100000, "<text>:2")])
def test_definitions(text, reason):
    assert reason in refusal(caffe.Net, text, caffe.TEST)


DUMMY = "dummy_data_param {{ shape {{ dim: 2 }} data_filler {{ {} }} }}"
FAR = f"pooling_param {{ kernel_size: {2**31} pad: {2**31 - 1} stride: {2**31} }}"


@pytest.mark.parametrize("text, reason", [
    (input_of(3, 2) + layer("Reduction", "").replace('"y"', '"x"'), "in place: the bottom has shape (3, 2)"),
    (input_of() + layer("HingeLoss", 'bottom: "x"'), "need the same first dimension"),
    (layer("DummyData", DUMMY.format('type: "gaussian" std: nan'), 0), "a std of at least 0"),
    (layer("DummyData", DUMMY.format('type: "uniform" min: 3'), 0), "min <= max"),
    (input_of(2**62, 0), "would need"), (input_of(2, 0, 6) + layer("MVN", ""), "cannot run on an empty bottom"),
    (input_of(2, 3, 9, 9) + layer("Pooling", FAR), "would need")])
def test_definitions_that_run(text, reason):
    assert reason in refusal(lambda: caffe.Net(text, caffe.TRAIN).forward())


@pytest.mark.parametrize("pool, value", [("MAX", np.finfo(np.float32).min), ("AVE", 0)])
def test_windows_far_behind_the_map(pool, value):
    settings = f"pooling_param {{ pool: {pool} kernel_size: 2 stride: {2**31} }}"
    net = caffe.Net(input_of(1, 1, 3, 3) + layer("Pooling", settings), caffe.TEST)
    net.blobs["x"].data = 2
    assert net.forward()["y"].tolist() == [[[[2, value], [value, value]]]]


def test_many_parts_are_counted_together():
    fc = 'layer { name: "%d" type: "InnerProduct" bottom: "x" top: "y%d" inner_product_param { num_output: 1000 } }\n'
    text = input_of(1, 1000) + "".join(fc % (i, i) for i in range(20))
    with limited(100 * MIB):
        assert "layer '13': the parameters up to" in refusal(caffe.Net, text, caffe.TEST)
        text = input_of(1000, 1000) + "".join(layer("AbsVal", "").replace('"y"', f'"y{i}"') for i in range(30))
        assert "the blobs of this net together" in refusal(caffe.Net, text, caffe.TEST)


@pytest.mark.parametrize("data", [b"", b"  \n", b"name: '\xff\x01'", b"\0" * 100, b"\x89HDF\r\n\x1a\n"])
def test_texts_that_are_none(data, place):
    (place / "net.prototxt").write_bytes(data)
    assert "net.prototxt" in refusal(caffe.Net, "net.prototxt", caffe.TEST)
    assert "net.prototxt" in refusal(read_solver, "net.prototxt")


@pytest.mark.parametrize("path", [".", "/dev/zero", "pipe", "a\0b", "nowhere", "sparse"])
def test_paths_that_are_no_files(path):
    os.mkfifo("pipe")
    with open("sparse", "wb") as stream:
        stream.truncate(10**11)
    for call, arguments in ((caffe.Net, (path, caffe.TEST)), (read_solver, (path,)),
                            (caffe.Net, (NET, path, caffe.TEST)), (read_binaryproto, (path,)), (read_state, (path,))):
        refusal(call, *arguments)
    for source in ("HDF5Data", "ImageData", "Data", "WindowData"):
        field = {"HDF5Data": "hdf5_data_param", "ImageData": "image_data_param", "Data": "data_param",
                 "WindowData": "window_data_param"}[source]
        if path not in ("a\0b", "sparse"):
            backend = "backend: LMDB" if source == "Data" else ""
            refusal(caffe.Net, f'layer {{ name: "d" type: "{source}" top: "x" top: "y" {field} {{ source: "{path}" '
                               f'batch_size: 2 {backend} }} transform_param {{ crop_size: 2 }} }}', caffe.TEST)


def weights():
    return caffe.Net(NET, caffe.TEST, seed=0).to_proto()


def changed(*dims, **values):
    """Weights whose first blob has another shape or other values."""
    net = weights()
    blob = net.layer[1].blobs[0]
    if dims:
        del blob.shape.dim[:]
        blob.shape.dim.extend(dims)
    for name, value in values.items():
        del blob.data[:]
        getattr(blob, name).extend(value)
    return net.SerializeToString()


@pytest.mark.parametrize("make, reason", [
    (lambda: b"", "is empty"), (lambda: weights().SerializeToString()[:-3], "cut off"),
    (lambda: b"\xff" * 999, "a number of more than 10 bytes"),
    (lambda: b"\xfb\x07" * 200000, "of kind 3"), (lambda: b"\0" * 999, "without a number"),
    (lambda: b"\xa2\x06\x00" * 400000, "more than 100000 messages"),              # empty layers
    (lambda: b"\xa2\x06\x80\x89\x7a" + b"\x1a\x00" * 1000000, "more than 300000 fields"),     # bottoms of one
    (lambda: b"\x22\x80\x89\x7a" + b"\x01" * 2000000, "bytes of caffe.NetParameter.input_dim"),
    (lambda: weights().SerializeToString().replace(b"\x02fc", b"\x02\xff\xfe", 1), "name is not UTF-8"),
    (lambda: changed(10**6, 10**6), "has shape 1000000 1000000"), (lambda: changed(2**62, 2**62), "has shape"),
    (lambda: changed(-4, -3), "has shape -4 -3"), (lambda: changed(*[1] * 40, 12), "of 41 axes"),
    (lambda: changed(*[2**40] * 90000), "of 90000 axes"), (lambda: changed(data=[1] * 11), "11 values for shape 4 3"),
    (lambda: changed(data=[float("nan")] * 12), "12 of 12 values are not finite"),
    (lambda: changed(double_data=[1e300] + [0] * 11), "1 of 12 values are not finite"),
])
def test_weights(make, reason, place):
    (place / "w.caffemodel").write_bytes(make())
    net = caffe.Net(NET, caffe.TEST, seed=0)
    before = net.params["fc"][0].data.copy()
    message = refusal(lambda path: net.copy_from(path, strict=True), "w.caffemodel")
    assert message.startswith("w.caffemodel") and reason in message
    np.testing.assert_array_equal(net.params["fc"][0].data, before)


def test_blobs_in_a_definition():
    net = weights()
    net.layer[1].blobs[0].data[3] = float("inf")
    assert "layer 'fc': blob 0: 1 of 12 values" in refusal(caffe.Net, net, caffe.TEST)


def bomb(file):
    data = file.create_dataset("data/fc/0", (4, 3), "f", maxshape=(None, None), chunks=(4, 3), compression="gzip")
    data.id.write_direct_chunk((0, 0), zlib.compress(bytes(150 * MIB), 1))


def slow_bomb(file):
    """A chunk that is not larger than it may be, packed values of a hundred times its size."""
    data = file.create_dataset("data/fc/0", (4, 3), "f", maxshape=(None, None), chunks=(400, 400), compression="gzip")
    data.id.write_direct_chunk((0, 0), zlib.compress(bytes(100 * MIB), 9))


def nested(file):
    group = file.create_group("data")
    for _ in range(500):
        group = group.create_group("a")


@pytest.mark.parametrize("make, reason", [
    (lambda f: None, "no group 'data'"), (lambda f: f.__setitem__("data", 3), "is no group"),
    (lambda f: f.create_dataset("data/fc/0", (10**6, 10**6), "f", chunks=(9, 9)), "has shape 1000000 1000000"),
    (lambda f: f.__setitem__("data/fc/0", h5py.ExternalLink("/dev/zero", "/x")), "a link to another place"),
    (lambda f: f.__setitem__("data/fc/0", h5py.SoftLink("/data/fc/1")), "a link to another place"),
    (lambda f: f.create_dataset("data/fc/0", (4, 3), "f", external=[("/etc/passwd", 0, 48)]), "in another file"),
    (lambda f: f.__setitem__("data/fc/x", f.create_group("data")), "nested without end"),
    (nested, "nested without end"),
    (lambda f: f.create_dataset("data/fc/0", (4, 3), h5py.string_dtype()), "does not hold numbers"),
    (lambda f: f.create_dataset("data/fc/0", (4, 3), h5py.vlen_dtype(np.int32)), "does not hold numbers"),
    (lambda f: f.create_dataset("data/fc/0", data=h5py.Empty("f")), "blob 0 is not in the file"),
    (lambda f: f.create_dataset("data/fc/0", (4, 3), "f", maxshape=(None, None), chunks=(20000, 9000)), "chunks of"),
    (bomb, "bytes for 48"), (slow_bomb, "unpacks to more"),
    (lambda f: f.create_dataset("data/fc/0", (4, 3), "f", compression="lzf"), "packed by filter"),
    (lambda f: f.create_dataset("data/fc/0", data=np.full((4, 3), np.nan)), "12 of 12 values are not finite")])
def test_hdf5_weights(make, reason):
    with h5py.File("w.h5", "w") as file:
        make(file)
        if "data" in file and isinstance(file["data"], h5py.Group):
            file["data/fc/1"] = np.zeros(4, np.float32)
    net = caffe.Net(NET, caffe.TEST)
    message = refusal(lambda path: net.copy_from(path, strict=True), "w.h5")
    assert message.startswith("w.h5") and reason in message


def test_packed_hdf5_weights_are_read():
    values = np.arange(12, dtype=np.float32).reshape(4, 3)
    with h5py.File("w.h5", "w") as file:
        file.create_dataset("data/fc/0", data=values, compression="gzip", shuffle=True, fletcher32=True, chunks=(1, 3))
        file["data/fc/1"] = np.zeros(4)
    np.testing.assert_array_equal(caffe.Net(NET, "w.h5", caffe.TEST).params["fc"][0].data, values)


@pytest.mark.parametrize("make", [
    lambda f: None, lambda f: f.__setitem__("iter", "abc"),
    lambda f: f.create_dataset("history/0", (10**6, 10**6), "f", chunks=(9, 9)),
    lambda f: f.__setitem__("history", h5py.ExternalLink("/dev/zero", "/x")),
    lambda f: f.__setitem__("history/7", 3), lambda f: f.create_dataset("history/0", data=["x", "y"])])
def test_hdf5_states(make):
    with h5py.File("s.h5", "w") as file:
        make(file)
        for name in {"iter", "current_step"} - set(file):
            file[name] = np.array([3], np.int32)
        file["learned_net"] = np.bytes_(b"x")
    assert refusal(read_state, "s.h5").startswith("s.h5") or "history" not in h5py.File("s.h5")


def test_hdf5_data():
    def net_of(make):
        name = f"{len(os.listdir())}"
        with h5py.File(f"{name}.h5", "w") as file:
            make(file)
        with open(f"{name}.txt", "w") as stream:
            stream.write(f"{name}.h5")
        return caffe.Net(f'layer {{ name: "d" type: "HDF5Data" top: "data" hdf5_data_param {{ source: "{name}.txt" '
                         'batch_size: 2 } }', caffe.TEST)

    def packed(file):
        data = file.create_dataset("data", (400, 400), "f", compression="gzip", chunks=(400, 400))
        data.id.write_direct_chunk((0, 0), zlib.compress(bytes(100 * MIB), 9))

    assert "unpacks to more" in refusal(net_of, packed)
    for make in (lambda f: f.create_group("data"), lambda f: f.create_dataset("data", data=["x"]),
                 lambda f: f.create_dataset("data", data=h5py.Empty("f")),
                 lambda f: f.__setitem__("data", h5py.ExternalLink("/dev/zero", "/x")),
                 lambda f: f.create_dataset("data", (3, 10**6, 10**6), "f", chunks=(1, 9, 9))):
        assert "layer 'd'" in refusal(net_of, make)


def test_binaryproto(place):
    for blob in (caffe_pb2.BlobProto(num=-1, channels=-1, height=1, width=1, data=[1]),
                 caffe_pb2.BlobProto(num=10**6, channels=10**6, height=10**6, width=1, data=[1])):
        (place / "mean").write_bytes(blob.SerializeToString())
        assert "mean: 1 values for shape" in refusal(read_binaryproto, "mean")
