"""What Caffe prints while it builds a net: definition, layers, shapes, memory (net.cpp, Net::Init)."""
import math

from google.protobuf import text_format

from deeplandmark.caffe.files.blob_proto import shape_text
from deeplandmark.caffe.graph.phase_rules import layer_is_included
from deeplandmark.caffe.proto import caffe_pb2

_FLOAT = 4                                                       # bytes
_PHASE_LINE = 296                                                # one place for all that rules leave out


def log_net(log, net, source, level=0, stages=()):
    """Writes the lines about a Net that was built from a NetSource for a level and stages."""
    state = caffe_pb2.NetState(phase=net.phase, level=level, stage=stages)
    layers = [layer for layer in source.message.layer if layer_is_included(layer, net.phase, level, stages)]
    _log_rules(log, source.message.layer, state)
    definition = caffe_pb2.NetParameter()
    definition.CopyFrom(source.message)
    definition.ClearField("layer")
    definition.layer.extend(layers)
    definition.state.CopyFrom(state)
    log.info("net.cpp:53", "Initializing net from parameters: \n" + text_format.MessageToString(definition).rstrip())
    memory = 0
    for node in net.graph.nodes:
        memory = _log_layer(log, net.graph, node, memory)
    for node in reversed(net.graph.nodes):
        if node.needs_backward:
            log.info("net.cpp:200", f"{node.name} needs backward computation.")
        else:
            log.info("net.cpp:202", f"{node.name} does not need backward computation.")
    for name in net.outputs:
        log.info("net.cpp:244", f"This network produces output {name}")
    log.info("net.cpp:257", "Network initialization done.")


def _log_layer(log, graph, node, memory):
    """The lines of one layer; returns the bytes of all tops so far."""
    log.info("layer_factory.hpp:77", f"Creating layer {node.name}")
    log.info("net.cpp:86", f"Creating Layer {node.name}")
    for blob in node.bottoms:
        log.info("net.cpp:408", f"{node.name} <- {graph.blob_names[blob]}")
    for blob in node.tops:
        if blob in node.bottoms:
            log.info("net.cpp:369", f"{node.name} -> {graph.blob_names[blob]} (in-place)")
        else:
            log.info("net.cpp:382", f"{node.name} -> {graph.blob_names[blob]}")
    log.info("net.cpp:124", f"Setting up {node.name}")
    for blob, weight in zip(node.tops, node.loss_weights):
        log.info("net.cpp:131", f"Top shape: {shape_text(graph.blob_shapes[blob])}")
        if weight:
            log.info("net.cpp:134", f"    with loss weight {weight:g}")
        memory += _FLOAT * math.prod(graph.blob_shapes[blob])
    log.info("net.cpp:139", f"Memory required for data: {memory}")
    return memory


def _log_rules(log, layers, state):
    """Why rules are not met, one line for each."""
    for layer in layers:
        for rule in layer.include or layer.exclude:
            reason = _broken(rule, state)
            if reason:
                log.info(f"net.cpp:{_PHASE_LINE}", f"The NetState {reason} specified by a rule in layer {layer.name}")
            elif layer.include:
                break                                            # the first rule that is met decides


def _broken(rule, state):
    """The first condition of a rule that does not hold, in Caffe's words; None when all do."""
    if rule.HasField("phase") and rule.phase != state.phase:
        return f"phase ({state.phase}) differed from the phase ({rule.phase})"
    if rule.HasField("min_level") and state.level < rule.min_level:
        return f"level ({state.level}) is above the min_level ({rule.min_level})"      # Caffe says above for below
    if rule.HasField("max_level") and state.level > rule.max_level:
        return f"level ({state.level}) is above the max_level ({rule.max_level})"
    missing = [stage for stage in rule.stage if stage not in state.stage]
    if missing:
        return f"did not contain stage '{missing[0]}'"
    unwanted = [stage for stage in rule.not_stage if stage in state.stage]
    return f"contained a not_stage '{unwanted[0]}'" if unwanted else None
