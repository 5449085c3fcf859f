"""The levels of the cascade as nodes, one after the other.

Points and their geometry have the axes (n, k, 2): faces, points, x and y in pixels.
"""
from dataclasses import dataclass

import numpy as np

from deeplandmark.cascade.confidence.confidence import DISAGREEMENT, EPSILON
from deeplandmark.cascade.confidence.error_from_hidden_layers import names_of_weights, weights_in_use
from deeplandmark.cascade.networks import LEVELS, levels_of
from deeplandmark.cascade.onnx.stacks import run_stack, run_whole
from deeplandmark.cascade.onnx.windows import cut_patches, extents, split
from deeplandmark.work.patch_variance import FLAT

OUTPUTS = ("levels", "spread", "confidence", "first")


@dataclass(frozen=True)
class Level:
    """The networks of a level, arranged.

    Attributes
    ----------
    number : int
    places : list of Places
    stacks : list of lists of Stack, for each of `places`
    """
    number: int
    places: list
    stacks: list


class CascadeNodes:
    """Writes the levels.

    Parameters
    ----------
    settings : CascadeSettings
    levels : list of Level
    picture : Picture
    faces : FaceNodes
        Where they are `mirrored`, the second half of them is the first half mirrored; answers are means of both.
    """

    def __init__(self, settings, levels, picture, faces):
        self.settings, self.levels, self.picture, self.faces = settings, levels, picture, faces
        networks = [network for level in levels for stacks in level.stacks for stack in stacks
                    for network in stack.networks]
        self._hidden_weights = weights_in_use(settings, len(levels_of(networks)))

    def run(self, b):
        """The names of levels (n, L, k, 2), spread (n, L, k), confidence (n, k) and first (n, k, 2)."""
        k, self._hidden_odds = len(self.settings.points), None
        self.blocks = extents(b, self.picture, [level.places for level in self.levels], self.faces.longest)
        whole = self.levels[0].stacks[0][0].networks[0].earlier
        points, spreads, first = self._whole(b) if whole else self._one_after_another(b)
        self.count = count = len(points)
        b.begin_layer("results", [])
        share = self.settings.level_1_share
        if share and len(points) == len(LEVELS):                 # as in level_1_share.py
            points[-1] = b.node("Add", b.node("Mul", points[-1], 1 - share), b.node("Mul", points[0], share))
        levels = b.node("Reshape", b.node("Concat", *points, axis=1), b.constant([0, count, k, 2]))
        spread = b.node("Reshape", b.node("Concat", *spreads, axis=1), b.constant([0, count, k]))
        levels, spread = self._unmirrored(b, levels), self._unmirrored(b, spread)
        return levels, spread, self._confidence(b, levels, spread), self._unmirrored(b, first, axis=1)

    def _one_after_another(self, b):
        """Points and spread after each level, lists, and the points of F."""
        found, spread, first = self._level(b, 0, None)
        points, spreads = [found], [spread]
        for index in range(1, len(self.levels)):
            found, spread = self._level(b, index, points[-1])
            points.append(found)
            spreads.append(spread)
        return points, spreads, first

    def _whole(self, b):
        """The same of one network that is a whole cascade: nothing disagrees with it."""
        (places,), (((stack,),),) = self.levels[0].places, [self.levels[0].stacks]
        b.begin_layer("level1", [])
        patches = cut_patches(b, self.picture, self.faces, places, self.faces.corner, b.node("Gather", self.blocks, 0))
        (network,), (graph,) = stack.networks, stack.graphs
        answers, hidden = run_whole(b, graph, network, _seen(b, places, patches, stack))
        b.begin_layer("points", [])
        weights = [self._hidden_weights.get(name) for name in names_of_weights(network)]
        if all(weights):
            self._hidden_odds = b.node("MatMul", hidden, b.constant(np.array(weights).T))
        (scale,), (shift,) = (np.unique(values) for values in self._decoding([network]))
        points = []
        for answer in answers:
            in_box = b.node("Reshape", answer, b.constant([0, len(network.points), 2]))
            in_box = b.node("Add", b.node("Mul", in_box, float(scale)), float(shift))
            points.append(b.node("Add", self.faces.corner, b.node("Mul", in_box, self.faces.size)))
        spread = b.node("Mul", b.node("ReduceL2", points[0], axes=[2], keepdims=0), 0.0)
        return points, [spread] * len(points), points[0]

    def _level(self, b, index, before):
        """Points and spread after a level; after level 1 also the points of F."""
        level, observed, spots = self.levels[index], [], []
        for number, (places, stacks) in enumerate(zip(level.places, level.stacks)):
            b.begin_layer(f"level{level.number}" if number == 0 else f"level{level.number}.{number}", [])
            anchor = self.faces.corner if before is None else self._chosen(b, before, places)
            patches = cut_patches(b, self.picture, self.faces, places, anchor, b.node("Gather", self.blocks, index))
            for stack in stacks:
                answers, hidden = run_stack(b, stack, _seen(b, places, patches, stack))
                self._add_hidden(b, stack, hidden)
                count = sum(len(network.points) for network in stack.networks)
                observed.append(b.node("Reshape", answers, b.constant([0, count, 2])))
                spots += stack.networks
        b.begin_layer(f"level{level.number}/points", [])
        return self._combined(b, before, observed, spots)

    def _add_hidden(self, b, stack, hidden):
        """Adds what the hidden layers of a stack, Vectors, tell to the odds (n, k), see
        error_from_hidden_layers.py."""
        mine = [self._hidden_weights.get(network.full_name) for network in stack.networks]
        if hidden is None or not any(mine):
            return
        weights = np.zeros((len(mine), hidden.size, 1))
        for own, numbers in zip(weights, mine):
            if numbers:
                own[hidden.order, 0] = numbers
        told = b.node("Squeeze", b.node("MatMul", hidden.name, b.constant(weights)), b.constant([2]))     # (G, n)
        sees = np.eye(len(self.settings.points))[[network.points[0] for network in stack.networks]]
        before = [] if self._hidden_odds is None else [self._hidden_odds]
        self._hidden_odds = b.node("Gemm", told, b.constant(sees), *before, transA=1)

    def _chosen(self, b, points, places):
        """Those of the points (n, k, 2) around which networks look."""
        chosen = [network.points[0] for network in places.slots[0]]
        if chosen == list(range(len(self.settings.points))):
            return points
        return b.node("Gather", points, b.constant(chosen), axis=1)

    def _combined(self, b, before, answers, networks):
        """Means of what the networks say: answers (n, points, 2) of each stack, networks all of them in order."""
        count = len(self.settings.points)
        sees = np.concatenate([np.eye(count)[list(network.points)] for network in networks])              # (O, k)
        mean = sees / sees.sum(0)
        parts = [mean, np.eye(len(sees)) - mean @ sees.T]
        if before is None:
            parts.append(sees * np.concatenate([[[n == self.settings.networks[0]]] * len(n.points) for n in networks]))
        scale, shift = self._decoding(networks)
        found = answers[0] if len(answers) == 1 else b.node("Concat", *answers, axis=1)
        found = b.node("MatMul", b.constant((scale * np.hstack(parts)).T), found)                       # (n, ., 2)
        if shift.any():                                          # levels 2 and 3 look from the point itself
            found = b.node("Add", found, b.constant(np.hstack(parts).T @ shift))
        found = b.node("Mul", found, self.faces.size)                                                   # pixels
        moved, apart, *own = split(b, found, [part.shape[1] for part in parts], 1)
        spread = b.node("MatMul", b.node("ReduceL2", apart, axes=[2], keepdims=0), b.constant(mean))
        origin = self.faces.corner if before is None else before
        points, *first = (b.node("Add", origin, part) for part in (moved, *own))
        return points, spread, *first

    def _decoding(self, networks):
        """An answer times scale plus shift (O, 1) is a place in the box, from its corner or from the point before."""
        encoding, scale, shift = self.settings.encoding, [], []
        for network in networks:
            extent, start = (1.0, 0.0) if network.level == 1 else (2 * network.half_side, -network.half_side)
            scale += [[extent / encoding.scale]] * len(network.points)
            shift += [[start + extent * encoding.centre]] * len(network.points)
        return np.array(scale), np.array(shift)

    def _confidence(self, b, levels, spread):
        """The formula of confidence/confidence.py: (n, k)."""
        count = self.count
        width = self._half(b, b.node("Gather", self.faces.size, b.constant([0]), axis=2))           # (n, 1, 1)
        weights = self.settings.confidence
        if weights is None or len(weights) < count:
            last = b.node("Div", b.node("Squeeze", _cut(b, spread, count - 1, count), b.constant([1])),
                          b.node("Squeeze", width, b.constant([2])))
            return b.node("Exp", b.node("Mul", last, -1 / DISAGREEMENT))
        found = spread
        if count > 1:
            moved = b.node("Sub", _cut(b, levels, 1, count), _cut(b, levels, 0, count - 1))
            found = b.node("Concat", spread, b.node("ReduceL2", moved, axes=[3], keepdims=0), axis=1)
        logs = b.node("Log", b.node("Add", b.node("Div", found, width), EPSILON))                         # (n, 2L-1, k)
        total = b.node("Gemm", b.node("Flatten", logs), b.constant(_matrix(weights[count - 1])),
                       b.constant(np.array(weights[count - 1].bias)))
        if self._hidden_odds is not None:
            total = b.node("Add", total, self._unmirrored(b, self._hidden_odds, axis=1))
        return b.node("Sigmoid", total)

    def _half(self, b, value):
        """Of twice as many faces the first half, which is not mirrored."""
        return b.node("Split", value, outputs=2, axis=0)[0] if self.faces.mirrored else value

    def _unmirrored(self, b, value, axis=2):
        """Mean over both halves of (2n, L, k, ...), the second with the points it has in the unmirrored picture."""
        if not self.faces.mirrored:
            return value
        plain, mirrored = b.node("Split", value, outputs=2, axis=0)
        back = b.node("Gather", mirrored, b.constant(list(self.settings.points.mirror)), axis=axis)
        return b.node("Mul", b.node("Add", plain, back), 0.5)


def _seen(b, places, patches, stack):
    """The input (n, G, rows, columns) of a stack: its slots' patches, each normalised by itself."""
    mine = [patch for slot, patch in zip(places.slots, patches) if slot[0] in stack.networks]
    patch = mine[0] if len(mine) == 1 else b.node("Concat", *mine, axis=1)
    ones = np.ones(len(stack.networks))
    return b.node("InstanceNormalization", patch, b.constant(ones), b.constant(0 * ones), epsilon=FLAT)


def _matrix(weights):
    """The confidence of each point from all log features, ((2L - 1) k, k): those of its own and the means of a face."""
    own, face = np.array(weights.own).T, np.array(weights.face).T                                 # (2L - 1, k)
    return (own[:, :, None] * np.eye(own.shape[1]) + face[:, None] / own.shape[1]).reshape(own.size, -1)


def _cut(b, value, start, stop):
    return b.node("Slice", value, b.constant([start]), b.constant([stop]), b.constant([1]))
