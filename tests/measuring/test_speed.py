"""The benchmark: what it counts and compares, never how fast this machine is."""
import json

import pytest

from deeplandmark import benchmark
from deeplandmark.measuring.speed import prediction
from deeplandmark.measuring.speed.chart import draw_chart
from deeplandmark.measuring.speed.measuring import WARM_UP, Timing, in_turn
from deeplandmark.measuring.speed.ratios import Ratio, faces_ratios, floor_ms, worsened


def test_things_are_done_in_turn():
    done = []
    timings = in_turn({"a": lambda: done.append("a"), "b": lambda: done.append("b")}, 3)
    assert "".join(done) == "ab" * (3 + WARM_UP)
    for name, timing in timings.items():
        assert timing.name == name and 0 <= timing.best <= timing.low <= timing.median <= timing.high


def test_multiply_adds_counted_by_hand():
    """Of the wide family: kernel area x maps below x maps x places, then the full connections."""
    s0 = 16 * 24 * 36 * 36 + 9 * 24 * 64 * 16 * 16 + 9 * 64 * 96 * 6 * 6 + 4 * 96 * 128 * 2 * 2 + 512 * 160 + 160 * 10
    s1 = 16 * 24 * 28 * 36 + 9 * 24 * 64 * 12 * 16 + 9 * 64 * 96 * 4 * 6 + 4 * 96 * 128 * 1 * 2 + 256 * 128 + 128 * 6
    s2 = 16 * 24 * 12 * 12 + 9 * 24 * 56 * 4 * 4 + 224 * 80 + 80 * 2
    assert prediction.multiply_adds("wide") == s0 + 2 * s1 + 20 * s2


def timing(name, ms):
    return Timing(name, 2 * ms, 1.5 * ms, 3 * ms, ms)


def face_timings(threads=1):
    calls = {f"{n} faces, {threads} thread(s)": timing("", 2.0 if n == 1 else 0.5 * n) for n in prediction.BATCHES}
    return {**calls, f"{prediction.MANY} faces, {threads} thread(s)": timing("", 0.6 * prediction.MANY),
            "product of matrices": timing("", 4.0)}


def test_ratios_of_faces():
    work = prediction.PEAK ** 3 // 16                            # a sixteenth of the product of matrices: 0.25 ms
    assert floor_ms(face_timings(), work) == pytest.approx(0.25)
    found = faces_ratios({1: face_timings(), 2: face_timings(2)}, work, {prediction.OPENCV: timing("", 3.0)})
    assert [ratio.value for ratio in found] == pytest.approx([4.0, 1.2, 2.0, 6.0, 1.0, 6.0])


@pytest.mark.parametrize("ratio, stored, is_worse", [
    (Ratio("x", 4.0), 5.2, True), (Ratio("x", 4.0), 4.8, False), (Ratio("x", 9.0), 4.0, False),
    (Ratio("x", 1.3, more_is_better=False), 1.0, True), (Ratio("x", 1.2, more_is_better=False), 1.0, False)])
def test_what_became_worse_by_more_than_a_quarter(tmp_path, ratio, stored, is_worse):
    (tmp_path / "stored.json").write_text(json.dumps({"ratios": {"x": stored, "other": 1.0}}))
    assert bool(worsened([ratio, Ratio("new", 1.0)], tmp_path / "stored.json", 0.25)) == is_worse


def test_chart(tmp_path):
    draw_chart(tmp_path / "speed.png", {1: face_timings(), 2: face_timings(2)}, {1: 0.25, 2: 0.13})
    assert (tmp_path / "speed.png").read_bytes().startswith(b"\x89PNG")


@pytest.fixture
def quick(monkeypatch):
    """The command with a measured part of a moment."""
    monkeypatch.setattr(benchmark, "reexec_keeping_memory", lambda threads: None)

    def part(args, result):
        result.add("pictures", "nothing", {"a": timing("a", 1.0)}, [Ratio("x", 2.0)])
    monkeypatch.setitem(benchmark._MEASURE, "pictures", part)
    return lambda *arguments: benchmark.main(["--only", "pictures", *map(str, arguments)])


def test_the_command_stores_and_compares(quick, tmp_path, capsys):
    stored = tmp_path / "stored.json"
    assert quick("--json", stored) == 0 and "nothing; milliseconds" in capsys.readouterr().out
    assert json.loads(stored.read_text())["ratios"] == {"x": 2.0}
    assert quick("--compare", stored) == 0
    stored.write_text(json.dumps({"ratios": {"x": 3.0}}))
    assert quick("--compare", stored) == 1
    assert "x: 2.00, was 3.00" in capsys.readouterr().err
    assert quick("--compare", stored, "--tolerance", "0.6") == 0


def test_the_command_refuses_before_it_measures(quick, tmp_path, capsys):
    (tmp_path / "wrong.json").write_text("[]")
    for path in ("missing.json", "wrong.json"):
        assert quick("--compare", tmp_path / path) == 1
        assert path in capsys.readouterr().err
    assert quick("--json", tmp_path / "no" / "x.json") == 1
    captured = capsys.readouterr()
    assert "there is no folder" in captured.err and not captured.out
