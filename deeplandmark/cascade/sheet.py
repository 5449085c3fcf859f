"""Contact sheets of what HDF5 files hold, with the targets drawn, so that anyone can check them by eye."""
from pathlib import Path

from deeplandmark.faces.draw import contact_sheet
from deeplandmark.faces.picture import write_picture


def show_samples(plan, folder, sheet, each=12):
    """Draws the first samples of every network of a level: one row of `each` a network, half of them mirrored."""
    images, landmarks = [], []
    for network in plan.networks:
        for name, count in (("train_00.h5", each // 2), ("train_01.h5", each - each // 2)):
            path = Path(folder, network.full_name, name)
            if path.exists():
                found = _read(path, count, network, plan.settings)
                images += found[0]
                landmarks += found[1]
    if not images:
        raise FileNotFoundError(f"{folder}: no training files of level {plan.level}")
    write_picture(sheet, contact_sheet(images, landmarks, columns=each, scale=4 if plan.level > 1 else 3))


def _read(path, count, network, settings):
    import h5py                                                  # only training needs it
    with h5py.File(path, "r") as file:
        data, landmark = file["data"][:count, 0], file["landmark"][:count]
    in_frame = settings.encoding.decode(landmark.reshape(len(landmark), -1, 2))
    return list(data), [points_in_patch(network, points) for points in in_frame]


def points_in_patch(network, in_frame):
    """Points in 0..1 of the network's frame as pixels of its input."""
    rows, columns = network.size
    if network.level == 1:
        x0, x1, y0, y1 = network.window
        in_frame = (in_frame - (x0, y0)) / (x1 - x0, y1 - y0)
    # Patch pixel i covers i..i+1 of the window's cells; its middle is drawn at i.
    return in_frame * (columns, rows) - 0.5
