"""A net as one torch module, whose blobs are forgotten after their last use."""
import contextlib

import torch

from deeplandmark.caffe.engines.parameter_watch import ParameterWatch
from deeplandmark.caffe.layers import winograd
from deeplandmark.caffe.layers.convolution import Convolution


class TorchEngine:
    """Runs a NetModule without recording gradients; large convolutions of 3 x 3 on a CPU by Winograd's algorithm.

    Parameters
    ----------
    module : NetModule
    params : dict of str to list of ParamBlob
        The parameters of each layer, through which the user may change them.
    device : torch device
    """

    def __init__(self, module, params, device):
        self.module = module
        self._convolutions = [node.layer for node in module.graph.nodes if isinstance(node.layer, Convolution)
                              and device.type == "cpu" and winograd.pays(node.layer)]
        self._watch = ParameterWatch([params[layer.name][0] for layer in self._convolutions])
        self._transformed = None

    def run(self, inputs, wanted):
        """Values (dict of blob position to tensor) of the blobs `wanted` (set of int) for those of the inputs."""
        values = [None] * len(self.module.graph.blob_names)
        for blob, tensor in inputs.items():
            values[blob] = tensor
        with torch.no_grad(), self._transformed_weights():
            self.module.run(values, release=True, kept=wanted)
        return {blob: values[blob] for blob in wanted}

    @contextlib.contextmanager
    def _transformed_weights(self):
        """While the block runs, the layers have their weights as Winograd's algorithm takes them."""
        if self._transformed is None or self._watch.have_changed():
            self._transformed = [winograd.transformed(layer.blobs[0]) for layer in self._convolutions]
            self._watch.start()
        for layer, kernels in zip(self._convolutions, self._transformed):
            layer.transformed = kernels
        try:
            yield
        finally:
            for layer in self._convolutions:
                layer.transformed = None
