"""The layer types, one file per family. Importing this package fills the registry."""
from deeplandmark.caffe.layers import accuracy        # noqa: F401
from deeplandmark.caffe.layers import activations     # noqa: F401
from deeplandmark.caffe.layers import class_loss      # noqa: F401
from deeplandmark.caffe.layers import contrastive_loss  # noqa: F401
from deeplandmark.caffe.layers import convolution     # noqa: F401
from deeplandmark.caffe.layers import data            # noqa: F401
from deeplandmark.caffe.layers import deconvolution   # noqa: F401
from deeplandmark.caffe.layers import eltwise         # noqa: F401
from deeplandmark.caffe.layers import fork_layers     # noqa: F401
from deeplandmark.caffe.layers import hdf5_data       # noqa: F401
from deeplandmark.caffe.layers import hdf5_output     # noqa: F401
from deeplandmark.caffe.layers import image_data      # noqa: F401
from deeplandmark.caffe.layers import indexing        # noqa: F401
from deeplandmark.caffe.layers import inner_product   # noqa: F401
from deeplandmark.caffe.layers import lmdb_data       # noqa: F401
from deeplandmark.caffe.layers import local_share     # noqa: F401
from deeplandmark.caffe.layers import loss            # noqa: F401
from deeplandmark.caffe.layers import lrn             # noqa: F401
from deeplandmark.caffe.layers import neuron          # noqa: F401
from deeplandmark.caffe.layers import normalise       # noqa: F401
from deeplandmark.caffe.layers import parameter       # noqa: F401
from deeplandmark.caffe.layers import patch_data      # noqa: F401
from deeplandmark.caffe.layers import pooling         # noqa: F401
from deeplandmark.caffe.layers import python_layer    # noqa: F401
from deeplandmark.caffe.layers import recurrent       # noqa: F401
from deeplandmark.caffe.layers import reduction       # noqa: F401
from deeplandmark.caffe.layers import scale           # noqa: F401
from deeplandmark.caffe.layers import shape           # noqa: F401
from deeplandmark.caffe.layers import softmax         # noqa: F401
from deeplandmark.caffe.layers import spp             # noqa: F401
from deeplandmark.caffe.layers import window_data     # noqa: F401
from deeplandmark.caffe.layers import windows         # noqa: F401
from deeplandmark.caffe.layers.registry import create_layer, layer, layer_type_list

__all__ = ["create_layer", "layer", "layer_type_list"]


def __getattr__(name):
    """`from deeplandmark.caffe import layers as L`: L.Convolution(...) makes a layer of a NetSpec, as in pycaffe."""
    if not name[:1].isupper():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from deeplandmark.caffe.net_spec import layers                # protobuf alone; nets that are read need none of it
    return getattr(layers, name)
