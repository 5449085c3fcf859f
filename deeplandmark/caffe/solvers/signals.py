"""SIGINT and SIGHUP as requests to a solver: stop, snapshot or nothing (Caffe's util/signal_handler.cpp)."""

import signal

from deeplandmark.caffe.solvers.callbacks import SNAPSHOT, STOP

EFFECTS = {"snapshot": SNAPSHOT, "stop": STOP, "none": None}


class SignalRequests:
    """While in use as a context, notes the two signals; give the object to `solver.set_action_function`.

    Parameters
    ----------
    sigint, sighup : str
        What the signal asks for: a key of EFFECTS.
    """

    def __init__(self, sigint="stop", sighup="snapshot"):
        self._effects = {signal.SIGINT: EFFECTS[sigint]}
        if hasattr(signal, "SIGHUP"):
            self._effects[signal.SIGHUP] = EFFECTS[sighup]
        self._received, self._before = [], {}

    def __call__(self):
        """The oldest request not yet handed out; None when there is none."""
        return self._received.pop(0) if self._received else None

    def __enter__(self):
        self._before = {number: signal.signal(number, self._note) for number in self._effects}
        return self

    def __exit__(self, *exception):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number, frame):
        if self._effects[number] is not None:
            self._received.append(self._effects[number])
