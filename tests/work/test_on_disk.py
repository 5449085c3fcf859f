"""Sequences that lie on the disk."""
import pickle

import pytest

from deeplandmark.work.on_disk import on_disk


def test_it_is_the_list_of_its_items(tmp_path):
    items = [{"name": f"{i}.jpg", "size": i} for i in range(100)]
    with on_disk(iter(items), tmp_path) as kept:
        assert len(kept) == 100 and list(kept) == items and list(kept) == items
        assert kept[0] == items[0] and kept[-1] == items[-1] and kept[10:90:7] == items[10:90:7]
        assert list(kept.at([99, 0, 50])) == [items[99], items[0], items[50]]
        assert pickle.loads(pickle.dumps(kept))[42] == items[42]
        with pytest.raises(IndexError):
            kept[100]
        assert len(list(tmp_path.iterdir())) == 1
    assert not list(tmp_path.iterdir())


def test_an_error_on_the_way_leaves_no_file(tmp_path):
    def items():
        yield 1
        raise ValueError("a bad line")
    with pytest.raises(ValueError, match="a bad line"), on_disk(items(), tmp_path):
        pass
    assert not list(tmp_path.iterdir())
    with on_disk((), tmp_path) as kept:
        assert list(kept) == [] and kept[::2] == []


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(OSError, match="nowhere"), on_disk([1], tmp_path / "nowhere"):
        pass
