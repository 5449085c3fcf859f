"""Whether the parameters of a net are still those that something was made of."""
import torch


class ParameterWatch:
    """Sees changes by torch, new memory, and what the user writes through `net.params[...][i].data`.

    Parameters
    ----------
    param_blobs : list of ParamBlob
        Each says by `was_looked_at` whether somebody got a view of it: only then its values are compared.
    """

    def __init__(self, param_blobs):
        self.param_blobs, self._state, self._copies = param_blobs, None, {}

    def start(self):
        """The parameters of now are those that count."""
        self._state, self._copies = self._marks(), {}
        self._copy_those_looked_at()

    def have_changed(self):
        """Whether (bool) any of them differs from those at `start`."""
        if self._state != self._marks():
            return True
        if any(not torch.equal(self.param_blobs[i].tensor, copy) for i, copy in self._copies.items()):
            return True
        # Looked at since then: what has been written could not be seen.
        return any(blob.was_looked_at and i not in self._copies for i, blob in enumerate(self.param_blobs))

    def _copy_those_looked_at(self):
        self._copies = {i: blob.tensor.clone() for i, blob in enumerate(self.param_blobs) if blob.was_looked_at}

    def _marks(self):
        return [(blob.parameter.data_ptr(), blob.parameter._version) for blob in self.param_blobs]
