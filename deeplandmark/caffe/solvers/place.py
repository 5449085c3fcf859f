"""Where a training stands in its data and its random numbers: what a solverstate of Caffe lacks.

With it beside each solverstate, as `<prefix>_iter_N.place.npz`, a training that was killed goes on as if it had not
been: with the same rows in the same order, masks and augmentations.
"""
import io
import zipfile

import numpy as np
import torch

from deeplandmark.caffe.errors import FileFormatError
from deeplandmark.work.whole_file import write_bytes


def place_path(state_path):
    """The path (str) that belongs to a solverstate's."""
    return f"{state_path.split('.solverstate')[0]}.place.npz"


def write_place(path, nets):
    """Writes, whole or not at all, where each of some Nets stands."""
    write_bytes(path, place_of(nets))


def place_of(nets):
    """Where each of some Nets stands, the bytes of such a file."""
    found = {}
    for number, net in enumerate(nets):
        found[f"{number}/random"] = _generator(net).get_state().numpy()
        for index, layer in _with_places(net):
            found |= {f"{number}/{index}/{name}": value for name, value in layer.position().items()}
    data = io.BytesIO()
    np.savez(data, **found)
    return data.getvalue()


def go_to_place(path, nets, content=None):
    """Brings Nets, built of the same definitions, to where those stood, by a file or by its `content` (bytes). A
    FileFormatError for a file that is none of theirs."""
    try:
        with np.load(path if content is None else io.BytesIO(content), allow_pickle=False) as found:
            for number, net in enumerate(nets):
                for index, layer in _with_places(net):
                    names = [name for name in found if name.startswith(f"{number}/{index}/")]
                    layer.go_to({name.rsplit("/", 1)[1]: found[name] for name in names})
                _generator(net).set_state(torch.from_numpy(found[f"{number}/random"]))
    except (OSError, ValueError, LookupError, TypeError, EOFError, RuntimeError, zipfile.BadZipFile) as error:
        raise FileFormatError(f"{path}: does not say where this training stood ({error}); without the file it goes on "
                              "with other random numbers") from None


def _generator(net):
    """Of which all layers draw."""
    return net.graph.nodes[0].layer.context.generator


def _with_places(net):
    return [(index, node.layer) for index, node in enumerate(net.graph.nodes) if hasattr(node.layer, "position")]
