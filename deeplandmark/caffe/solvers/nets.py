"""The nets of a solver: one to train, any number to test (solver.cpp, InitTrainNet and InitTestNets)."""

from deeplandmark.caffe.files.prototxt import read_source
from deeplandmark.caffe.logs.net_log import log_net
from deeplandmark.caffe.net import Net
from deeplandmark.caffe.proto import caffe_pb2


def train_net(param, device, log, strict=False):
    """The Net in phase TRAIN of a SolverParameter, weights loaded (solver.cpp, InitTrainNet).

    It comes from whichever of net, net_param, train_net, train_net_param is given.
    """
    field = next(f for f in ("train_net_param", "train_net", "net_param", "net") if param.HasField(f))
    log.info("solver.cpp:102", _creating("training net", field, param))
    return _build(getattr(param, field), caffe_pb2.TRAIN, param.train_state, param, device, log, strict)


def test_nets(param, device, log, strict=False):
    """The Nets in phase TEST, one for each test_iter (solver.cpp, InitTestNets).

    test_net_param come first, then test_net, then the train net's source.
    """
    sources = [("test_net_param", source) for source in param.test_net_param]
    sources += [("test_net file", source) for source in param.test_net]
    generic = ("net_param", param.net_param) if param.HasField("net_param") else ("net file", param.net)
    sources += [generic] * (len(param.test_iter) - len(sources))
    nets = []
    for i, (kind, source) in enumerate(sources):
        name = f": {source}" if isinstance(source, str) else ""
        log.info("solver.cpp:190", f"Creating test net (#{i}) specified by {kind}{name}")
        state = param.test_state[i] if param.test_state else caffe_pb2.NetState()
        nets.append(_build(source, caffe_pb2.TEST, state, param, device, log, strict))
        nets[-1].set_debug_info(param.debug_info, log)
    return nets


def _creating(what, field, param):
    value = getattr(param, field)
    if isinstance(value, str):
        return f"Creating {what} from {field} file: {value}"
    return f"Creating {what} specified in {field}."


def _build(source, phase, state, param, device, log, strict):
    seed = param.random_seed if param.random_seed >= 0 else None
    source, stages = read_source(source, strict), tuple(state.stage)
    net = Net(source, phase, level=state.level, stages=stages, seed=seed, device=device)
    log_net(log, net, source, state.level, stages)
    for weights in _weight_files(param):
        log.info("solver.cpp:72", f"Finetuning from {weights}")
        net.copy_from(weights)
    return net


def _weight_files(param):
    """`weights` may be repeated, and each may list several files between commas."""
    return [name.strip() for names in param.weights for name in names.split(",") if name.strip()]
