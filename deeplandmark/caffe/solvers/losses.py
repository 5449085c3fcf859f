"""Training losses on their way to the log: smoothed over `average_loss`, checked to be finite."""

import math
from collections import deque

import torch

from deeplandmark.caffe.errors import SolverError

CHECK_EVERY = 20  # iterations between two looks at losses that are still tensors: each look waits for the device


class NotFiniteError(SolverError):
    """A training loss that is not finite, a SolverError: `iter` (int) and `loss` (float) say which."""

    def __init__(self, iter, loss):
        super().__init__(f"iteration {iter}: the training loss is {loss:g}"
                         " (a smaller base_lr, clip_gradients or another random_seed may help)")
        self.iter, self.loss = iter, loss


class LossWindow:
    """The last `average_loss` training losses, as floats or as tensors of one value."""

    def __init__(self, average_loss):
        self._recent = deque(maxlen=max(1, average_loss))
        self._unchecked = []

    def restart(self):
        """Forgets the losses so far: Caffe smooths anew whenever it begins to step. NotFiniteError as of `check`."""
        self.check()
        self._recent.clear()

    def add(self, iter, loss):
        """Takes the loss (float, or tensor of one value) of iteration `iter`.

        NotFiniteError as soon as one is found that is not finite: at once for a float, for tensors every CHECK_EVERY
        losses.
        """
        self._recent.append(loss)
        self._unchecked.append((iter, loss))
        if not isinstance(loss, torch.Tensor) or len(self._unchecked) >= CHECK_EVERY:
            self.check()

    def mean(self):
        """Smoothed loss (float): the mean of the last `average_loss` losses since the last restart."""
        self.check()
        return sum(float(loss) for loss in self._recent) / max(1, len(self._recent))

    def check(self):
        """NotFiniteError for the first iteration whose loss is not finite."""
        unchecked, self._unchecked = self._unchecked, []
        for iter, loss in unchecked:
            if not math.isfinite(loss):
                raise NotFiniteError(iter, float(loss))
