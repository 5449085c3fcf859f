"""A network run by torch, with what its answer is read from."""
import numpy as np
import torch

from deeplandmark.networks.hidden_layer import hidden_blob
from deeplandmark.networks.network import PREDICTION


def check_network(module, network, where):
    """Raises ValueError, naming the file `where`, for a NetModule that sees or answers other than a Network says."""
    graph, zeros = module.graph, np.zeros((1, network.channels, *network.size), np.float32)
    shapes = dict(zip(graph.blob_names, graph.blob_shapes))
    missing = {"data", *network.earlier} - shapes.keys()
    if missing:
        raise ValueError(f"{where}: it has no blob {min(missing)!r}")
    if shapes["data"][1:] != zeros.shape[1:]:
        raise ValueError(f"{where}: it sees data of shape {shapes['data'][1:]}, but the settings of the model say "
                         f"{zeros.shape[1:]}")
    if not graph.outputs:
        raise ValueError(f"{where}: it has no output")
    wanted = (1, network.num_output)
    wrong = [answer.shape for answer in run_network(module, zeros, network.earlier)[:-1] if answer.shape != wanted]
    if wrong:
        raise ValueError(f"{where}: its output has shape {wrong[0]}, expected {wanted}")


def run_network(module, data, earlier=()):
    """A network's answers float32 (n, num_output) to inputs float32 (n, channels, rows, columns), those in the blobs
    `earlier` before the last, and its hidden layer (n, D) or None."""
    graph = module.graph
    names = {graph.blob_names[i]: i for i in graph.outputs}
    places = [graph.blob_names.index(blob) for blob in earlier]
    with torch.inference_mode():
        device = next(module.parameters(), torch.empty(0)).device           # a net of no weights is one, too
        values = module.values_of({"data": torch.from_numpy(np.ascontiguousarray(data)).to(device)})
        module.run(values)
    hidden = hidden_blob(graph)
    answers = [values[i].cpu().numpy() for i in (*places, names.get(PREDICTION, graph.outputs[0]))]
    return (*answers, None if hidden is None else values[hidden].flatten(1).cpu().numpy())
