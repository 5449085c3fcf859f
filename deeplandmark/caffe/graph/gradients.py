"""Which layers and blobs take part in backward (net.cpp, Net::Init)."""


def find_needs(graph, force_backward):
    """Fills Node.needs_backward and Node.bottom_needs, Graph.blob_needs, and requires_grad of the parameters.

    A layer runs backward when it or something before it learns, and something behind it is a loss (net.cpp, Net::Init).
    force_backward (bool) runs all of them.
    """
    wanted = set()                                               # ids of parameters that get a gradient
    graph.blob_needs = [False] * len(graph.blob_names)
    for node in graph.nodes:
        _forward_needs(graph, node, wanted)
    _drop_what_no_loss_sees(graph)
    if force_backward:
        _force(graph)
        wanted = None
    for node in graph.nodes:
        for parameter in node.layer._parameters.values():
            parameter.requires_grad_(wanted is None or id(parameter) in wanted)


def _forward_needs(graph, node, wanted):
    """Needs that come from below: learned parameters, and propagate_down where it is given."""
    param = node.layer.param
    inherited = [graph.blob_needs[blob] for blob in node.bottoms]
    node.bottom_needs = list(param.propagate_down) or inherited
    learns = False
    for index, parameter in enumerate(node.layer._parameters.values()):
        if index >= len(param.param) or param.param[index].lr_mult != 0:
            wanted.add(id(parameter))
            learns = True
    node.needs_backward = learns or any(inherited)
    for blob in node.tops:
        graph.blob_needs[blob] = graph.blob_needs[blob] or node.needs_backward


def _drop_what_no_loss_sees(graph):
    """From the last layer back: what does not lead to a loss, or only to layers that pass nothing down, is left out."""
    under_loss, skipped = set(), set()
    for node in reversed(graph.nodes):
        leads_to_loss = any(weight or blob in under_loss for weight, blob in zip(node.loss_weights, node.tops))
        if node.needs_backward and all(blob in skipped for blob in node.tops):
            node.needs_backward = False
            node.bottom_needs = [False] * len(node.bottoms)
        if leads_to_loss:
            under_loss.update(node.bottoms)
        else:
            node.needs_backward = False
            node.bottom_needs = [False] * len(node.bottoms)
        skipped.update(blob for blob, need in zip(node.bottoms, node.bottom_needs) if not need)


def _force(graph):
    """force_backward: every layer, and every bottom that can have a gradient."""
    for node in graph.nodes:
        node.needs_backward = True
        for index, blob in enumerate(node.bottoms):
            if index not in node.layer.no_gradient_bottoms:
                node.bottom_needs[index] = True
            graph.blob_needs[blob] = graph.blob_needs[blob] or node.bottom_needs[index]
