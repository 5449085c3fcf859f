"""The layer types, one file per family. Importing this package fills the registry."""
from deeplandmark.caffe.layers import (
    accuracy,  # noqa: F401
    annotated_data,  # noqa: F401
    cascade_boxes,  # noqa: F401
    class_loss,  # noqa: F401
    class_margins,  # noqa: F401
    contrastive_loss,  # noqa: F401
    convolution,  # noqa: F401
    correlation,  # noqa: F401
    ctc_decoder,  # noqa: F401
    ctc_loss,  # noqa: F401
    data,  # noqa: F401
    data_augmentation,  # noqa: F401
    deconvolution,  # noqa: F401
    deformable,  # noqa: F401
    dense_detection,  # noqa: F401
    detection_evaluate,  # noqa: F401
    eltwise,  # noqa: F401
    face_losses,  # noqa: F401
    flow_loss,  # noqa: F401
    flow_maps,  # noqa: F401
    fork_batch_norm,  # noqa: F401
    fork_layers,  # noqa: F401
    fork_lstm,  # noqa: F401
    fork_scaling,  # noqa: F401
    fork_shape,  # noqa: F401
    hard_examples,  # noqa: F401
    hdf5_data,  # noqa: F401
    hdf5_output,  # noqa: F401
    image_data,  # noqa: F401
    image_seg_data,  # noqa: F401
    indexing,  # noqa: F401
    inner_product,  # noqa: F401
    interp,  # noqa: F401
    lmdb_data,  # noqa: F401
    local_share,  # noqa: F401
    lrn,  # noqa: F401
    mask_regions,  # noqa: F401
    multibox_loss,  # noqa: F401
    neuron,  # noqa: F401
    normalise,  # noqa: F401
    parameter,  # noqa: F401
    patch_data,  # noqa: F401
    point_patches,  # noqa: F401
    point_sift,  # noqa: F401
    pooling,  # noqa: F401
    pose_maps,  # noqa: F401
    proposal,  # noqa: F401
    psroi,  # noqa: F401
    python_layer,  # noqa: F401
    recurrent,  # noqa: F401
    reduction,  # noqa: F401
    regression_loss,  # noqa: F401
    resample,  # noqa: F401
    ristretto,  # noqa: F401
    roi,  # noqa: F401
    scale,  # noqa: F401
    selective_loss,  # noqa: F401
    shape,  # noqa: F401
    similarity,  # noqa: F401
    soft_argmax,  # noqa: F401
    softmax,  # noqa: F401
    spatial_transformer,  # noqa: F401
    spp,  # noqa: F401
    ssd,  # noqa: F401
    volumes,  # noqa: F401
    window_data,  # noqa: F401
    windows,  # noqa: F401
    yolo,  # noqa: F401
)
from deeplandmark.caffe.layers.python_layer import register_layer
from deeplandmark.caffe.layers.registry import create_layer, layer, layer_type_list

__all__ = ["create_layer", "layer", "layer_type_list", "register_layer"]


def __getattr__(name):
    """`from deeplandmark.caffe import layers as L`: L.Convolution(...) makes a layer of a NetSpec, as in pycaffe."""
    if not name[:1].isupper():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from deeplandmark.caffe.net_spec import layers  # protobuf alone; nets that are read need none of it
    return getattr(layers, name)
