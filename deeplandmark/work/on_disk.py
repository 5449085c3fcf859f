"""Sequences too long for memory: what an iterator yields, kept in a file for as long as it is needed."""
import os
import pickle
from array import array
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path

from deeplandmark.work.whole_file import WholeFile, naming


class OnDisk(Sequence):
    """Objects in a file: eight bytes of memory for each, whatever it holds. Other processes may be handed it.

    Made by `on_disk`; a slice of it is a list.
    """

    def __init__(self, path, ends):
        self._path, self._ends = path, ends

    def __len__(self):
        return len(self._ends)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return list(self.at(range(len(self))[index]))
        return next(self.at([range(len(self))[index]]))

    def __iter__(self):
        return self.at(range(len(self)))

    def at(self, indices):
        """Those at some places, one by one, in the order of `indices`, none of which may be negative."""
        with open(self._path, "rb") as file:
            for index in indices:
                file.seek(self._ends[index - 1] if index else 0)
                yield pickle.load(file)          # from a file that only this run has written


@contextmanager
def on_disk(items, folder):
    """An OnDisk of the items of an iterable, all of which can be pickled; its file in `folder` goes with the block.

    Raises
    ------
    OSError
        Naming the folder when it cannot be written to, or the disk is full.
    """
    whole = WholeFile(Path(folder, "list"))
    try:
        ends = array("q")
        with naming(os.fspath(folder), whole.temporary), open(whole.temporary, "wb") as file:
            for item in items:
                pickle.dump(item, file, pickle.HIGHEST_PROTOCOL)
                ends.append(file.tell())
        yield OnDisk(whole.temporary, ends)
    finally:
        whole.drop()
