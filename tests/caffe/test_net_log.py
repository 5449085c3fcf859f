"""The lines about building a net are those of a log of Caffe's, in its order."""
import re
import shutil
from pathlib import Path

import deeplandmark.caffe as caffe
from deeplandmark.caffe.files.prototxt import read_source
from deeplandmark.caffe.logs.log import Log
from deeplandmark.caffe.logs.net_log import log_net

DATA = Path(__file__).parents[1] / "data/caffe"


def building_lines(text):
    """Place and message of every line about a net; data layers report on their files in between."""
    lines = re.findall(r"^\w\d+ \S+ +\d+ ((?:net\.cpp|layer_factory\.hpp):\d+\] .*)$", text, re.M)
    return [line for line in lines if "Memory required" not in line or re.search(r"\d$", line)]


def test_training_and_test_net_of_a_real_log(tmp_path, monkeypatch):
    for folder in ("nets", "data", "init"):
        shutil.copytree(DATA / "solvers" / folder, tmp_path / folder)
    monkeypatch.chdir(tmp_path)
    caffes = (DATA / "logs/train.log").read_text()
    source = read_source("nets/net.prototxt")
    with Log("x.log", stderr=False) as log:
        for phase in (caffe.TRAIN, caffe.TEST):
            log_net(log, caffe.Net(source, phase), source)
    found, wanted = building_lines(Path("x.log").read_text()), building_lines(caffes)
    assert found == wanted and len(found) > 150
    assert definitions(Path("x.log").read_text()) == definitions(caffes)


def definitions(text):
    """Layers of the nets as printed; the state before them has an empty stage where `caffe` was given none."""
    found = re.findall(r"Initializing net from parameters: \n(.*?)\n[IWE]\d{8}", text, re.S)
    assert len(found) == 2
    return [definition[definition.index("layer {"):] for definition in found]


def test_rules_and_splits():
    source = read_source("""
        layer { name: "data" type: "DummyData" top: "x" dummy_data_param { shape { dim: 2 dim: 3 } } }
        layer { name: "a" type: "TanH" bottom: "x" top: "a" include { phase: TEST stage: "deploy" } }
        layer { name: "b" type: "TanH" bottom: "x" top: "b" include { min_level: 2 } include { phase: TRAIN } }
        layer { name: "c" type: "TanH" bottom: "x" top: "c" exclude { stage: "none" } }
    """)
    lines = []

    class Lines(Log):
        def info(self, place, message):
            lines.append(message)

    log_net(Lines(stderr=False), caffe.Net(source, caffe.TRAIN), source)
    assert lines[:3] == ["The NetState phase (0) differed from the phase (1) specified by a rule in layer a",
                         "The NetState level (0) is above the min_level (2) specified by a rule in layer b",
                         "The NetState did not contain stage 'none' specified by a rule in layer c"]
    assert "b <- x_data_0_split_0" in lines and "x_data_0_split -> x_data_0_split_1" in lines
    assert lines[-3:] == ["This network produces output b", "This network produces output c",
                          "Network initialization done."]
