"""Watching the losses of networks while they train: which one will come to nothing."""
import math
import statistics
import time

from deeplandmark.caffe.solvers import Monitor

COLLAPSED = 0.95        # of the constant's loss: such a network answers (nearly) the same whatever it sees
EARLIEST = 500          # iterations before a network is judged
TESTS, PROGRESS = 3, 0.95   # one whose error has fallen to that share within so many tests goes on learning
JUDGED = "error"        # the test net's output that is looked at: EuclideanLoss, whatever the training loss is
STUCK = 3.0             # times the median loss of its siblings, both relative to their constants


class Watch(Monitor):
    """Follows one network: stops it when it has collapsed, tells how far it is.

    Parameters
    ----------
    constant_loss : float
        `error` of the best constant answer in the test net.
    tell : callable (iter)
        Called about once a second.

    Attributes
    ----------
    error : float or None
        The last `error` of the test net as a fraction of constant_loss.
    reason : str or None
        Why the network was given up.
    """

    def __init__(self, constant_loss, tell=lambda iter: None):
        self.constant_loss, self.tell = constant_loss, tell
        self.error = self.reason = None
        self._best = []                                          # error so far, after each test
        self._next_call = 0.0

    def on_test(self, solver, iter, net_index, outputs):
        error = float(outputs[JUDGED])
        self.error = error / self.constant_loss if self.constant_loss else 0.0
        self._best.append(min([self.error, *self._best[-1:]]))
        if self._gives_up(iter >= solver.param.max_iter) and iter >= max(EARLIEST, solver.param.max_iter // 4):
            self.reason = (f"collapsed: after {iter} iterations its test error {error:.4g} is that of a constant "
                           f"answer ({self.constant_loss:.4g})")
            solver.stop()

    def _gives_up(self, last):
        """Whether the last test says so: some networks learn slowly, and BatchNorm's averages may lag far behind them
        for a while, which makes a test worse than a constant answer's."""
        stands = len(self._best) > TESTS and self._best[-1] > PROGRESS * self._best[-1 - TESTS]
        is_constant = COLLAPSED <= self.error <= 1 / COLLAPSED
        return not math.isfinite(self.error) or self.error >= COLLAPSED and (last or stands and is_constant)

    def on_iteration(self, solver, iter, loss):
        now = time.monotonic()
        if now >= self._next_call:
            self._next_call = now + 1.0
            self.tell(iter)


def stuck(errors):
    """Names of the networks whose error is far above that of their siblings.

    errors : dict of name -> test error as a fraction of the constant's
    """
    if len(errors) < 3:
        return []
    typical = statistics.median(errors.values())
    return [name for name, error in errors.items() if error > STUCK * typical]
