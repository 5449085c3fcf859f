"""Every public name of pycaffe 1.0 is there: the lists are pycaffe's own surface, module by module."""
import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import deeplandmark.caffe as caffe

DATA = Path(__file__).parents[1] / "data/caffe/solvers"
ROOT = Path(__file__).parents[2]

NAMES = {
    "": "Net SGDSolver NesterovSolver AdaGradSolver RMSPropSolver AdaDeltaSolver AdamSolver NCCL Timer init_log log "
        "set_mode_cpu set_mode_gpu set_device Layer get_solver layer_type_list set_random_seed solver_count "
        "set_solver_count solver_rank set_solver_rank set_multiprocess has_nccl __version__ TRAIN TEST Classifier "
        "Detector io layers params NetSpec to_proto",
    "pycaffe": "Net SGDSolver NesterovSolver AdaGradSolver RMSPropSolver AdaDeltaSolver AdamSolver NCCL Timer",
    "proto.caffe_pb2": "NetParameter LayerParameter SolverParameter SolverState BlobProto BlobProtoVector BlobShape "
                       "Datum FillerParameter V1LayerParameter TRAIN TEST",
    "io": "Transformer load_image resize_image oversample blobproto_to_array array_to_blobproto "
          "arraylist_to_blobprotovecor_str blobprotovector_str_to_arraylist array_to_datum datum_to_array",
    "net_spec": "Top Function NetSpec Layers Parameters layers params to_proto assign_proto param_name_dict",
    "coord_map": "PASS_THROUGH_LAYERS conv_params crop_params UndefinedMapException coord_map AxisMismatchException "
                 "compose inverse coord_map_from_to crop",
    "draw": "get_pooling_types_dict get_edge_label get_layer_lr_mult get_layer_label choose_color_by_layertype "
            "get_pydot_graph draw_net draw_net_to_file",
    "classifier": "Classifier",
    "detector": "Detector",
}
METHODS = {
    "Net": "blobs blob_loss_weights layer_dict params inputs outputs layers bottom_names top_names forward backward "
           "forward_all forward_backward_all set_input_arrays reshape clear_param_diffs copy_from share_with save "
           "save_hdf5 load_hdf5 before_forward after_forward before_backward after_backward _forward _backward "
           "_blob_names _layer_names _bottom_ids _top_ids _inputs _outputs _blobs",
    "Blob": "shape num channels height width count reshape data diff",
    "layer": "blobs setup reshape type",
    "Solver": "net test_nets iter solve step restore snapshot add_callback apply_update share_weights param",
    "Timer": "start stop ms",
    "Transformer": "preprocess deprocess set_transpose set_channel_swap set_raw_scale set_mean set_input_scale inputs "
                   "transpose channel_swap raw_scale mean input_scale",
    "NetSpec": "tops keys vals update to_proto __getitem__ __setitem__ __delitem__",
    "Classifier": "predict transformer image_dims crop_dims",
    "Detector": "detect_windows detect_selective_search crop configure_crop",
}
SMALL = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 4 dim: 5 } } }
layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: 2 } }
"""


@pytest.mark.parametrize("module, name", [(module, name) for module, names in NAMES.items() for name in names.split()])
def test_module(module, name):
    found = importlib.import_module(f"deeplandmark.caffe.{module}" if module else "deeplandmark.caffe")
    assert hasattr(found, name)


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    folder = tmp_path_factory.mktemp("names")
    (folder / "net.prototxt").write_text(SMALL)
    net = caffe.Net(SMALL, caffe.TEST)
    net.save(folder / "net.caffemodel")
    files = (str(folder / "net.prototxt"), str(folder / "net.caffemodel"))
    solver = caffe.get_solver(caffe.proto.caffe_pb2.SolverParameter(
        train_net=files[0], base_lr=0.1, lr_policy="fixed", snapshot_prefix=f"{folder}/"))
    return {"Net": net, "Blob": net.blobs["data"], "layer": net.layers[1], "Solver": solver, "Timer": caffe.Timer(),
            "Transformer": caffe.io.Transformer({"data": (1, 3, 4, 5)}), "NetSpec": caffe.NetSpec(),
            "Classifier": caffe.Classifier(*files), "Detector": caffe.Detector(*files)}


@pytest.mark.parametrize("kind, name", [(kind, name) for kind, names in METHODS.items() for name in names.split()])
def test_object(objects, kind, name):
    assert hasattr(objects[kind], name)


def test_every_argument_form_of_net(tmp_path):
    file, weights = str(tmp_path / "net.prototxt"), str(tmp_path / "net.caffemodel")
    Path(file).write_text(SMALL)
    first = caffe.Net(file, caffe.TEST)
    first.params["fc"][0].data[...] = 7
    first.save(weights)
    forms = [caffe.Net(file, weights, caffe.TEST), caffe.Net(file, caffe.TEST, weights=weights),
             caffe.Net(network_file=file, phase=caffe.TEST, weights=weights),
             caffe.Net(file, caffe.TEST, 0, None, weights), caffe.Net(file, weights, phase=caffe.TEST),
             caffe.Net(file, caffe.TEST, level=1, stages=["deploy"], weights=weights),
             caffe.Net(network_file=file, phase=caffe.TEST, level=0, stages=None, weights=weights)]
    for net in forms:
        assert (net.params["fc"][0].data == 7).all()
    with pytest.raises(caffe.CaffeError, match="needs a phase"):
        caffe.Net(file)
    with pytest.raises(caffe.CaffeError, match="missing.caffemodel"):
        caffe.Net(file, str(tmp_path / "missing.caffemodel"), caffe.TEST)


@pytest.mark.parametrize("name", ["SGDSolver", "NesterovSolver", "AdaGradSolver", "RMSPropSolver", "AdaDeltaSolver",
                                  "AdamSolver", "get_solver"])
def test_every_solver_takes_a_file(name, tmp_path):
    net, file = tmp_path / "net.prototxt", tmp_path / "solver.prototxt"
    net.write_text(SMALL)
    file.write_text(f'train_net: "{net}" base_lr: 0.1 lr_policy: "fixed"')
    solver = getattr(caffe, name)(str(file))
    assert solver.iter == 0 and list(solver.test_nets) == [] and solver.param.base_lr == pytest.approx(0.1)


def test_forward_backward_all(objects):
    net = caffe.Net(SMALL + "force_backward: true", caffe.TRAIN)
    data = np.random.default_rng(0).standard_normal((5, 3, 4, 5)).astype(np.float32)
    outputs, diffs = net.forward_backward_all(data=data, fc=np.ones((5, 2), np.float32), diffs=["fc"])
    assert outputs["fc"].shape == (5, 2) and diffs["data"].shape == data.shape and diffs["fc"].shape == (5, 2)
    np.testing.assert_allclose(outputs["fc"], net.forward_all(data=data)["fc"])
    assert net.forward_backward_all(data=data)[0]["fc"].shape == (5, 2)        # diffs as they stand
    with pytest.raises(caffe.CaffeError, match="5 rows of inputs, 4"):
        net.forward_backward_all(data=data, fc=np.ones((4, 2)))


def test_process_settings(capfd, monkeypatch):
    monkeypatch.setenv("GLOG_minloglevel", "0")
    assert (caffe.solver_count(), caffe.solver_rank(), caffe.has_nccl()) == (1, 0, True)
    caffe.log("a line")
    caffe.init_log(2)
    caffe.log("a quiet line")
    written = capfd.readouterr().err
    assert "] a line" in written and "quiet" not in written
    assert caffe.NCCL.new_uid() != caffe.NCCL.new_uid()           # training with them: test_ranks.py


@pytest.mark.process
@pytest.mark.slow
def test_import_forms():
    code = ("from deeplandmark.caffe import layers as L, params as P\n"
            "import deeplandmark.caffe.io, deeplandmark.caffe.draw\n"
            "from deeplandmark.caffe.proto import caffe_pb2\n"
            "from deeplandmark.caffe.coord_map import crop\n"
            "from deeplandmark.caffe import *\n"
            "print(L.ReLU, P.Pooling.AVE, NetSpec, caffe_pb2.TEST, Timer)")
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.process
@pytest.mark.slow
def test_nothing_of_faces_is_loaded():
    code = "import sys, deeplandmark.caffe as c; c.io, c.draw, c.coord_map, c.Classifier, c.SGDSolver\n" \
           "bad = [m for m in sys.modules if m.startswith(('deeplandmark.faces', 'deeplandmark.cascade'))]\n" \
           "sys.exit(str(bad) if bad else 0)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
