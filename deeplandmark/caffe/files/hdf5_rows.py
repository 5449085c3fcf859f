"""The rows of one HDF5 file: held in memory, or read block by block where they are too many."""
import numpy as np
import torch

from deeplandmark.caffe.errors import FileFormatError
from deeplandmark.caffe.files.hdf5 import check_chunks
from deeplandmark.caffe.files.plain import open_plain
from deeplandmark.caffe.limits import memory_limit

# Kept as they are in memory and converted batch by batch; other number types are converted when they are read.
_KEPT_DTYPES = ("float32", "float16", "uint8", "int8", "int16", "int32", "int64", "float64")
HELD_BYTES = 1 << 30         # larger files are read in blocks
BLOCK_BYTES = 32 << 20
_BELIEVABLE = 20             # compressed further, a file may be made to fill the memory: it is read in blocks, too
_LARGEST_CHUNK = 128 << 20   # of a file that is compressed further than that


def open_rows(caller, path, names):
    """The rows of the datasets `names`, as HeldRows or, where they are many bytes, BlockedRows.

    Parameters
    ----------
    caller : Layer
        In whose name files are refused (NetError) that cannot be read, lack a dataset, or have datasets of different
        lengths.
    path : str
    names : list of str
    """
    import h5py  # only nets that read HDF5 pay for it
    try:
        open_plain(path).close()
        file = h5py.File(path, "r", rdcc_nbytes=BLOCK_BYTES)
    except OSError as error:
        caller.fail(f"cannot read {path!r}: {error}")
    try:
        datasets = [_dataset(caller, file, name, path) for name in names]
        counts = {name: data.shape[0] for name, data in zip(names, datasets)}
        if len(set(counts.values())) != 1:
            caller.fail(f"{path!r}: datasets differ in their number of rows: {counts}")
        if not datasets[0].shape[0]:
            caller.fail(f"{path!r}: datasets have no rows")
        blocked = _needs_blocks(caller, datasets, path)
        rows = BlockedRows(caller, file, datasets) if blocked else HeldRows(datasets)
    except (FileFormatError, KeyError, OSError) as error:        # KeyError: a link to nowhere
        file.close()
        caller.fail(f"cannot read {path!r}: {error}")
    except BaseException:
        file.close()
        raise
    if not blocked:
        file.close()
    return rows


class HeldRows:
    """All rows in memory, in their own number type; parts of a batch that lie together are views.

    Attributes
    ----------
    num_rows : int
    row_shapes : list of tuples
        Shape of a row, one for each dataset.
    """

    def __init__(self, datasets):
        self.datasets = [torch.from_numpy(np.ascontiguousarray(np.asarray(data), dtype=_kept_dtype(data)))
                         for data in datasets]
        self.num_rows = len(self.datasets[0])
        self.row_shapes = [tuple(data.shape[1:]) for data in self.datasets]
        self.order = None

    def begin(self, order):
        """Starts a new round; `order` is a permutation of the rows (int64 tensor) or None."""
        self.order = order

    def take(self, start, stop, step=1):
        """Rows start, start + step ... before stop of the round: a list of parts, each with one tensor for every
        dataset; no part where there are none."""
        if start >= stop:
            return []
        if self.order is None:
            return [[data[start:stop:step].contiguous() for data in self.datasets]]
        chosen = self.order[start:stop:step]
        return [[data.index_select(0, chosen) for data in self.datasets]]

    def close(self):
        """Frees the rows."""
        self.datasets = None


class BlockedRows:
    """Rows that stay in their file; about BLOCK_BYTES of those to come are in memory. Attributes as of HeldRows.

    In a shuffled round the rows of a block lie anywhere in the file. They are read from its front to its end, so that a
    block goes through the file once; the order is the same permutation as for rows in memory.
    """

    def __init__(self, caller, file, datasets):
        self.caller, self.file, self.stored = caller, file, datasets
        self.mapped = [_mapped(file, data) for data in datasets]
        self.num_rows = datasets[0].shape[0]
        self.row_shapes = [tuple(data.shape[1:]) for data in datasets]
        row_bytes = sum(_nbytes(data) for data in datasets) // self.num_rows
        self.block_rows = max(1, BLOCK_BYTES // max(1, row_bytes))
        self.begin(None)

    def begin(self, order):
        """As HeldRows.begin."""
        self.order = order
        self.block, self.first, self.last, self.step = None, 0, 0, 1

    def take(self, start, stop, step=1):
        """As HeldRows.take; a part never reaches over the end of a block, which has the rows of one `step` alone. A
        NetError when the file cannot be read."""
        parts = []
        while start < stop:
            if step != self.step or not self.first <= start < self.last or (start - self.first) % step:
                self._read(start, step)
            first = (start - self.first) // step
            count = len(range(start, min(stop, self.last), step))
            parts.append([data[first:first + count] for data in self.block])
            start += count * step
        return parts

    def close(self):
        """Frees the block and closes the file."""
        self.block = self.mapped = None
        self.file.close()

    def _read(self, start, step):
        self.block = None                                        # freed before the next one is made
        self.first, self.step = start, step
        self.last = min(start + step * self.block_rows, self.num_rows)
        try:
            self.block = [torch.from_numpy(self._read_dataset(*pair)) for pair in zip(self.stored, self.mapped)]
        except OSError as error:
            self.caller.fail(f"cannot read {self.file.filename!r}: {error}")

    def _read_dataset(self, data, mapped):
        wanted = slice(self.first, self.last, self.step)
        rows = np.empty((len(range(self.num_rows)[wanted]), *data.shape[1:]), _kept_dtype(data))
        if self.order is None:
            data.read_direct(rows, np.s_[wanted])
            return rows
        chosen = self.order[wanted].numpy()
        places = np.argsort(chosen)
        if mapped is not None:
            rows[places] = mapped[chosen[places]]
            return rows
        for place in places:
            data.read_direct(rows, np.s_[chosen[place]:chosen[place] + 1], np.s_[place:place + 1])
        return rows


def _mapped(file, data):
    """The dataset as an array in the file, where its rows lie together as they are: single rows are read 20 times
    faster so. None where they do not."""
    offset = data.id.get_offset()
    if offset is None or data.chunks or data.external or file.userblock_size:
        return None
    try:
        return np.memmap(file.filename, data.dtype, "r", offset, data.shape)
    except (OSError, ValueError):                                # HDF5 will say what is wrong with the file
        return None


def check_memory(caller, nbytes, what):
    """Refuses, as a NetError, `nbytes` that could never be held in memory, before it is tried; `what` needs them."""
    memory = memory_limit()
    if memory is not None and nbytes > memory:
        caller.fail(f"{what} would need {nbytes / 2**30:.0f} GiB; this machine has {memory / 2**30:.0f}")


def _dataset(caller, file, name, path):
    import h5py
    if name not in file:
        caller.fail(f"{path!r} has no dataset of this name (it has: {', '.join(sorted(file))})", blob=name)
    data = file[name]
    if not isinstance(data, h5py.Dataset):
        caller.fail(f"{path!r}: is a group, expected a dataset", blob=name)
    if data.dtype.kind not in "fiu" or not data.shape:
        caller.fail(f"{path!r}: dataset of type {data.dtype} with shape {data.shape}; "
                    "expected numbers with at least one axis", blob=name)
    return data


def _needs_blocks(caller, datasets, path):
    nominal = sum(map(_nbytes, datasets))
    if nominal <= BLOCK_BYTES:
        for data in datasets:
            check_chunks(data, path)
        return False
    stored = sum(data.id.get_storage_size() for data in datasets)
    suspicious = nominal > _BELIEVABLE * stored
    for data in datasets:
        chunk = int(np.prod(data.chunks, dtype=object)) * data.dtype.itemsize if data.chunks else 0
        if suspicious and chunk > _LARGEST_CHUNK:
            caller.fail(f"{path!r}: {stored} bytes claim to be {nominal}, in chunks of {chunk}; such files are refused")
    return suspicious or nominal > HELD_BYTES


def _kept_dtype(data):
    native = data.dtype.newbyteorder("=")
    return native if native.name in _KEPT_DTYPES else np.dtype(np.float32)


def _nbytes(data):
    return int(np.prod(data.shape, dtype=object)) * _kept_dtype(data).itemsize
