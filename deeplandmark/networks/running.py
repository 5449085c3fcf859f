"""A network run by torch, with what its answer is read from."""
import numpy as np
import torch

from deeplandmark.networks.hidden_layer import hidden_blob
from deeplandmark.networks.network import PREDICTION


def run_network(module, data, earlier=()):
    """A network's answers float32 (n, num_output) to inputs float32 (n, channels, rows, columns), those in the blobs
    `earlier` before the last, and its hidden layer (n, D) or None."""
    graph = module.graph
    names = {graph.blob_names[i]: i for i in graph.outputs}
    places = [graph.blob_names.index(blob) for blob in earlier]
    with torch.inference_mode():
        values = module.values_of({"data": torch.from_numpy(np.ascontiguousarray(data))})
        module.run(values)
    hidden = hidden_blob(graph)
    answers = [values[i].numpy() for i in (*places, names.get(PREDICTION, graph.outputs[0]))]
    return (*answers, None if hidden is None else values[hidden].flatten(1).numpy())
