"""How others look on at a solver and stop it."""
from typing import Any

SNAPSHOT, STOP = "snapshot", "stop"  # what an action function may ask for


class CallbackMethods:
    """The methods of a Solver that let others look on and stop it (solver.hpp: Callback, ActionCallback)."""
    ranks: Any
    stop_requested: bool

    def add_callback(self, on_start, on_gradients_ready=None):
        """pycaffe's: calls `on_start()` before each forward, `on_gradients_ready()`, if given, before each update. Or
        takes an object with methods of these names, such as an NCCL."""
        if hasattr(on_start, "on_gradients_ready"):
            on_start, on_gradients_ready = on_start.on_start, on_start.on_gradients_ready
        self._callbacks.append({"on_start": on_start, "on_gradients_ready": on_gradients_ready})

    def add_monitor(self, monitor):
        """Lets a Monitor look on at losses, tests and snapshots."""
        self._monitors.append(monitor)

    def stop(self) -> None:
        """Ends the run after the present iteration (or before its update, when called from a test). Of several ranks
        all end together, after the next pass."""
        self.stop_wanted = True
        self.stop_requested = self.stop_requested or self.ranks is None

    def set_action_function(self, function):
        """`function()` is asked between iterations and between test batches: SNAPSHOT, STOP or None."""
        self._requested_action = function

    def _act_on_requests(self):
        while (action := self._requested_action()) is not None:
            if action == SNAPSHOT:
                self.snapshot()
            elif action == STOP:
                self.stop()

    def _call(self, name):
        for callback in self._callbacks:
            if callback[name]:
                callback[name]()

    def _tell(self, event, *arguments):
        for monitor in self._monitors:
            getattr(monitor, event)(self, *arguments)
