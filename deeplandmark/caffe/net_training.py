"""Runs of a whole net at once, as training wants them: what lies between layers is kept only when somebody looks."""
import torch


class TrainingMethods:
    """The methods of a Net that run its whole graph (net.cpp, ForwardBackward and ClearParamDiffs)."""

    def clear_param_diffs(self) -> None:
        """Sets the diffs of all learnable parameters to 0 (net.cpp, ClearParamDiffs)."""
        self._sync()
        grads = [parameter.grad for parameter in self.learnable_params if parameter.grad is not None]
        if grads:
            torch._foreach_zero_(grads)

    def forward_backward(self) -> float:
        """One forward and backward through the whole graph at once; parameter diffs accumulate.

        Returns
        -------
        float : the weighted sum of the losses
            Blobs show the values of this run when they are looked at; their diffs are kept only when somebody watches.
        """
        if self.watchers:
            return self._watched_forward_backward()
        values = self._input_values()
        loss = self.module.run(values, training=True)
        self._pending = values
        if not torch.is_tensor(loss):
            return float(loss)
        if loss.requires_grad:
            loss.backward()
        return loss.item()

    def _watched_forward_backward(self):
        last = len(self.graph.nodes) - 1
        loss = self._forward(0, last)
        self._backward(last, 0)
        if self.watchers.debug is not None:
            self.watchers.debug.after_all_backward()
        return loss

    @torch.no_grad()
    def forward_loss(self) -> tuple[dict[str, torch.Tensor], float]:
        """One forward without gradients: (dict of output blob name -> tensor, weighted loss as a float)."""
        if self.watchers:
            loss = self._forward(0, len(self.graph.nodes) - 1)
            return {name: self.blobs[name].tensor for name in self.outputs}, loss
        values = self._input_values()
        loss = self.module.run(values, training=True)
        self._pending = values
        return {self.graph.blob_names[i]: values[i] for i in self.graph.outputs}, float(loss)

    def _input_values(self):
        self._pending = None                                     # worth nothing once the next run starts
        self._fast.forget()
        self._sync()
        values = [None] * len(self._blobs)
        for i in self.graph.inputs:
            values[i] = self._blobs[i].tensor
        return values

    def _note_access(self, blob):
        """Before the values of a blob (its position) are looked at: they are made, where they are not there."""
        self._take_pending()
        if self._fast is not None:
            self._fast.note_access(blob)

    def _take_pending(self):
        """Copies what the last whole-graph run computed into the blobs, once somebody looks."""
        values, self._pending = self._pending, None
        for blob, value in zip(self._blobs, values or ()):
            if value is not None and value is not blob.tensor:
                blob.assign(value.detach())
