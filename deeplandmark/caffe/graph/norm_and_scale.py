"""BatchNorm and the Scale behind it as one operation: two passes over the maps less forward, two less backward."""


class NormAndScale:
    """Called as the two layers one after the other.

    Parameters
    ----------
    norm : BatchNorm
    scale : Scale
        With a factor, and perhaps a summand, for each channel.
    """

    def __init__(self, norm, scale):
        self.norm, self.scale = norm, scale
        self.fail, self.blame_empty_bottom = norm.fail, norm.blame_empty_bottom

    def __call__(self, x):
        factor, *summand = self.scale.blobs
        return self.norm.normalised(x, factor, *summand),


def run_together(graph, index):
    """Whether (bool) nobody can see what a node of a Graph leaves to the next one: a BatchNorm in whose top a Scale
    works in place."""
    if index + 1 >= len(graph.nodes):
        return False
    norm, scale = graph.nodes[index:index + 2]
    return (norm.type == "BatchNorm" and scale.type == "Scale" and norm.tops == scale.bottoms == scale.tops
            and scale.layer.start == 1 and tuple(scale.layer.blobs[0].shape) == (norm.layer.channels,)
            and not scale.layer.param.propagate_down)
