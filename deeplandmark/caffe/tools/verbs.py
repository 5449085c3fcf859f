"""The verbs of the `caffe` program, functions of the parsed flags and a Log, with its log lines (tools/caffe.cpp)."""
import os
from contextlib import nullcontext

from deeplandmark.caffe.errors import CaffeError, SolverError
from deeplandmark.caffe.logs.log import loss_note
from deeplandmark.caffe.proto import caffe_pb2
from deeplandmark.caffe.solvers.signals import SignalRequests
from deeplandmark.work.heap import keep_freed_memory
from deeplandmark.work.torchrun import local_count, local_rank


def train(options, log):
    """Train a net; goes on from --snapshot, or starts from --weights."""
    from deeplandmark.caffe.files import prototxt
    from deeplandmark.caffe.solvers.ranks import Ranks

    _require(options.solver, "a solver definition: --solver FILE")
    if options.snapshot and options.weights:
        raise SolverError("give a snapshot to resume training or weights to finetune, not both")
    param = prototxt.read_solver(options.solver, options.strict)
    param.train_state.level = options.level
    param.train_state.stage.extend(_stages(options))
    if options.weights:
        param.weights.append(options.weights)
    if not param.HasField("snapshot_prefix"):
        param.snapshot_prefix = os.path.splitext(options.solver)[0]
    keep_freed_memory()
    device = _device(options, log, "caffe.cpp:197", param.solver_mode == param.GPU, param.device_id)
    ranks = Ranks.of_environment(options.batch_size_of == "all", device)
    with (ranks or nullcontext(), ranks.sharing() if ranks else nullcontext(),
          SignalRequests(options.sigint_effect, options.sighup_effect) as requests):
        _solve(param, options, (device, log), ranks, requests)
    log.info("caffe.cpp:250", "Optimization Done.")


def _solve(param, options, where, ranks, requests):
    from deeplandmark.caffe.solvers import get_solver

    device, log = where
    if ranks:
        ranks.agree_on_seed(param)
    solver = get_solver(param, device=device, log=log, strict=options.strict)
    solver.set_action_function(requests)
    solver.ranks = ranks
    if options.snapshot and solver.is_root:
        log.info("caffe.cpp:235", f"Resuming from {options.snapshot}")
        solver.restore(options.snapshot)
    log.info("caffe.cpp:239", "Starting Optimization")
    solver.solve()


def test(options, log):
    """Score a net: the mean of each output over --iterations batches.

    Of outputs of DetectionEvaluate it is the mean average precision by --ap_version.
    """
    from deeplandmark.caffe.solvers.average_precision import AveragePrecision

    _require(options.model, "a model definition to score: --model FILE")
    _require(options.weights, "model weights to score: --weights FILE")
    _require_iterations(options)
    device = _device(options, log, "caffe.cpp:275")
    net = _net(options, caffe_pb2.TEST, device, log)
    for weights in options.weights.split(","):
        net.copy_from(weights)
    log.info("caffe.cpp:281", f"Running for {options.iterations} iterations.")
    sums, total = {}, 0.0
    detections = {name: AveragePrecision(options.ap_version) for name in _detection_outputs(net)}
    for batch in range(options.iterations):
        outputs, loss = net.forward_loss()
        total += float(loss)
        for name in net.outputs:
            if name in detections:
                detections[name].add(outputs[name])
                continue
            values = outputs[name].double().reshape(-1)
            sums[name] = sums[name] + values if name in sums else values.clone()
            for value in values.tolist():
                log.info("caffe.cpp:304", f"Batch {batch}, {name} = {value:g}")
    log.info("caffe.cpp:309", f"Loss: {total / options.iterations:g}")
    for name, weight in zip(net.outputs, net.output_loss_weights):
        means = [detections[name].mean()] if name in detections else (sums[name] / options.iterations).tolist()
        for value in means:
            log.info("caffe.cpp:321", f"{name} = {value:g}{loss_note(weight, value)}")


def time(options, log):
    """Time forward and backward of a net, layer by layer."""
    from deeplandmark.caffe.tools.layer_times import log_times

    _require(options.model, "a model definition to time: --model FILE")
    _require_iterations(options)
    phase = caffe_pb2.TEST if options.phase == "TEST" else caffe_pb2.TRAIN
    device = _device(options, log, "caffe.cpp:343")
    net = _net(options, phase, device, log)
    if options.weights:
        net.copy_from(options.weights)
    log_times(net, options.iterations, log)


def device_query(options, log):
    """Show the GPUs that --gpu names (all of them by default)."""
    import torch

    count = torch.cuda.device_count()
    if not count:
        raise CaffeError("no GPU found")
    ids = range(count) if options.gpu in ("", "all") else [_gpu_id(options.gpu)]
    log.info("caffe.cpp:138", f"Querying GPUs {','.join(map(str, ids))}")
    for i in ids:
        if i >= count:
            raise CaffeError(f"GPU {i} not found, there are {count}")
        device = torch.cuda.get_device_properties(i)
        log.info("common.cpp:203", f"Device id:                     {i}")
        log.info("common.cpp:204", f"Major revision number:         {device.major}")
        log.info("common.cpp:205", f"Minor revision number:         {device.minor}")
        log.info("common.cpp:206", f"Name:                          {device.name}")
        log.info("common.cpp:207", f"Total global memory:           {device.total_memory}")
        log.info("common.cpp:218", f"Number of multiprocessors:     {device.multi_processor_count}")


def _net(options, phase, device, log):
    """The net of --model for --level and --stage, with Caffe's lines about it."""
    from deeplandmark.caffe.files.prototxt import read_source
    from deeplandmark.caffe.logs.net_log import log_net
    from deeplandmark.caffe.net import Net

    source, stages = read_source(options.model, options.strict), _stages(options)
    net = Net(source, phase, level=options.level, stages=stages, device=device)
    log_net(log, net, source, options.level, stages)
    return net


def _detection_outputs(net):
    """Names of the outputs that DetectionEvaluate makes, whose rows have no mean."""
    made = {name for layer, names in net.top_names.items() if net.layer_dict[layer].type == "DetectionEvaluate"
            for name in names}
    return [name for name in net.outputs if name in made]


def _require(value, what):
    if not value:
        raise CaffeError(f"need {what}")


def _require_iterations(options):
    if options.iterations < 1:
        raise CaffeError(f"--iterations must be at least 1, found {options.iterations}")


def _stages(options):
    return tuple(stage for stage in options.stage.split(",") if stage)


def _gpu_id(text):
    """The GPU (int) of this process: of several, as many as torchrun has started here, the one of its place."""
    names = text.split(",")
    if not all(name.isdigit() for name in names):
        raise CaffeError(f"--gpu takes numbers of GPUs, found {text!r}")
    if len(names) > 1 and len(names) != local_count():
        raise CaffeError(f"--gpu {text}: {len(names)} GPUs train in as many processes: torchrun --nproc-per-node "
                         f"{len(names)} -m deeplandmark.caffe train ...")
    return int(names[local_rank() % len(names)])


def _device(options, log, source, prefer_gpu=False, preferred=0):
    """torch device: the GPU of --gpu, else the solver's where there is one, else the CPU."""
    import torch

    if options.gpu:
        number = local_rank() if options.gpu == "all" else _gpu_id(options.gpu)
        if number >= torch.cuda.device_count():
            raise CaffeError(f"--gpu {options.gpu}: not found, this machine has {torch.cuda.device_count()} GPUs")
    elif prefer_gpu and torch.cuda.is_available():
        number = preferred + local_rank()
    else:
        log.info(source, "Use CPU.")
        return "cpu"
    log.info(source, f"Using GPUs {number}")
    return f"cuda:{number}"
