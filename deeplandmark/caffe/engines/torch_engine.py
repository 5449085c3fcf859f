"""A net as one torch module, whose blobs are forgotten after their last use."""
import torch


class TorchEngine:
    """Runs a NetModule without recording gradients.

    Parameters
    ----------
    module : NetModule
    """

    def __init__(self, module):
        self.module = module

    def run(self, inputs, wanted):
        """Values (dict of blob position to tensor) of the blobs `wanted` (set of int) for those of the inputs."""
        values = [None] * len(self.module.graph.blob_names)
        for blob, tensor in inputs.items():
            values[blob] = tensor
        with torch.no_grad():
            self.module.run(values, release=True, kept=wanted)
        return {blob: values[blob] for blob in wanted}
