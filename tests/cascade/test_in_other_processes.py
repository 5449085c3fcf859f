"""A cascade in other processes: sent to spawned ones, inherited by forked ones."""
import multiprocessing
import os
import pickle

import numpy as np
import pytest

from deeplandmark import Cascade
from deeplandmark.cascade.cascade import Cascade as Class
from deeplandmark.faces.synthetic import draw_face
from deeplandmark.networks.published import model_at
from tests.helpers.patience import PATIENCE

SECONDS = PATIENCE  # after which a process is taken to hang
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def face():
    image, _, box = draw_face(np.random.default_rng(4))
    return image, np.array([box.as_array(), box.as_array() + [1, 2, 1, 2]])


def test_a_pickled_cascade_is_loaded_again(monkeypatch, tmp_path):
    cascade = Cascade.load(threads=2)
    data = pickle.dumps(cascade)
    assert len(data) < 1000
    monkeypatch.chdir(tmp_path)                                  # relative paths would not be found from here
    again = pickle.loads(data)
    assert again.backend == "onnx" and again._engine._threads == 2 and again.settings == cascade.settings
    assert np.array_equal(again.predict(*face()), cascade.predict(*face()))
    assert pickle.loads(pickle.dumps(Cascade.load(backend="torch"))).backend == "torch"


def test_a_path_that_was_relative_is_found_from_anywhere(monkeypatch, tmp_path):
    monkeypatch.chdir(model_at("wide").parent)
    data = pickle.dumps(Cascade.load(model_at("wide").name))
    monkeypatch.chdir(tmp_path)
    assert pickle.loads(data).levels == [1, 2, 3]


def test_without_a_file_there_is_nothing_to_pickle():
    cascade = Cascade.load("wide")
    with pytest.raises(TypeError, match="not made by Cascade.load"):
        pickle.dumps(Class(cascade._engine, "onnx"))


@pytest.mark.process
def test_spawned_workers(tmp_path):
    cascade = Cascade.load(threads=2)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.apply_async(cascade.predict, face()).get(SECONDS)
    assert np.array_equal(found, cascade.predict(*face()))


def answer(cascade, queue):
    many = [found.points for found in cascade.locate_many([face()] * 3, jobs=2)]
    queue.put((cascade.predict(*face()), many))


def of_forked_child(cascade):
    """What a forked process finds, or what became of it."""
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=answer, args=(cascade, queue), daemon=True)
    child.start()
    try:
        return queue.get(timeout=SECONDS)
    finally:
        child.kill()
        child.join()


@forks
@pytest.mark.parametrize("backend", ["onnx", "torch"])
@pytest.mark.process
@pytest.mark.slow
def test_a_forked_child_of_a_process_that_used_threads(backend):
    import torch
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        cascade = Cascade.load(backend=backend, threads=2)
        expected = cascade.predict(*face())                      # the parent's threads are at work before the fork
        points, many = of_forked_child(cascade)
        assert np.allclose(points, expected, rtol=0, atol=1e-3)
        assert len(many) == 3 and all(np.allclose(each, expected, rtol=0, atol=1e-2) for each in many)
        assert np.array_equal(cascade.predict(*face()), expected)     # and the parent's go on
    finally:
        torch.set_num_threads(threads)
