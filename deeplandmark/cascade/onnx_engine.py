"""The cascade as one graph, run by ONNX Runtime: needs no torch."""
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from deeplandmark.cascade.confidence.confidence import point_confidence
from deeplandmark.cascade.mosaic import mosaic, taken_apart, tile_of
from deeplandmark.cascade.settings import CascadeSettings
from deeplandmark.networks.windows import around
from deeplandmark.work.onnx_session import open_session

FORMAT = 2                  # of the exported models this version reads
_OUTPUTS = ("levels", "spread", "confidence", "first")
# Faces of a call run in parts of this many: they stay in the processor's cache, and memory stays flat.
FACES = 64
LARGE = 500_000             # pixels of a picture from which on only what is near the faces is looked at
PIXELS = 4_000_000          # of all crops of a part, so that a few large faces do not fill the memory


class OnnxEngine:
    """Runs an exported cascade; may be used by several threads at once.

    Parameters
    ----------
    path : path of an .onnx
    threads : int
        Threads that one call may use, each for other faces: inside a network there is too little work to divide.
    device : str
        See `open_session`.

    Attributes
    ----------
    settings : CascadeSettings
    levels : list of int, those there are
    fingerprint : str
        Of the model folder it was made of (see networks/model_folder.py).

    Raises
    ------
    ValueError
        If the file cannot be read, is damaged, or is no exported cascade.
    """

    def __init__(self, path, threads=1, device="cpu"):
        self._session = open_session(path, device=device)
        self._threads, self._pool, self._pool_process = threads, None, None
        metadata = self._session.get_modelmeta().custom_metadata_map
        if metadata.get("deeplandmark") != str(FORMAT):
            raise ValueError(f"{path}: not a cascade exported by this version "
                             f"(format {metadata.get('deeplandmark', 'none')}, this version reads {FORMAT}); "
                             "make it anew with `deeplandmark export`")
        try:
            self.settings = CascadeSettings.from_json(metadata["settings"], path)
            self.fingerprint, self._reach = metadata["fingerprint"], float(metadata["reach"])
            self.levels = [int(level) for level in metadata["levels"].split()]
        except KeyError as error:
            raise ValueError(f"{path}: not a whole cascade, its metadata lacks {error}") from None

    def run(self, image, boxes, level):
        """(levels, spread, confidence, first) for a grey picture and boxes (n, 4) float64, as torch_networks' Found."""
        if not len(boxes):
            return self._nothing(level)
        if image.size <= LARGE:
            return self._answers(image, boxes, level)
        part, corner = around(image, boxes, self._reach)
        levels, spread, confidence, first = self._answers(part, boxes - np.tile(corner, 2), level)
        return levels + corner, spread, confidence, first + corner

    def run_many(self, pictures, level):
        """[run(image, boxes, level)] of an iterable of (image, boxes), small faces together: see mosaic.py.

        The pictures are taken one at a time, and no more of them is kept than is around their faces."""
        results, tiles = [], []
        for image, boxes in pictures:
            tile = tile_of(image, boxes, self._reach)
            results.append(self.run(image, boxes, level) if tile is None else None)
            tiles += [tile] * (tile is not None)
        together = iter(self._run_tiles(tiles, level) if tiles else ())
        return [next(together) if result is None else result for result in results]

    def _nothing(self, level):
        count, points = sum(number <= level for number in self.levels), len(self.settings.points)
        return tuple(np.zeros((0, *shape), np.float32)
                     for shape in ((count, points, 2), (count, points), (points,), (points, 2)))

    def _run_tiles(self, tiles, level):
        levels, spread, confidence, first = self._answers(*mosaic(tiles), level)
        stops = np.cumsum([len(tile.boxes) for tile in tiles])[:-1]
        return [(own_levels, own_spread, own_confidence, own_first)
                for (own_levels, own_first), own_spread, own_confidence
                in zip(taken_apart(tiles, levels, first), np.split(spread, stops), np.split(confidence, stops))]

    def _answers(self, image, boxes, level):
        levels, spread, confidence, first = self._run(image, boxes)
        # The graph runs all levels: which of them is asked for is no reason to have branches in it.
        count = sum(number <= level for number in self.levels)
        if count < len(self.levels):
            levels, spread = levels[:, :count], spread[:, :count]
            confidence = point_confidence(levels, spread, boxes[:, 2] - boxes[:, 0], self.settings.confidence)
        return levels, spread, confidence, first

    def _run(self, image, boxes):
        boxes32 = boxes.astype(np.float32)
        order, parts = _parts(boxes, self._threads)

        def run(part):
            return self._session.run(_OUTPUTS, {"image": image, "boxes": boxes32[part]})
        found = list((self._workers().map if self._threads > 1 else map)(run, parts))
        joined = found[0] if len(found) == 1 else [np.concatenate(arrays) for arrays in zip(*found)]
        return joined if len(boxes) < 2 else [_restored(array, order) for array in joined]

    def _workers(self):
        """The pool of threads; one of its own in a forked process, where the parent's threads are not."""
        process = os.getpid()
        if self._pool_process != process:
            # Two calls at once may each make one: the first to be let go ends its threads when its work is done.
            self._pool, self._pool_process = ThreadPoolExecutor(self._threads), process
        return self._pool


def _restored(array, order):
    """The rows back in the order of the boxes."""
    result = np.empty_like(array)
    result[order] = array
    return result


def _parts(boxes, threads):
    """The order of faces by size, and that order in parts: a part's crops are as large as those of its largest face."""
    if len(boxes) < 2:
        order = np.arange(len(boxes))
        return order, [order]
    most = min(FACES, -(-len(boxes) // threads))
    longest = (boxes[:, 2:] - boxes[:, :2]).max(1)
    order = np.argsort(longest, kind="stable")
    parts, start = [], 0
    while start < len(order):
        stop = min(start + most, len(order))
        while stop > start + 1 and (stop - start) * longest[order[stop - 1]] ** 2 > PIXELS:
            stop -= max(1, (stop - start) // 2)
        parts.append(order[start:stop])
        start = stop
    return order, parts
