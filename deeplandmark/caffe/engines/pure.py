"""Which nets may run in another order, or twice, without anybody noticing."""
from deeplandmark.caffe.onnx.registry import exported_types
from deeplandmark.caffe.proto import caffe_pb2

_STATEFUL = {"DummyData", "LSTM", "RNN", "Parameter"}            # state between forwards, or values without bottoms
_ALSO_PURE = {"DeformableConvolution", "DetectionOutput", "Downsample", "Input", "Proposal", "Split",
              "YoloDetectionOutput", "Yolov3DetectionOutput"}


def is_pure(graph, phase):
    """Whether (bool) the blobs of a Graph follow from its inputs and parameters alone, and forward changes nothing.

    That is in TEST without data layers, losses, recurrent layers, Python layers, statistics that go on, and layers that
    write into an input in place.
    """
    return phase == caffe_pb2.TEST and all(_is_pure(node) and not any(node.loss_weights) and not (
        node.bottoms and set(node.tops) & set(graph.inputs)) for node in graph.nodes)


def _is_pure(node):
    layer = node.layer
    if layer.runs_user_code or node.type in _STATEFUL or node.type == "BatchNorm" and not layer.global_stats:
        return False
    return node.type in _ALSO_PURE or node.type in exported_types()
