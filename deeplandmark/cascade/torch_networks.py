"""Networks of a model folder as functions of numpy arrays, run by torch."""
import numpy as np
import torch

from deeplandmark.caffe.errors import CaffeError
from deeplandmark.caffe.module import to_torch

PREDICTION = "fc2"      # the blob that holds the answer; the original's deploy nets have `landmark` as an output, too


def load_network(network, folder):
    """Callable float32 (n, 1, rows, columns) -> float32 (n, num_output) of a network in a model folder.

    Raises
    ------
    CaffeError (a ValueError)
        If its files are missing, damaged, or do not fit together.
    """
    stem = folder / network.full_name
    module = to_torch(f"{stem}.prototxt", f"{stem}.caffemodel")
    shape = (1, 1, *network.size)

    def run(data):
        with torch.inference_mode():
            output = module(data=torch.from_numpy(np.ascontiguousarray(data)))
        return (output[PREDICTION] if PREDICTION in output else next(iter(output.values()))).numpy()

    answer = run(np.zeros(shape, np.float32))
    if answer.shape != (1, network.num_output):
        raise CaffeError(f"{stem}.prototxt: its output has shape {answer.shape}, expected (1, {network.num_output})")
    return run
