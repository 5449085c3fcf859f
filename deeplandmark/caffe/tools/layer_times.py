"""What `caffe time` prints: forward and backward of every layer, in milliseconds (tools/caffe.cpp)."""

import time

import torch


def log_times(net, iterations, log):
    """Time a Net layer by layer over a number of iterations and write Caffe's lines to a Log.

    Layers run one by one, on blobs that are kept. Training runs the whole graph at once, which is timed as well, in a
    last line of our own.
    """
    layers = range(len(net.graph.nodes))
    log.info("caffe.cpp:351", "Performing Forward")
    log.info("caffe.cpp:356", f"Initial loss: {float(net._forward(0, layers[-1])):g}")
    log.info("caffe.cpp:357", "Performing Backward")
    net._backward(layers[-1], 0)
    log.info("caffe.cpp:365", "*** Benchmark begins ***")
    log.info("caffe.cpp:366", f"Testing for {iterations} iterations.")
    forward, backward = [0.0] * len(layers), [0.0] * len(layers)
    start = _now(net)
    for iteration in range(1, iterations + 1):
        begun = _now(net)
        for i in layers:
            forward[i] += _seconds(net, net._forward, i)
        for i in reversed(layers):
            backward[i] += _seconds(net, net._backward, i)
        log.info("caffe.cpp:394", f"Iteration: {iteration} forward-backward time: {1e3 * (_now(net) - begun):g} ms.")
    total = _now(net) - start
    _log_layers(net, [1e3 * t / iterations for t in forward], [1e3 * t / iterations for t in backward], log)
    log.info("caffe.cpp:412", f"Average Forward-Backward: {1e3 * total / iterations:g} ms.")
    log.info("caffe.cpp:414", f"Total Time: {1e3 * total:g} ms.")
    log.info("caffe.cpp:415", "*** Benchmark ends ***")
    log.info("benchmark.py:1", f"Average Forward-Backward of the whole graph at once: {_whole(net, iterations):g} ms.")


def _log_layers(net, forward, backward, log):
    log.info("caffe.cpp:397", "Average time per layer: ")
    for node, forth, back in zip(net.graph.nodes, forward, backward):
        log.info("caffe.cpp:400", f"{node.name:>10}\tforward: {forth:g} ms.")
        log.info("caffe.cpp:403", f"{node.name:>10}\tbackward: {back:g} ms.")
    log.info("caffe.cpp:408", f"Average Forward pass: {sum(forward):g} ms.")
    log.info("caffe.cpp:410", f"Average Backward pass: {sum(backward):g} ms.")


def _whole(net, iterations):
    start = _now(net)
    for _ in range(iterations):
        net.clear_param_diffs()
        net.forward_backward()
    return 1e3 * (_now(net) - start) / iterations


def _seconds(net, run, layer):
    start = _now(net)
    run(layer, layer)
    return _now(net) - start


def _now(net):
    """Seconds, once the device has done what it was told."""
    if net.device.type == "cuda":
        torch.cuda.synchronize(net.device)
    return time.perf_counter()
