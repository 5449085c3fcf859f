"""The HDF5 files of a level, written by many processes: one file of a kind, or, of very many faces, several parts.

A net's data layer holds one file in memory and shuffles within it. So a part has no more than fits, all networks of the
level together, and every n-th of the training faces, whatever the order of the list. Each part is made and written by
one process, and no sample passes from one to another: memory does not grow with the number of faces.
"""
import shutil
from contextlib import ExitStack
from functools import partial
from itertools import islice

import numpy as np

from deeplandmark.faces.datasets.annotation import Problem
from deeplandmark.faces.datasets.held_back import is_held_back
from deeplandmark.training.hdf5_writer import HDF5Writer
from deeplandmark.training.start_weights import write_mean_shape
from deeplandmark.work.processes import in_processes
from deeplandmark.work.progress import Progress
from deeplandmark.work.whole_file import write_text

CHUNK = 25                  # faces a worker is handed at a time
PART_BYTES = 1 << 30        # of a part of all networks of a level: what a data layer holds (caffe/files/hdf5_rows.py)
_TRIED = 100                # faces whose pictures may be missing before the size of one is known


class SampleFiles:
    """The files of a level's networks below a folder.

    Parameters
    ----------
    plan : Plan
    out : Path
    make : callable (plan, (index, Annotation)) -> list of (file, samples of all networks), or a Problem
        A function of a module. File 0 is for tests; there are as many as `plan.files()`.
    """

    def __init__(self, plan, out, make):
        self.plan, self.out, self.make = plan, out, make

    def write(self, faces, bad, jobs):
        """Makes the files of Annotations (OnDisk), each Problem going to `bad` (BadLines), by `jobs` processes."""
        count = self._parts(faces)
        for network in self.plan.networks:
            folder = self.out / network.full_name
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        progress = Progress("faces", len(faces), f"level {self.plan.level}")
        if count == 1:
            results = in_processes(partial(self.make, self.plan), enumerate(faces), jobs, CHUNK)
            self._fill(self.plan.files(), self._counted(progress.over(results), bad))
        else:
            for results in in_processes(partial(self.write_part, faces, count), [None, *range(count)], jobs):
                for result in results:
                    bad.takes(result)
                progress.step(len(results))
            progress.clear()
        self._finish(self.plan.files() if count == 1 else
                     [self.plan.files()[0], *(name for part in range(count) for name in self._names(part)[1:])])

    def write_part(self, faces, count, part):
        """Writes one of `count` parts, or, of part None, the test files. Returns a Problem or None for each face."""
        problems = []

        def good():
            for item in zip(places(len(faces), count, part), faces.at(places(len(faces), count, part))):
                result = self.make(self.plan, item)
                problems.append(result if isinstance(result, Problem) else None)
                if problems[-1] is None:
                    yield result
        self._fill(self.plan.files()[:1] if part is None else [None, *self._names(part)[1:]], good())
        return problems

    @staticmethod
    def _counted(results, bad):
        return (result for result in results if not bad.takes(result))

    def _fill(self, names, results):
        """Writes samples into the files of these names, of every network; None where there is none to write to."""
        with ExitStack() as stack:
            writers = {network: [name and stack.enter_context(HDF5Writer(self.out / network.full_name / name))
                                 for name in names] for network in self.plan.networks}
            for result in results:
                for file, samples in result:
                    for network, values in zip(self.plan.networks, samples):
                        if values is not None:
                            writers[network][file].add(values)

    def _parts(self, faces):
        """Into how many parts the training faces go, an int, by the size of the first that can be read."""
        training = ((index, face) for index, face in enumerate(faces) if not is_held_back(index))
        for item in islice(training, _TRIED):
            result = self.make(self.plan, item)
            if not isinstance(result, Problem):
                nbytes = sum(np.asarray(array).nbytes for _, samples in result for values in samples if values
                             for array in values.values())
                return max(1, -(-len(faces) * nbytes // PART_BYTES))
        return 1

    def _names(self, part):
        return [name.replace(".h5", f".part{part:03d}.h5") for name in self.plan.files()]

    def _finish(self, names):
        """The lists of files that data layers read."""
        for network in self.plan.networks:
            folder = self.out / network.full_name
            write_mean_shape(folder, names[1:])
            for list_name, members in (("test.txt", names[:1]), ("train.txt", names[1:])):
                write_text(folder / list_name, "".join(f"{folder / name}\n" for name in members))


def places(total, count, part):
    """The places in a list of `total` faces of those that one of `count` parts has: every count-th that is trained on,
    or, of part None, those held back."""
    if part is None:
        return filter(is_held_back, range(total))
    return islice((index for index in range(total) if not is_held_back(index)), part, None, count)
