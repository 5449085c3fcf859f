"""LMDB databases, read with distrust: a damaged or shortened file is an OSError.

The library itself maps the file and trusts it: a page that is not there ends the process by SIGBUS, one that holds
something else by SIGABRT. Here every page and place is checked before it is looked at. Read is what Caffe writes, the
main database of a little-endian system of 64 bits, as of LMDB 0.9 (its format is that of `mdb.c`, data version 1).
"""
import mmap
import os
import struct

_MAGIC, _VERSION = 0xBEEFC0DE, 1
_HEADER, _META = struct.Struct("<QHHHH"), struct.Struct("<IIQQ")         # page, unused, flags, lower, upper; magic ...
_DATABASE = struct.Struct("<IHHQQQQQ")                           # page size, flags, depth, 3 counts, entries, root
_NODE = struct.Struct("<HHHH")                                   # size or page, in three parts; length of the key
_BRANCH, _LEAF, _OVERFLOW = 1, 2, 4
_BIG, _OTHERS = 1, 2 | 4                                         # of nodes: value on pages of its own; sub-databases
_NO_PAGE = 2 ** 64 - 1


class LmdbFile:
    """The entries of a database, read-only and without a lock.

    Parameters
    ----------
    path : str
        Its folder, or the file itself.

    Raises
    ------
    OSError
        When it cannot be read or is no database, also later, in going through it.
    """

    def __init__(self, path):
        with open(os.path.join(path, "data.mdb") if os.path.isdir(path) else path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size < 2 * 4096:
                raise OSError(f"not an LMDB database: {size} bytes")
            self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._page_size, self._root, self.entries = self._meta()
        self._pages_left = 0

    def __iter__(self):
        """(key, value), bytes, of every entry in the order of the keys."""
        self._pages_left = len(self._data) // self._page_size
        if self._root != _NO_PAGE:
            yield from self._below(self._root)

    def _meta(self):
        """(page size, root, number of entries) as the later of the two first pages has them."""
        found, page_size = [], 0
        for number in (0, 1):
            place = number * page_size
            if place + 160 > len(self._data):
                raise OSError("not an LMDB database: its second page is missing")
            magic, version, _, _ = _META.unpack_from(self._data, place + 16)
            if magic != _MAGIC or version & 0xffff != _VERSION:
                raise OSError("not an LMDB database of a format that is known here")
            page_size = _DATABASE.unpack_from(self._data, place + 40)[0]
            if page_size < 512 or page_size > 1 << 16 or page_size & page_size - 1:
                raise OSError(f"not an LMDB database: pages of {page_size} bytes")
            _, flags, _, _, _, _, entries, root = _DATABASE.unpack_from(self._data, place + 88)
            last, transaction = struct.unpack_from("<QQ", self._data, place + 136)
            found.append((transaction, page_size, flags, root, entries, last))
        _, page_size, flags, root, entries, last = max(found)
        if flags & _OTHERS:
            raise OSError("an LMDB database with several values a key, which Caffe does not write")
        if (last + 1) * page_size > len(self._data):
            raise OSError(f"the database is cut short: {len(self._data):,} bytes of {(last + 1) * page_size:,}")
        return page_size, root, entries

    def _below(self, number):
        self._pages_left -= 1
        if self._pages_left < 0:
            raise OSError("the database is damaged: its pages lie in a circle")
        start, flags, nodes = self._page(number)
        for place in nodes:
            low, high, node_flags, key_size = self._unpack(_NODE, place, start)
            if flags & _BRANCH:
                yield from self._below(low | high << 16 | node_flags << 32)
                continue
            if node_flags & _OTHERS:
                raise OSError("an LMDB database of several, which Caffe does not write")
            key = self._bytes(place + 8, key_size, start)
            size, value = low | high << 16, place + 8 + key_size
            yield key, self._big(value, size, start) if node_flags & _BIG else self._bytes(value, size, start)

    def _page(self, number):
        """(its place, its flags, places of its nodes) of a page of the tree."""
        start = number * self._page_size
        if start + self._page_size > len(self._data):
            raise OSError(f"the database is damaged: page {number} lies beyond its end")
        own, _, flags, lower, upper = _HEADER.unpack_from(self._data, start)
        if own != number or flags & (_BRANCH | _LEAF) not in (_BRANCH, _LEAF) or not 16 <= lower <= upper \
                or upper > self._page_size:
            raise OSError(f"the database is damaged in page {number}")
        offsets = struct.unpack_from(f"<{(lower - 16) // 2}H", self._data, start + 16)
        return start, flags, [start + offset for offset in offsets]

    def _big(self, place, size, start):
        number = int.from_bytes(self._bytes(place, 8, start), "little")
        first = number * self._page_size
        if first + 16 + size > len(self._data):
            raise OSError(f"the database is damaged: page {number} lies beyond its end")
        own, _, flags, _, _ = _HEADER.unpack_from(self._data, first)
        if own != number or not flags & _OVERFLOW:
            raise OSError(f"the database is damaged in page {number}")
        return self._data[first + 16:first + 16 + size]

    def _unpack(self, parts, place, start):
        return parts.unpack(self._bytes(place, parts.size, start))

    def _bytes(self, place, size, start):
        if not start + 16 <= place <= place + size <= start + self._page_size:
            raise OSError(f"the database is damaged in page {start // self._page_size}")
        return self._data[place:place + size]
