"""Draws a net without Graphviz: nodes in layers from the input on, written as SVG or PNG.

Rank = longest way from an input. Long edges get a bend in every rank they cross, so that they run between the nodes;
bends and nodes of a rank are ordered by the mean place of what they are connected to.
"""
from collections import defaultdict
from html import escape
from itertools import pairwise

import numpy as np

CHARACTER, LINE, MARGIN, GAP, RANK_GAP = 7, 15, 8, 16, 34     # pixels: width of a character, height of a line ...
_SWEEPS = 8                                                    # rounds of ordering; more change little


class Layout:
    """Places of a Drawing's nodes in pixels.

    Attributes
    ----------
    boxes : dict of key -> (left, top, width, height)
    paths : list of (points, label), one per edge, from node to node over the bends
    size : (width, height)
    """

    def __init__(self, drawing):
        self.drawing = drawing
        self.sideways = drawing.rankdir in ("LR", "RL")
        self.extents = {key: _extent(node) for key, node in drawing.nodes.items()}
        ranks = _ranks(drawing)
        chains = self._add_bends(ranks)
        rows = _order(ranks, [pair for chain in chains for pair in pairwise(chain)])
        self._place(rows)
        self.paths = [(self._path(chain), label) for chain, (_, _, label) in zip(chains, drawing.edges)]

    def _add_bends(self, ranks):
        """Every edge as a chain of neighbours in rank; bends are keys of no size."""
        chains = []
        for number, (start, end, _) in enumerate(self.drawing.edges):
            step = 1 if ranks[end] > ranks[start] else -1       # an in-place layer leads back to its blob
            bends = [("bend", number, rank) for rank in range(ranks[start] + step, ranks[end], step)]
            for bend in bends:
                ranks[bend] = bend[2]
                self.extents[bend] = (GAP, 0)
            chains.append([start, *bends, end])
        return chains

    def _path(self, chain):
        """Points of an edge: straight past the nodes of every rank it crosses, slanting only between ranks."""
        axis = 0 if self.sideways else 1
        points = [self.centres[chain[0]]]
        for key in chain[1:-1]:
            near, far = (list(self.centres[key]) for _ in range(2))
            forward = 1 if near[axis] > points[-1][axis] else -1
            near[axis] -= forward * self.depths[key] / 2
            far[axis] += forward * self.depths[key] / 2
            points += [near, far]
        return [*points, self.centres[chain[-1]]]

    def _place(self, rows):
        along, across = (0, 1) if self.sideways else (1, 0)      # which extent counts between ranks, and within one
        breadth = max(sum(self.extents[key][across] + GAP for key in row) for row in rows)
        self.centres, self.depths, position = {}, {}, GAP
        for row in rows:
            depth = max(self.extents[key][along] for key in row)
            place = (breadth - sum(self.extents[key][across] + GAP for key in row)) / 2 + GAP
            for key in row:
                size = self.extents[key][across]
                point = [place + size / 2, position + depth / 2]
                self.centres[key], self.depths[key] = point[::-1] if self.sideways else point, depth
                place += size + GAP
            position += depth + RANK_GAP
        length = position - RANK_GAP + GAP
        self.size = (length, breadth + GAP) if self.sideways else (breadth + GAP, length)
        if self.drawing.rankdir in ("BT", "RL"):
            axis = 0 if self.sideways else 1
            for point in self.centres.values():
                point[axis] = self.size[axis] - point[axis]
        self.boxes = {}
        for key in self.drawing.nodes:
            (x, y), (width, height) = self.centres[key], self.extents[key]
            self.boxes[key] = (x - width / 2, y - height / 2, width, height)


def to_svg(drawing):
    """The drawing as the bytes of an SVG file."""
    layout = Layout(drawing)
    width, height = (round(n) for n in layout.size)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
             f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
             f"<title>{escape(drawing.name)}</title>",
             '<defs><marker id="tip" markerWidth="8" markerHeight="8" refX="7" refY="4" orient="auto">'
             '<path d="M0,0 L8,4 L0,8 z"/></marker></defs>']
    for points, label in _clipped(layout):
        text = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{text}" fill="none" stroke="black" marker-end="url(#tip)"/>')
        if label:
            (x, y), (x2, y2) = points[0], points[1]
            parts.append(f'<text x="{(x + x2) / 2 + 3:.1f}" y="{(y + y2) / 2 - 3:.1f}">{escape(label)}</text>')
    for key, (left, top, width, height) in layout.boxes.items():
        node = drawing.nodes[key]
        corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in _corners(node, left, top, width, height))
        parts.append(f'<polygon points="{corners}" fill="{node.colour}" stroke="black"/>')
        for i, line in enumerate(node.lines):
            parts.append(f'<text x="{left + width / 2:.1f}" y="{top + MARGIN + LINE * i + 11:.1f}" '
                         f'text-anchor="middle">{escape(line)}</text>')
    return "\n".join([*parts, "</svg>"]).encode() + b"\n"


def to_png(drawing):
    """The drawing as the bytes of a PNG file."""
    import cv2  # only those who want a PNG pay for it
    layout = Layout(drawing)
    width, height = (round(n) for n in layout.size)
    image = np.full((height, width, 3), 255, np.uint8)

    def write(text, x, y):
        cv2.putText(image, text, (int(x), int(y)), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (0, 0, 0), 1, cv2.LINE_AA)

    for points, label in _clipped(layout):
        path = np.array(points, np.int32)
        cv2.polylines(image, [path], False, (0, 0, 0), 1, cv2.LINE_AA)
        length = max(1.0, float(np.hypot(*(path[-1] - path[-2]))))
        cv2.arrowedLine(image, path[-2].tolist(), path[-1].tolist(), (0, 0, 0), 1, cv2.LINE_AA, 0, 7 / length)
        write(label, *(path[:2].mean(0) + (3, -3)))
    for key, (left, top, width, height) in layout.boxes.items():
        node = drawing.nodes[key]
        corners = np.array(list(_corners(node, left, top, width, height)), np.int32)
        cv2.fillPoly(image, [corners], [int(node.colour[i:i + 2], 16) for i in (5, 3, 1)])
        cv2.polylines(image, [corners], True, (0, 0, 0), 1, cv2.LINE_AA)
        for i, line in enumerate(node.lines):
            write(line, left + (width - CHARACTER * len(line)) / 2, top + MARGIN + LINE * i + 11)
    return cv2.imencode(".png", image)[1].tobytes()


def _extent(node):
    """(width, height) of a node in pixels."""
    return max(map(len, node.lines)) * CHARACTER + 2 * MARGIN, len(node.lines) * LINE + 2 * MARGIN


def _ranks(drawing):
    """Key -> rank. Nodes stand in the order of the net; edges that lead back (in-place layers) do not count."""
    order = {key: i for i, key in enumerate(drawing.nodes)}
    before = defaultdict(list)
    for start, end, _ in drawing.edges:
        before[end].append(start)
    ranks = {}
    for key in drawing.nodes:
        # A blob that a later layer works on in place hangs on the layer that makes it first.
        ranks[key] = 1 + max((ranks[start] for start in before[key] if order[start] < order[key] and start in ranks),
                             default=-1)
    return ranks


def _order(ranks, pairs):
    """Rows of keys, one per rank, ordered so that neighbours in rank lie near one another."""
    rows = defaultdict(list)
    for key, rank in ranks.items():
        rows[rank].append(key)
    rows = [rows[rank] for rank in sorted(rows)]
    near = defaultdict(list)
    for start, end in pairs:
        near[start].append(end)
        near[end].append(start)
    place = {key: i - len(row) / 2 for row in rows for i, key in enumerate(row)}
    for sweep in range(_SWEEPS):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            row.sort(key=lambda key: np.mean([place[other] for other in near[key]]) if near[key] else place[key])
            place.update((key, i - len(row) / 2) for i, key in enumerate(row))
    return rows


def _clipped(layout):
    """(points, label) of the edges, cut where they enter the nodes at their two ends."""
    for (points, label), (start, end, _) in zip(layout.paths, layout.drawing.edges):
        points = [tuple(point) for point in points]
        first = _edge_point(layout.boxes[start], points[1])
        yield [first, *points[1:-1], _edge_point(layout.boxes[end], points[-2])], label


def _edge_point(box, towards):
    """Where the line from a box's centre towards a point leaves the box."""
    left, top, width, height = box
    x, y = left + width / 2, top + height / 2
    dx, dy = towards[0] - x, towards[1] - y
    share = min((size / 2 / abs(d) for size, d in ((width, dx), (height, dy)) if d), default=0)
    return x + dx * min(share, 1), y + dy * min(share, 1)


def _corners(node, left, top, width, height):
    """Corners of a box, or of an octagon."""
    right, bottom, cut = left + width, top + height, 0 if node.shape == "record" else height * 0.29
    if not cut:
        return [(left, top), (right, top), (right, bottom), (left, bottom)]
    return [(left + cut, top), (right - cut, top), (right, top + cut), (right, bottom - cut), (right - cut, bottom),
            (left + cut, bottom), (left, bottom - cut), (left, top + cut)]
