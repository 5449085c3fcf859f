"""cascade.json: what is written is read again, and what is wrong in it is refused with the file's name."""
import json
from dataclasses import replace

import pytest

from deeplandmark.cascade.settings import ORIGINAL_SETTINGS, PAPER_SETTINGS, CascadeSettings
from deeplandmark.faces.points import Points
from deeplandmark.models.families import settings_of

MINE = settings_of("paper", Points(("ear", "chin"), (0, 1)))


@pytest.mark.parametrize("settings", [PAPER_SETTINGS, ORIGINAL_SETTINGS, MINE])
def test_written_and_read_again(settings, tmp_path):
    settings.save(tmp_path)
    assert CascadeSettings.load(tmp_path) == settings


@pytest.mark.parametrize("place, value, text", [
    ("cutting", "foo", "cutting 'foo' is unknown"), ("cutting", ["area"], "is unknown"), ("format", 2, "format 2"),
    ("encoding/scale", 0, "a scale of 0"), ("encoding/scale", float("inf"), "a scale of inf"),
    ("encoding/centre", float("nan"), "a centre of nan"), ("encoding/scale", "2", ""),
    ("encoding", {"scale": 2}, "centre"),
    ("networks", ["x"], "'x' is no network"), ("networks", 3, ""), ("networks/0", {"level": 1}, "name"),
    ("networks/0/size", [0, 39], "no network of 5 points"), ("networks/0/size", 39, ""),
    ("networks/0/level", 4, ""), ("networks/0/window", None, ""), ("networks/0/window", [1, 0, 0, 1], "no network"),
    ("networks/0/points", [5], "no network of 5 points"), ("networks/0/points", [], "no network"),
    ("networks/0/size", [39.0, 39], "no network"), ("networks/0/points", [0.0], "no network"),
    ("networks/0/structure", {}, "no network"), ("networks/0/name", 3, "no network"),
    ("networks/0/half_side", [[1]], "no network"), ("networks/3/window", {}, "no network"),
    ("networks/0/window", [0, float("inf"), 0, 1], "no network"), ("networks/3/half_side", 1e999, "no network"),
    ("networks/3/half_side", None, ""), ("networks/3/half_side", 0, "no network"),
    ("level_1_share", 1, "not in 0 .. 1")])
def test_what_is_wrong_is_refused(place, value, text, tmp_path):
    values = json.loads(PAPER_SETTINGS.to_json())
    *path, last = place.split("/")
    part = values
    for name in path:
        part = part[int(name) if isinstance(part, list) else name]
    part[int(last) if isinstance(part, list) else last] = value
    (tmp_path / "cascade.json").write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(ValueError, match="cascade.json: not a cascade's settings") as caught:
        CascadeSettings.load(tmp_path)
    assert text in str(caught.value)


def test_a_cascade_that_would_see_colours_is_refused_before_any_work():
    """Its windows are cut of grey pictures: better one line now than a net of the wrong channels after a training."""
    rows = tuple(replace(network, channels=3) for network in PAPER_SETTINGS.networks)
    with pytest.raises(ValueError, match="see grey pictures"):
        replace(PAPER_SETTINGS, networks=rows)
    with pytest.raises(ValueError, match="either grey pictures or colours"):
        replace(PAPER_SETTINGS, networks=(*rows[:1], *PAPER_SETTINGS.networks[1:]))
