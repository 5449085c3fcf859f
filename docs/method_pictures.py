"""Draws the stages of a method's network on one synthetic face, for methods.md:

    python -m docs.method_pictures METHOD MODEL_FOLDER [FILE]

A tile shows a picture blob of the net, the maps laid over it, the points found by then.
"""
import sys
from typing import NamedTuple

import cv2
import numpy as np

from deeplandmark.caffe import TEST, Net
from deeplandmark.faces.draw import as_colour, draw_points
from deeplandmark.faces.picture import write_picture
from deeplandmark.faces.synthetic import draw_face
from deeplandmark.networks.settings import patch_extent
from deeplandmark.networks.windows import see, windows_of
from deeplandmark.regressor.settings import RegressorSettings

SEED, SIDE = 12, 224                    # of the face; of a tile, pixels


class Tile(NamedTuple):
    """Names of blobs."""
    picture: str
    points: str = None
    maps: str = None


METHODS = {                             # rows of tiles
    "san": ((Tile("picture"), Tile("light"), Tile("dark"), Tile("sketch")),
            (Tile("aggregated"), Tile("picture", "original", "original_maps"),
             Tile("aggregated", "mean_style", "mean_style_maps"), Tile("picture", "fc2", "maps"))),
    "dan": ((Tile("data", "stage_1"), Tile("s2_turned", "s2_points"), Tile("s2_heat"), Tile("s2_feature"),
             Tile("data", "fc2")),),
    "mdm": ((Tile("data", "mean"), Tile("data", "step_1"), Tile("data", "step_2"), Tile("data", "step_3"),
             Tile("data", "fc2")),),
    "cfan": ((Tile("coarse", "mean_shape"), Tile("coarse", "stage_1"), Tile("data", "fc2")),),
}
TILTED = {"dan": 20.0, "mdm": 20.0}      # degrees; others see the face upright


def blobs_of(folder, angle=0.0):
    """(RegressorSettings of a model folder, what its net's blobs hold of the turned face: name -> array)."""
    settings = RegressorSettings.load(folder)
    image, _, box = draw_face(np.random.default_rng(SEED))
    middle = box.as_array().reshape(2, 2).mean(axis=0).tolist()
    image = cv2.warpAffine(image, cv2.getRotationMatrix2D(middle, angle, 1.0), image.shape[1::-1],
                           borderMode=cv2.BORDER_REPLICATE) if angle else image
    if settings.channels == 1:
        image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    window = windows_of(settings.network, box.as_array()[None], None)[0]
    stem = f"{folder}/{settings.network.full_name}"
    net = Net(f"{stem}.prototxt", f"{stem}.caffemodel", TEST)
    net.blobs["data"].data = see(settings.network, image, window, settings)[None]
    net.forward()
    return settings, {name: blob.data[0] for name, blob in net.blobs.items()}


def drawn(tile, settings, blobs):
    """A Tile as uint8 (SIDE, SIDE, 3)."""
    image = as_colour(np.squeeze(blobs[tile.picture].transpose(1, 2, 0)))
    image = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    if tile.maps:
        shares = np.exp(blobs[tile.maps] - blobs[tile.maps].max(axis=(1, 2), keepdims=True))
        heat = as_colour((shares / shares.sum(axis=(1, 2), keepdims=True)).max(axis=0))
        heat = cv2.applyColorMap(cv2.resize(heat, (SIDE, SIDE)), cv2.COLORMAP_INFERNO)
        image = cv2.addWeighted(image, 0.5, heat, 0.5, 0)
    if not tile.points:
        return image
    left, top, right, bottom = patch_extent(settings.network, settings.encoding)
    in_window = (blobs[tile.points].reshape(-1, 2) - (left, top)) / (right - left, bottom - top)
    return draw_points(image, SIDE * in_window - 0.5, radius=1.5, colours=[(115, 255, 115)])


def main(method, folder, path=None):
    """Writes the picture."""
    settings, blobs = blobs_of(folder, TILTED.get(method, 0.0))
    write_picture(path or f"docs/images/method_{method}.jpg",
                  np.vstack([np.hstack([drawn(tile, settings, blobs) for tile in row]) for row in METHODS[method]]))


if __name__ == "__main__":
    main(*sys.argv[1:])
