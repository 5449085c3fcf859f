"""Places in steps, for what is cut out next.

Networks differ in their last digits from processor to processor, and from server to browser. Cut where the last digits
say, windows would differ in single pixels, and points of a face that is told badly by some tenths of a pixel.
"""
import numpy as np

PARTS = 1024           # of a side, rounded down to a power of two: a tenth of a pixel of a face of 100


def in_steps(values: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """Values float64 (n, ...), pixels, of n windows whose sides are (n,), pixels, rounded to a step of each. A window
    without a side keeps its own."""
    steps = np.exp2(np.floor(np.log2(np.where(sides > 0, sides, 1)))) / PARTS
    steps = np.where(sides > 0, steps, 0).reshape(-1, *[1] * (values.ndim - 1))
    return np.where(steps > 0, np.floor(values / np.where(steps > 0, steps, 1) + 0.5) * steps, values)
