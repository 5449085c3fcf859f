"""The windows of a level as nodes: the ``area`` rule of cutting.py for all faces at once.

Each face has one *crop* for each place that networks look at: level 1 sees one, levels 2 and 3 one around each point.
A crop is a square of K x K picture pixels that holds all windows of its place; K is that of the largest face of the
call. A window is two matrix products: the weights of its columns (columns, K) with the crop, and those of its rows with
that. The picture is read in blocks of 8 pixels side by side: eight times fewer steps than pixel by pixel.

Names of sizes: n faces, P places of a face, L lines (rows or columns of patches), K pixels of a crop. Geometry has the
axes (n, P, 2, K or 1), x before y.
"""
from dataclasses import dataclass

import numpy as np

from deeplandmark.caffe.onnx.builder import LAST
from deeplandmark.cascade.onnx.subgraphs import choice, repeat

BLOCK = 8               # pixels read at once; the picture is widened to a multiple
STRIP = 64              # rows of a crop in memory at once, where it has more than LARGE
LARGE = 512
_FAR = 1e9              # pixels: where the border, repeated, ends


@dataclass(frozen=True)
class Picture:
    """Names of what the graph knows of the picture.

    blocks : uint8 (rows * blocks in a row, 8)
    in_row : int64 (), blocks in a row
    last : float32 (2, 1), the last column and row
    last_block, last_row : int64 ()
    """
    blocks: str
    in_row: str
    last: str
    last_block: str
    last_row: str


@dataclass(frozen=True)
class Places:
    """Networks that look at P places of a face.

    Attributes
    ----------
    slots : list of lists of Network, [slot][place]
        Networks of a slot are alike; its windows may differ from place to place.
    """
    slots: list

    @property
    def count(self):
        return len(self.slots[0])

    @property
    def windows(self):
        """(slots, P, 4): x0 y0 x1 y1 in fractions of the box, from its corner (level 1) or from the point."""
        return np.array([[_window(network) for network in slot] for slot in self.slots], np.float64)


def _window(network):
    if network.level > 1:
        return -network.half_side, -network.half_side, network.half_side, network.half_side
    x0, x1, y0, y1 = network.window
    return x0, y0, x1, y1


@dataclass(frozen=True)
class FaceNodes:
    """Names of what is known of the faces before level 1.

    corner : (n, 1, 2), left and top; of mirrored faces right and top
    size : (n, 1, 2), width and height; of mirrored faces the width is negative, to be counted from the right
    longest : (), the longest side
    mirrored : bool
    """
    corner: str
    size: str
    longest: str
    mirrored: bool


def read_picture(b, image):
    """The Picture of a uint8 value (h, w)."""
    columns = b.node("Shape", image, start=1, end=2)
    missing = b.node("Mod", b.node("Neg", columns), b.constant([BLOCK]))
    padded = b.node("Pad", image, b.node("Concat", b.constant([0, 0, 0]), missing, axis=0))
    in_row = b.node("Squeeze", b.node("Div", b.node("Add", columns, missing), b.constant([BLOCK])))
    rows = b.node("Shape", image, start=0, end=1)
    size = b.node("Sub", b.node("Concat", columns, rows, axis=0), 1)
    last = b.node("Reshape", b.node("Cast", size, to=1), b.constant([2, 1]))
    return Picture(b.node("Reshape", padded, b.constant([-1, BLOCK])), in_row, last, b.node("Sub", in_row, 1),
                   b.node("Gather", size, 1))


def extents(b, picture, levels, longest):
    """K / 8 of each level, int64 (levels,): what the largest window needs, at most what the picture has.

    levels : list of lists of Places
    """
    spans = np.array([max(_span(places) for places in level) for level in levels])
    # One pixel on both sides, up to 7 before the first block, one for rounding.
    needed = b.node("Add", b.node("Mul", longest, b.constant(spans / BLOCK)), (BLOCK + 3) / BLOCK)
    useful = b.node("Mul", b.node("ReduceMax", picture.last, keepdims=0), 1 / BLOCK)
    return b.node("Cast", b.node("Add", b.node("Min", needed, useful), 1.0), to=7)


def _span(places):
    """The longest side of what the windows of a place cover, fraction of the box."""
    first, last = _covered(places)
    return (last - first).max()


def _covered(places):
    """First and last x and y of the windows of each place, (P, 2, 1)."""
    first, last = places.windows[..., :2].min(0), places.windows[..., 2:].max(0)
    return first[..., None], last[..., None]


def cut_patches(b, picture, faces, places, anchor, blocks):
    """What the networks see, not yet normalised: for each slot float32 (n, P, rows, columns).

    anchor : (n, P or 1, 2), the box's corner or the points
    blocks : int64 (), K / 8
    """
    anchor, size = (b.node("Unsqueeze", value, b.constant([3])) for value in (anchor, faces.size))
    first, last = _covered(places)
    start = b.node("Add", anchor, b.node("Mul", size, first))
    if faces.mirrored:
        start = b.node("Min", start, b.node("Add", anchor, b.node("Mul", size, last)))
    low, cell = _low(b, picture, start)
    pixels = b.node("Mul", blocks, BLOCK)
    edges = _edges(b, picture, low, pixels)
    groups = _same_columns(places)
    lines = [_lines(places, group[0], 0) for group in groups]
    lines += [_lines(places, slot, 1) for group in groups for slot in group]
    weights = _weights(b, b.node("Sub", edges, b.node("Sub", anchor, low)), size, lines, faces.mirrored)
    rows = sum(places.slots[slot][0].size[0] for group in groups for slot in group)
    across, down = split(b, weights, [sum(line.shape[2] for line in lines) - rows, rows], 2)
    narrowed = _narrowed(b, picture, cell, blocks, pixels, across)
    return _products(b, places, groups, narrowed, down)


def _low(b, picture, start):
    """The first column and row of each crop, inside the picture and the column at a block's edge: as float32 and,
    the column as that of a block, as int64 (n, P, 2, 1)."""
    low = b.node("Max", b.node("Min", b.node("Sub", start, 1.0), picture.last), 0.0)
    cell = b.node("Floor", b.node("Mul", low, b.constant([[1 / BLOCK], [1.0]])))
    return b.node("Mul", cell, b.constant([[float(BLOCK)], [1.0]])), b.node("Cast", cell, to=7)


def _edges(b, picture, low, pixels):
    """Edges of a crop's pixels from its first one, (n, P, 2, K + 1); those of the picture's border lie far outside."""
    steps = b.node("Range", -0.5, b.node("Cast", pixels, to=1), 1.0)
    beyond = b.node("Greater", b.node("Add", low, steps), picture.last)
    # The first edge, the only one below 0, may always lie far outside: no window but at the border comes near it.
    return b.node("Where", beyond, _FAR, b.node("LeakyRelu", steps, alpha=2 * _FAR))


def _lines(places, slot, axis):
    """(P, 3, L) of a slot's columns (axis 0) or rows (axis 1): middle and extent as fractions of the box, axis."""
    count = places.slots[slot][0].size[1 - axis]
    start, stop = places.windows[slot, :, axis, None], places.windows[slot, :, axis + 2, None]
    cell = (stop - start) / count
    middle = start + (np.arange(count) + 0.5) * cell
    return np.stack([middle, np.repeat(cell, count, 1), np.full(middle.shape, axis)], 1)


def _weights(b, edges, size, lines, mirrored):
    """(n, P, L, K): how much each pixel of a crop counts in a row or column of a patch; rows sum to 1.

    edges : (n, P, 2, K + 1), of the pixels, from the anchor
    """
    middle, cell, axes = np.concatenate(lines, axis=2).swapaxes(0, 1)[..., None]                     # (P, L, 1)
    axes = b.constant(axes[0, :, 0].astype(np.int64))
    edges, size = (b.node("Gather", value, axes, axis=2) for value in (edges, size))
    covered = b.node("Max", b.node("Mul", b.node("Abs", size) if mirrored else size, b.constant(cell)), 1.0)
    first = b.node("Sub", b.node("Mul", size, b.constant(middle)), b.node("Mul", covered, 0.5))
    passed = b.node("Clip", b.node("Div", b.node("Sub", edges, first), covered), 0.0, 1.0)
    return b.node("Sub", _along(b, passed, 1, LAST), _along(b, passed, 0, -1))


def _along(b, value, start, stop):
    return b.node("Slice", value, b.constant([start]), b.constant([stop]), b.constant([3]))


def _narrowed(b, picture, cell, blocks, pixels, across):
    """The crops, their columns averaged to those of the patches: (n, P, L, K); large ones strip by strip."""
    column, row = b.node("Split", cell, outputs=2, axis=2)
    block = b.node("Min", b.node("Add", column, b.node("Range", 0, blocks, 1)), picture.last_block)

    def strip(b, first, stop):
        """Rows first .. stop of the crops, narrowed: (n, P, L, stop - first)."""
        steps = b.node("Unsqueeze", b.node("Range", first, stop, 1), b.constant([1]))
        rows = b.node("Min", b.node("Add", row, steps), picture.last_row)
        pieces = b.node("Gather", picture.blocks, b.node("Add", b.node("Mul", rows, picture.in_row), block))
        crop = b.node("Cast", b.node("Reshape", pieces, b.constant([0, 0, 0, -1])), to=1)
        return b.node("MatMul", across, b.node("Transpose", crop, perm=[0, 1, 3, 2]))

    def strips(b):
        def body(b, i):
            first = b.node("Mul", i, STRIP)
            return strip(b, first, b.node("Min", b.node("Add", first, STRIP), pixels))
        count = b.node("Div", b.node("Add", pixels, STRIP - 1), STRIP)
        return b.node("ConcatFromSequence", repeat(b, count, body), axis=3)
    return choice(b, b.node("Greater", pixels, LARGE), strips, lambda b: strip(b, b.constant(np.int64(0)), pixels))


def _same_columns(places):
    """Slots whose windows have the same columns, as lists: their crops are narrowed once."""
    groups = {}
    for slot, networks in enumerate(places.slots):
        groups.setdefault((networks[0].size[1], places.windows[slot][:, [0, 2]].tobytes()), []).append(slot)
    return list(groups.values())


def _products(b, places, groups, narrowed, down):
    """The patches of each slot, from the groups' narrowed crops and the weights of their rows."""
    columns = [places.slots[group[0]][0].size[1] for group in groups]
    rows = [[places.slots[slot][0].size[0] for slot in group] for group in groups]
    found = {}
    for group, part, weights, heights in zip(groups, split(b, narrowed, columns, 2),
                                             split(b, down, list(map(sum, rows)), 2), rows):
        both = b.node("MatMul", weights, b.node("Transpose", part, perm=[0, 1, 3, 2]))
        found.update(zip(group, split(b, both, heights, 2)))
    return [found[slot] for slot in range(len(places.slots))]


def split(b, value, sizes, axis):
    """Parts of a value along an axis; the value itself where there is just one."""
    if len(sizes) == 1:
        return [value]
    return b.node("Split", value, b.constant(sizes), outputs=len(sizes), axis=axis)
