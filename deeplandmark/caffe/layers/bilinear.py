"""Values of maps between their cells."""
import torch


def inside(rows, columns, height, width):
    """Whether places lie in maps of height x width cells: from the first cell up to one beyond the last, bool."""
    return (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)


def bilinear(x, rows, columns):
    """Maps (N, C, H, W) at P places each: (N, C, P), 0 for places outside, the last cell's value from it to the end.

    rows and columns (N, P) count cells. Gradients reach all three.
    """
    n, c, height, width = x.shape
    if not height * width:
        return x.new_zeros(n, c, rows.shape[1])
    there = inside(rows, columns, height, width)
    top, bottom, down = _neighbours(torch.where(there, rows, 0.0), height)
    left, right, along = _neighbours(torch.where(there, columns, 0.0), width)
    cells = x.flatten(2)

    def values(row, column):
        return cells.gather(2, (row * width + column)[:, None].expand(n, c, -1))

    above = torch.lerp(values(top, left), values(top, right), along)
    below = torch.lerp(values(bottom, left), values(bottom, right), along)
    return torch.where(there[:, None], torch.lerp(above, below, down), 0.0)


def _neighbours(places, size):
    """The cells before and behind places, and how far on the way to the second they lie (N, 1, P)."""
    before = places.detach().long().clamp(max=size - 1)
    behind = (before + 1).clamp(max=size - 1)
    return before, behind, (places - before).clamp(max=1)[:, None]
