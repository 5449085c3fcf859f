"""Looking on while a net runs layer by layer: pycaffe's before_forward ... callbacks, and the lines of debug_info."""
from collections.abc import Callable

from deeplandmark.caffe.logs.log import Log

EVENTS = ("before_forward", "after_forward", "before_backward", "after_backward")


class Watchers:
    """Callbacks of a net by event (EVENTS); each is called with the index (int) of the layer."""

    def __init__(self):
        self._callbacks = {event: [] for event in EVENTS}
        self.debug = None                                        # DebugInfo while debug_info is on

    def __bool__(self):
        return self.debug is not None or any(self._callbacks.values())

    def add(self, event, callback):
        """Adds a callable for an event, a str of EVENTS."""
        self._callbacks[event].append(callback)

    def call(self, event, index):
        """Calls all callbacks of an event with the index of the layer."""
        if self.debug is not None and event.startswith("after"):
            getattr(self.debug, event)(index)
        for callback in self._callbacks[event]:
            callback(index)


class WatchMethods:
    """The methods of a Net that let others look on (pycaffe's callbacks).

    A net that is watched runs layer by layer, which takes longer.
    """

    def before_forward(self, callback: Callable[[int], object]) -> None:
        """Calls `callback(index)`, an int, before each layer's forward."""
        self.watchers.add("before_forward", callback)

    def after_forward(self, callback: Callable[[int], object]) -> None:
        """Calls `callback(index)`, an int, after each layer's forward."""
        self.watchers.add("after_forward", callback)

    def before_backward(self, callback: Callable[[int], object]) -> None:
        """Calls `callback(index)`, an int, before each layer's backward."""
        self.watchers.add("before_backward", callback)

    def after_backward(self, callback: Callable[[int], object]) -> None:
        """Calls `callback(index)`, an int, after each layer's backward."""
        self.watchers.add("after_backward", callback)

    def set_debug_info(self, on: bool, log: Log | None = None) -> None:
        """Whether every forward and backward logs the mean magnitude of each blob (net.cpp, debug_info).

        Parameters
        ----------
        on : bool
        log : Log, optional
            By default one that writes to standard error.
        """
        self.watchers.debug = DebugInfo(self, log or Log()) if on else None


class DebugInfo:
    """What Caffe prints with `debug_info: true`: mean absolute values, blob by blob (net.cpp, ForwardDebugInfo ...)."""

    def __init__(self, net, log):
        self._net, self._log = net, log

    def after_forward(self, index):
        """Logs tops and parameters of the layer that has just run (net.cpp, ForwardDebugInfo)."""
        node = self._net.graph.nodes[index]
        for blob in node.tops:
            self._info(591, f"[Forward] Layer {node.name}, top blob {self._name(blob)} data: "
                            f"{_mean_abs(self._net._blobs[blob].tensor)}")
        for i, blob in enumerate(node.layer.blobs):
            self._info(603, f"[Forward] Layer {node.name}, param blob {_display_name(node, i)} data: {_mean_abs(blob)}")

    def after_backward(self, index):
        """Logs diffs of the bottoms and parameters that the backward has just filled (net.cpp, BackwardDebugInfo)."""
        node = self._net.graph.nodes[index]
        if not node.needs_backward:
            return
        for blob, need in zip(node.bottoms, node.bottom_needs):
            if need:
                self._info(619, f"[Backward] Layer {node.name}, bottom blob {self._name(blob)} diff: "
                                f"{_mean_abs(self._net._blobs[blob].diff_tensor)}")
        for i, parameter in enumerate(node.layer._parameters.values()):
            if parameter.requires_grad and parameter.grad is not None:
                self._info(630, f"[Backward] Layer {node.name}, param blob {i} diff: {_mean_abs(parameter.grad)}")

    def after_all_backward(self):
        """Logs L1 and L2 norms over all parameters that are learned, and over their diffs (net.cpp, Backward)."""
        params = self._net.learnable_params
        groups = ([p.detach() for p in params], [p.grad for p in params if p.grad is not None])
        l1 = [sum(t.abs().sum().item() for t in group) for group in groups]
        l2 = [sum(t.square().sum().item() for t in group) ** 0.5 for group in groups]
        self._log.error("net.cpp:719", f"    [Backward] All net params (data, diff): L1 norm = ({l1[0]:g}, {l1[1]:g});"
                                       f" L2 norm = ({l2[0]:g}, {l2[1]:g})")

    def _info(self, line, message):
        self._log.info(f"net.cpp:{line}", f"    {message}")

    def _name(self, blob):
        return self._net.graph.blob_names[blob]


def _display_name(node, index):
    """A parameter's name where it is given one, its number otherwise."""
    specs = node.layer.param.param
    return specs[index].name if index < len(specs) and specs[index].name else str(index)


def _mean_abs(tensor):
    return f"{tensor.detach().abs().mean().item():g}" if tensor.numel() else "nan"
