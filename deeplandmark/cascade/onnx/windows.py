"""The windows of a level as nodes: the ``area`` rule of cutting.py for all faces at once.

Each face has one *crop* for each place that networks look at: level 1 sees one, levels 2 and 3 one around each point. A
crop is a square of K x K picture pixels that holds all windows of its place; K is that of the largest face of the call. A
window is two matrix products: the weights of its columns (columns, K) with the crop, and those of its rows with that.
The picture is read in blocks of 8 pixels side by side: eight times fewer steps than pixel by pixel.

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
    in_row : int64 (1,), blocks in a row
    last : float32 (2, 1), the last column and row
    """
    blocks: str
    in_row: str
    last: str


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
        return np.array([[_window(network) for network in slot] for slot in self.slots])


def _window(network):
    if network.level > 1:
        return -network.half_side, -network.half_side, network.half_side, network.half_side
    x0, x1, y0, y1 = network.window
    return x0, y0, x1, y1


def read_picture(b, image):
    """The Picture of a uint8 value (h, w)."""
    columns = b.node("Shape", image, start=1, end=2)
    missing = b.node("Mod", b.node("Neg", columns), b.constant([BLOCK]))
    padded = b.node("Pad", image, b.node("Concat", b.constant([0, 0, 0]), missing, axis=0))
    in_row = b.node("Div", b.node("Add", columns, missing), b.constant([BLOCK]))
    rows = b.node("Shape", image, start=0, end=1)
    size = b.node("Cast", b.node("Concat", columns, rows, axis=0), to=1)
    last = b.node("Reshape", b.node("Sub", size, 1.0), b.constant([2, 1]))
    return Picture(b.node("Reshape", padded, b.constant([-1, BLOCK])), in_row, last)


def cut_patches(b, picture, places, anchor, size, longest, mirrored=False):
    """What the networks see, not yet normalised: for each slot float32 (n, P, rows, columns).

    anchor : (n, P or 1, 2, 1), the box's corner or the points
    size : (n, 1, 2, 1) of the boxes; where `mirrored`, some widths are negative
    longest : (), the longest side of a box
    """
    windows = places.windows
    first, last = (windows[..., part].transpose(1, 2, 0) for part in (slice(2), slice(2, 4)))       # (P, 2, slots)
    first, last = first.min(-1, keepdims=True), last.max(-1, keepdims=True)
    start = b.node("Add", anchor, b.node("Mul", size, first))
    if mirrored:
        start = b.node("Min", start, b.node("Add", anchor, b.node("Mul", size, last)))
        extents = b.node("Abs", size)
    low = _low(b, picture, start)
    blocks = _blocks(b, picture, float((last - first).max()), longest)
    edges = _edges(b, picture, low, b.node("Mul", blocks, BLOCK))
    geometry = edges, b.node("Sub", anchor, low), size, extents if mirrored else size
    groups = _same_columns(places, windows)
    across = _weights(b, 0, geometry, [_lines(places, windows, group[0], 0) for group in groups])
    down = _weights(b, 1, geometry, [_lines(places, windows, slot, 1) for group in groups for slot in group])
    narrowed = _narrowed(b, picture, low, blocks, across)
    return _products(b, places, groups, narrowed, down)


def _low(b, picture, start):
    """The first column and row of each crop, float32 (n, P, 2, 1): inside the picture, the column at a block's edge."""
    low = b.node("Ceil", b.node("Sub", start, 1.0))
    low = b.node("Max", b.node("Min", low, picture.last), 0.0)
    return b.node("Mul", b.node("Floor", b.node("Mul", low, b.constant([[1 / BLOCK], [1.0]]))),
                  b.constant([[float(BLOCK)], [1.0]]))


def _blocks(b, picture, span, longest):
    """K / 8, int64 (): what the largest window needs, at most what the picture has; in whole strips where it is large."""
    needed = b.node("Add", b.node("Mul", longest, span / BLOCK), (BLOCK + 4) / BLOCK)
    useful = b.node("Add", b.node("Mul", b.node("ReduceMax", picture.last, keepdims=0), 1 / BLOCK), 1.0)
    blocks = b.node("Ceil", b.node("Min", needed, useful))
    strip = b.node("Where", b.node("Greater", blocks, LARGE / BLOCK), STRIP / BLOCK, 1.0)
    return b.node("Cast", b.node("Mul", b.node("Ceil", b.node("Div", blocks, strip)), strip), to=7)


def _edges(b, picture, low, pixels):
    """Edges of a crop's pixels from its first one, (n, P, 2, K + 1); those of the picture's border lie far outside."""
    steps = b.node("Sub", b.node("Cast", b.node("Range", 0, b.node("Add", pixels, 1), 1), to=1), 0.5)
    places = b.node("Add", low, steps)
    outside = b.node("Where", b.node("Greater", places, picture.last), _FAR, steps)
    return b.node("Where", b.node("Less", places, 0.0), -_FAR, outside)


def _lines(places, windows, slot, axis):
    """(P, 2, L): middle and extent of a slot's columns (axis 0) or rows (axis 1), fractions of the box."""
    count = places.slots[slot][0].size[1 - axis]
    start, stop = windows[slot, :, axis, None], windows[slot, :, axis + 2, None]
    cell = (stop - start) / count
    return np.stack([start + (np.arange(count) + 0.5) * cell, np.repeat(cell, count, 1)], 1)


def _weights(b, axis, geometry, lines):
    """(n, P, L, K): how much each pixel of a crop counts in a row or column of a patch; rows sum to 1."""
    edges, anchor, size, extent = (b.node("Gather", value, b.constant([axis]), axis=2) for value in geometry)
    middle, cell = np.concatenate(lines, axis=2).swapaxes(0, 1)[..., None].astype(np.float32)        # (P, L, 1)
    covered = b.node("Max", b.node("Mul", extent, cell), 1.0)
    start = b.node("Sub", b.node("Add", anchor, b.node("Mul", size, middle)), b.node("Mul", covered, 0.5))
    passed = b.node("Clip", b.node("Div", b.node("Sub", edges, start), covered), 0.0, 1.0)
    return b.node("Sub", _along(b, passed, 1, LAST), _along(b, passed, 0, -1))


def _along(b, value, start, stop):
    return b.node("Slice", value, b.constant([start]), b.constant([stop]), b.constant([3]))


def _narrowed(b, picture, low, blocks, across):
    """The crops, their columns averaged to those of the patches: (n, P, L, K); large ones strip by strip."""
    pixels = b.node("Mul", blocks, BLOCK)
    column, row = (b.node("Gather", b.node("Cast", low, to=7), b.constant([axis]), axis=2) for axis in (0, 1))
    block = b.node("Add", b.node("Div", column, BLOCK), b.node("Range", 0, blocks, 1))
    block = b.node("Min", block, b.node("Sub", picture.in_row, 1))

    def strip(b, first, count):
        """Rows first .. first + count of the crops, narrowed: (n, P, L, count)."""
        steps = b.node("Unsqueeze", b.node("Range", first, b.node("Add", first, count), 1), b.constant([1]))
        last = b.node("Cast", b.node("Gather", picture.last, 1), to=7)
        rows = b.node("Min", b.node("Add", row, steps), last)
        places = b.node("Add", b.node("Mul", rows, picture.in_row), block)
        pieces = b.node("Gather", picture.blocks, places)                                # (n, P, count, K / 8, 8)
        shape = b.node("Concat", b.node("Shape", places, end=3), b.node("Reshape", pixels, b.constant([1])), axis=0)
        crop = b.node("Cast", b.node("Reshape", pieces, shape), to=1)
        return b.node("MatMul", across, b.node("Transpose", crop, perm=[0, 1, 3, 2]))

    def strips(b):
        count = b.node("Div", pixels, STRIP)
        found = repeat(b, count, lambda b, i: strip(b, b.node("Mul", i, STRIP), b.constant(np.int64(STRIP))))
        return b.node("ConcatFromSequence", found, axis=3)
    return choice(b, b.node("Greater", pixels, LARGE), strips, lambda b: strip(b, b.constant(np.int64(0)), pixels))


def _same_columns(places, windows):
    """Slots whose windows have the same columns, as lists: their crops are narrowed once."""
    groups = {}
    for slot, networks in enumerate(places.slots):
        groups.setdefault((networks[0].size[1], windows[slot][:, [0, 2]].tobytes()), []).append(slot)
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
