"""LMDB databases against the library that writes them; damaged ones are an OSError and never the end of the process."""
import lmdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deeplandmark.caffe.files.lmdb_file import LmdbFile


def write(folder, entries, remove=()):
    with lmdb.open(str(folder), map_size=1 << 26) as environment:
        for group in (entries[:len(entries) // 2], entries[len(entries) // 2:]):   # two transactions: two first pages
            with environment.begin(write=True) as transaction:
                for key, value in group:
                    transaction.put(key, value)
        with environment.begin(write=True) as transaction:
            for key in remove:
                transaction.delete(key)
    return folder / "data.mdb"


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(st.binary(min_size=1, max_size=300), st.integers(0, 9000), max_size=60), st.integers(0, 1000))
def test_the_entries_of_the_library(tmp_path_factory, lengths, seed):
    folder, rng = tmp_path_factory.mktemp("db"), np.random.default_rng(seed)
    entries = [(key, rng.bytes(length)) for key, length in lengths.items()]
    removed = [key for key, _ in entries[::5]]
    path = write(folder, entries, removed)
    kept = sorted((key, value) for key, value in entries if key not in removed)
    assert list(LmdbFile(str(folder))) == list(LmdbFile(str(path))) == kept
    assert LmdbFile(str(folder)).entries == len(kept)


def test_a_large_one(tmp_path):
    entries = [(b"%08d" % i, b"%d" % i * (1 + i % 300)) for i in range(20_000)]
    write(tmp_path, entries)
    assert list(LmdbFile(str(tmp_path))) == entries


@pytest.fixture(scope="module")
def bytes_of_one(tmp_path_factory):
    rng = np.random.default_rng(0)
    entries = [(b"%08d" % i, rng.bytes(40 + 97 * i % 6000)) for i in range(300)]
    return write(tmp_path_factory.mktemp("db"), entries).read_bytes(), entries


def read(tmp_path, data):
    (tmp_path / "data.mdb").write_bytes(data)
    return list(LmdbFile(str(tmp_path)))


def test_one_that_was_cut_short(tmp_path, bytes_of_one):
    data, entries = bytes_of_one
    assert read(tmp_path, data) == entries
    for length in (0, 10, 4096, 8192, 12_288, len(data) // 2, len(data) - 4096):
        with pytest.raises(OSError, match="cut short|not an LMDB"):
            read(tmp_path, data[:length])


def test_every_page_in_turn_is_zeros_or_another(tmp_path, bytes_of_one):
    data, entries = bytes_of_one
    refused = 0
    for start in range(0, len(data), 3 * 4096):
        for page in (bytes(4096), data[8192:8192 + 4096]):
            try:
                found = read(tmp_path, data[:start] + page + data[start + 4096:])
            except OSError:
                refused += 1
            else:                                                # pages that nobody needs, and inside of large values
                assert [key for key, _ in found] == [key for key, _ in entries]
    assert refused > 40


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2 ** 22), st.integers(0, 255)), min_size=1, max_size=6), st.booleans())
def test_changed_bytes(tmp_path_factory, bytes_of_one, changes, heads):
    """Most in the heads of pages and nodes, where they do most."""
    data = bytearray(bytes_of_one[0])
    for place, value in changes:
        place %= len(data)
        data[place // 4096 * 4096 + place % 64 if heads else place] = value
    folder = tmp_path_factory.mktemp("db")
    (folder / "data.mdb").write_bytes(data)
    try:
        for key, value in LmdbFile(str(folder)):
            assert len(key) < 4096 and len(value) <= len(data)
    except OSError as error:
        assert str(error)


def test_pages_in_a_circle(tmp_path, bytes_of_one):
    data = bytearray(bytes_of_one[0])
    metas = [(int.from_bytes(data[at + 144:at + 152], "little"), at) for at in (0, 4096)]     # (transaction, place)
    root = int.from_bytes(data[max(metas)[1] + 128:max(metas)[1] + 136], "little")
    node = root * 4096 + int.from_bytes(data[root * 4096 + 16:root * 4096 + 18], "little")
    data[node:node + 4] = root.to_bytes(4, "little")             # the first node below the root is the root
    with pytest.raises(OSError, match="in a circle"):
        read(tmp_path, bytes(data))
