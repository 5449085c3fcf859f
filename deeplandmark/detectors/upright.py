"""Upright windows around faces, by their five points."""
import numpy as np

from deeplandmark.faces.box_of_points import squares_of_points
from deeplandmark.faces.in_steps import in_steps

WIDTH = 1.4            # of a window, in sides of the square about the points


def upright_windows(points: np.ndarray, size: int) -> np.ndarray:
    """Matrices (n, 2, 3) that bring pixels of windows of `size` x `size` to the picture: each window is square about
    the face's points (n, 5, 2), pixels, which count in steps (see in_steps.py), and turned with it, so that the mouth
    is seen below the eyes."""
    squares = squares_of_points(points)
    points = in_steps(points, squares[:, 2] - squares[:, 0])
    squares = squares_of_points(points)
    middle = (squares[:, :2] + squares[:, 2:]) / 2
    down = points[:, 3:].mean(axis=1) - points[:, :2].mean(axis=1)
    length = np.linalg.norm(down, axis=1, keepdims=True)
    down = np.where(length > 0, down / np.where(length > 0, length, 1), (0, 1))
    step = (WIDTH / size * (squares[:, 2] - squares[:, 0]))[:, None]
    right = np.stack([down[:, 1], -down[:, 0]], axis=1)
    matrices = np.stack([right * step, down * step, np.zeros_like(middle)], axis=2)
    matrices[:, :, 2] = middle - (size - 1) / 2 * (matrices[:, :, 0] + matrices[:, :, 1])
    return matrices


def brought(matrices: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points (n, k, 2) where matrices (n, 2, 3) bring them."""
    return points @ matrices[:, :, :2].transpose(0, 2, 1) + matrices[:, None, :, 2]


def inverse(matrices: np.ndarray) -> np.ndarray:
    """What undoes matrices (n, 2, 3)."""
    turned = np.linalg.inv(matrices[:, :, :2])
    return np.concatenate([turned, -turned @ matrices[:, :, 2:]], axis=2)
