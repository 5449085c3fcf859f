"""Functions of single numbers behind the maxima and absolute values that they commute with: fewer numbers remain."""

# f with f(max(a, b)) = max(f(a), f(b)): they may as well be applied after the maximum, to a quarter of the numbers.
MONOTONE = ("TanH", "Sigmoid", "ReLU")


def pooled_first(layers, movable, alone=lambda place: True):
    """The order in which a chain of layers is better run: max pooling and AbsVal before functions that do not mind.

    max tanh x = tanh max x for every monotone function, |tanh x| = tanh |x| for TanH. The values are the same.

    Parameters
    ----------
    layers : list of Layer
    movable : of MONOTONE, the layer types that may go behind
    alone : callable
        Place in the chain -> whether what stands there is read by the next layer alone.

    Returns
    -------
    list of int
        Indices of `layers`.
    """
    order, moved = list(range(len(layers))), True
    while moved:
        moved = False
        for place in range(len(order) - 1):
            one, other = layers[order[place]], layers[order[place + 1]]
            if one.param.type in movable and _commute(one, other) and alone(place):
                order[place:place + 2], moved = [order[place + 1], order[place]], True
    return order


def windows_beside_each_other(layer):
    """[rows, columns] of the windows of a MAX pooling whose windows do not overlap, else None."""
    plain = layer.param.type == "Pooling" and layer.is_max and layer.kernel == layer.stride and not any(layer.pad)
    return list(layer.kernel) if plain and layer.num_tops == 1 else None


def _commute(one, other):
    return one.param.type == "TanH" and other.param.type == "AbsVal" or windows_beside_each_other(other) is not None
