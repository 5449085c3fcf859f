"""Pictures of what the single-shot detector is trained on, for people to look at before a training."""
from pathlib import Path

import numpy as np

from deeplandmark.detector_training.scenes import FACE, MAYBE
from deeplandmark.faces.box import BBox
from deeplandmark.faces.draw import contact_sheet, draw_box
from deeplandmark.faces.picture import write_picture

COUNT = 60


def show_files(net, folder):
    """Draws some scenes with their faces' points and suspected places, or the verifier's windows with their points,
    faces first, as samples.png beside the HDF5 files. Returns its path."""
    import h5py  # only training needs it
    folder = Path(folder, net.name)
    with h5py.File((folder / "train.txt").read_text().split("\n")[0], "r") as file:
        rows = {name: dataset[:4 * COUNT] for name, dataset in file.items()}
    shown = _scenes(rows) if net.kind == "s" else _windows(net, rows)
    write_picture(folder / "samples.png", contact_sheet(**shown))
    return folder / "samples.png"


def _scenes(rows):
    objects = rows["objects"][:COUNT]
    faces = [each[each[:, 0] == FACE][:, 5:].reshape(-1, 2) for each in objects]
    images = _pictures(rows["pixels"][:COUNT])
    for index, each in enumerate(objects):
        for row in each[each[:, 0] == MAYBE]:
            images[index] = draw_box(images[index], BBox(*row[1:5].tolist()), thickness=1)
    return {"images": images, "landmarks": faces, "columns": 10}


def _windows(net, rows):
    chosen = np.argsort(-rows["label"], kind="stable")
    chosen = np.concatenate([chosen[:COUNT], chosen[-COUNT:]])
    places = rows["place"][chosen].reshape(-1, 5, 2) * net.size + (net.size - 1) / 2
    return {"images": _pictures(rows["pixels"][chosen]), "columns": 20, "scale": 2,
            "landmarks": [points if label else None for points, label in zip(places, rows["label"][chosen])]}


def _pictures(pixels):
    return list(pixels[:, ::-1].transpose(0, 2, 3, 1))
