"""A pass recorded once and then replayed: on a GPU as a CUDA graph, which starts hundreds of small kernels at once."""
import torch

WARM_UP = 3             # passes before the recording, as torch's documentation of CUDA graphs asks


class RecordedPass:
    """Calls `run(inputs)` by replaying what it did when it was recorded.

    The first call runs it as it is, then records it, and replays it on the same inputs. Where recording fails, or the
    replay does not give the same losses and gradients, every call runs it as it is.

    Parameters
    ----------
    run : callable (list of lists of tensors) -> losses, tensor (G,)
        Adds to `grads`; its kernels must not depend on what the inputs hold.
    grads : list of tensors
    record : callable (callable ()) -> callable (), replays it

    Attributes
    ----------
    refusal : str or None
        Why nothing is replayed, known after the first call.
    """

    def __init__(self, run, grads, record):
        self._run, self._grads, self._record = run, grads, record
        self._replay = self.refusal = None

    def __call__(self, inputs):
        if self.refusal:
            return self._run(inputs)
        if self._replay is None:
            return self._first(inputs)
        return self._again(inputs)

    def _again(self, inputs):
        for kept, new in zip(self._inputs, inputs):
            torch._foreach_copy_(kept, new)
        self._replay()
        return self._losses.clone()

    def _first(self, inputs):
        before = [grad.clone() for grad in self._grads]
        losses = self._run(inputs)
        after = [grad.clone() for grad in self._grads]
        try:
            self._inputs = [[value.clone() for value in values] for values in inputs]
            self._replay = self._record(self._keep_losses)
            self._put(before)
            same = _close([self._again(inputs)], [losses]) and _close(self._grads, after)
            self.refusal = None if same else "a replay gives other losses or gradients"
        except RuntimeError as error:                            # what cannot be recorded; CUDA's errors are such
            self.refusal = f"cannot be recorded ({str(error).splitlines()[0]})"
        self._put(after)
        return losses

    def _keep_losses(self):
        self._losses = self._run(self._inputs)

    def _put(self, values):
        torch._foreach_copy_(self._grads, values)


def _close(found, expected):
    """Equal but for the order of sums, each tensor by its largest number."""
    return all(float((a - b).abs().max()) <= 1e-2 * float(b.abs().max()) for a, b in zip(found, expected))


def cuda_graph(run):
    """Records `run` as a CUDA graph. Returns the callable that replays it."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):          # buffers and autograd's nodes must not be the first ones
        for _ in range(WARM_UP):
            run()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return graph.replay
