"""Contact sheets of what HDF5 files hold, with the targets drawn, so that anyone can check them by eye."""
from pathlib import Path

import numpy as np

from deeplandmark.faces.draw import contact_sheet
from deeplandmark.faces.picture import write_picture
from deeplandmark.models.families import USUAL
from deeplandmark.training.templates import render, template_folder


def show_samples(plan, folder, sheet, variant=USUAL, each=12):
    """Draws the first training samples of every network of a level: one row of `each` a network.

    Windows are cut as the training net of the family `variant` cuts them, poses drawn.
    """
    images, landmarks = [], []
    for network in plan.networks:
        data, landmark = _frozen(plan, folder, network, each) if plan.frozen else _cut(plan, folder, network, variant)
        in_frame = plan.settings.encoding.decode(landmark[:each].reshape(len(landmark[:each]), -1, 2))
        images += list(data[:each].mean(axis=1))                  # colours as grey: the points are what counts
        landmarks += [points_in_patch(network, points) for points in in_frame]
    write_picture(sheet, contact_sheet(images, landmarks, columns=each, scale=4 if plan.level > 1 else 3))


def _frozen(plan, folder, network, each):
    """Samples of the first two files, of which the second has the mirrored faces."""
    import h5py  # only training needs it
    parts = []
    for path in Path(folder, network.full_name, "train.txt").read_text().splitlines()[:2]:
        with h5py.File(path, "r") as file:
            parts.append((file["data"][:each // 2], file["landmark"][:each // 2]))
    return [np.concatenate(part) for part in zip(*parts)]


def _cut(plan, folder, network, variant):
    """The first batch of the training net's data layer."""
    from deeplandmark.caffe import TRAIN, Net  # only who looks waits for torch
    text = render(network, "train", folder=template_folder(), variant=variant, train=str(folder), seed=plan.seed)
    net = Net(text.replace("shuffle: true", "shuffle: false"), TRAIN)
    net.forward(end="data_train")
    return net.blobs["data"].data, net.blobs["landmark"].data


def points_in_patch(network, in_frame):
    """Points in 0..1 of the network's frame as pixels of its input."""
    rows, columns = network.size
    if network.level == 1:
        x0, x1, y0, y1 = network.window
        in_frame = (in_frame - (x0, y0)) / (x1 - x0, y1 - y0)
    # Patch pixel i covers i..i+1 of the window's cells; its middle is drawn at i.
    return in_frame * (columns, rows) - 0.5
