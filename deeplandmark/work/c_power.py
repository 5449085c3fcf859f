"""Powers of numbers as C knows them."""
import numpy as np


def c_power(base: float, exponent: float) -> float:
    """C's pow, which Caffe calls: infinite, or not a number, where Python's ** raises an error or finds a complex
    number."""
    with np.errstate(all="ignore"):
        return float(np.float64(base) ** np.float64(exponent))
