"""pycaffe's loops over arrays longer than a batch."""
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest

import numpy as np
import numpy.typing as npt

from deeplandmark.caffe.errors import NetError


class BatchMethods:
    """forward_all and forward_backward_all of a Net, whose batch size is that of its first blob (pycaffe.py)."""

    def forward_all(self, blobs: Sequence[str] | None = None, **inputs: npt.ArrayLike) -> dict[str, np.ndarray]:
        """`forward` over arrays of any length, batch by batch; the last batch is filled up with zeros.

        Parameters
        ----------
        blobs : list of str, optional
            Further blobs to return.
        **inputs : array (n, ...)
            One for every input blob.

        Returns
        -------
        dict of str to array
            Outputs and `blobs`, n rows each.

        Raises
        ------
        NetError
            For missing inputs, or rows of another shape.
        """
        collected: dict[str, list] = {name: [] for name in {*self.outputs, *(blobs or [])}}
        if not inputs or not self.inputs:
            raise NetError("give an array for every input blob", file=self.graph.file)
        for batch in self._batches(inputs):
            for name, array in self.forward(blobs=blobs, **batch).items():
                collected[name].extend(array.copy() if array.ndim else [array.copy()])
        return _without_padding(collected, inputs)

    def forward_backward_all(self, blobs: Sequence[str] | None = None, diffs: Sequence[str] | None = None,
                             **arrays: npt.ArrayLike) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """`forward` and `backward` over arrays of any length: inputs and output diffs by name.

        Without output diffs, those of the losses are used; without inputs, what the data layers give.

        Parameters
        ----------
        blobs, diffs : list of str, optional
            Further blobs whose values, or diffs, to return.
        **arrays : array (n, ...)

        Returns
        -------
        (dict of str to array, dict of str to array)
            Outputs and `blobs`, diffs of the inputs and `diffs`, n rows each.

        Raises
        ------
        NetError
            For no arrays, or arrays of different lengths.
        """
        found: dict[str, list] = {name: [] for name in {*self.outputs, *(blobs or [])}}
        found_diffs: dict[str, list] = {name: [] for name in {*self.inputs, *(diffs or [])}}
        inputs = {name: arrays[name] for name in arrays if name in self.inputs}
        top_diffs = {name: arrays[name] for name in arrays if name not in self.inputs}
        if not arrays:
            raise NetError("give arrays for inputs or for output diffs", file=self.graph.file)
        if inputs and top_diffs and len(_any(inputs)) != len(_any(top_diffs)):
            raise NetError(f"{len(_any(inputs))} rows of inputs, {len(_any(top_diffs))} of output diffs",
                           file=self.graph.file)
        nothing: dict[str, np.ndarray] = {}
        for batch, batch_diffs in zip_longest(self._batches(inputs), self._batches(top_diffs), fillvalue=nothing):
            for name, array in self.forward(blobs=blobs, **batch).items():
                found[name].extend(array.copy() if array.ndim else [array.copy()])
            for name, array in self.backward(diffs=diffs, **batch_diffs).items():
                found_diffs[name].extend(array.copy())
        return _without_padding(found, arrays), _without_padding(found_diffs, arrays)

    def _batches(self, arrays: Mapping[str, npt.ArrayLike]) -> Iterator[dict[str, np.ndarray]]:
        """dicts of arrays of exactly one batch each."""
        if not arrays:
            return
        count = len(_any(arrays))
        size = next(iter(self.blobs.values())).shape[0]
        for start in range(0, count, size):
            batch = {}
            for name, array in arrays.items():
                rows = np.asarray(array)[start:start + size]
                missing = np.zeros((size - len(rows), *rows.shape[1:]), rows.dtype)
                batch[name] = np.concatenate([rows, missing])
            yield batch


def _any(arrays):
    return next(iter(arrays.values()))


def _without_padding(collected, inputs):
    count = len(_any(inputs))
    return {name: np.asarray(rows)[:count] for name, rows in collected.items()}
