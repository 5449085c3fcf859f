"""The hidden layer of a network: what its last InnerProduct layer gets, by which its confidence goes."""


def hidden_blob(graph):
    """The position of the blob that the last InnerProduct layer of a Graph gets; None without such a layer."""
    return next((node.bottoms[0] for node in reversed(graph.nodes) if node.type == "InnerProduct"), None)
