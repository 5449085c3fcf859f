"""The documentation holds: its Python runs as it stands, and every command and flag that it names exists."""
import contextlib
import functools
import io
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

import deeplandmark.caffe as caffe
from deeplandmark.__main__ import VERBS, main
from deeplandmark.caffe.files.database import open_database
from deeplandmark.faces.points import Points
from deeplandmark.networks.published import ONNX_FILE, model_at
from tests.helpers.onnx_cascades import random_model

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "dataset" / "README.md",
         *sorted((ROOT / "deeplandmark" / "published").rglob("MODEL.md")), *sorted((ROOT / "docs").glob("*.md"))]
NAMES = [verb for verbs in VERBS.values() for verb in verbs]
BLOCK = re.compile(r"^(?:<!-- not run: (.+?) -->\n)?```python\n(.*?)^```", re.S | re.M)
FLAG = re.compile(r"(?<![\w-])--[a-z][\w-]*")
COMMAND = re.compile(r"\bdeeplandmark[ .]([a-z]\w*)([^\n|#;&]*)")
# Flags of other programs: pip, twine, ray, torchrun, sbatch, and a script of the tests.
OTHERS = {"--count", "--index-url", "--strict", "--clients", "--seconds", "--bad", "--pid", "--no-deps", "--head",
          "--pictures", "--nproc-per-node", "--nnodes", "--max-restarts", "--rdzv-backend", "--rdzv-endpoint",
          "--rdzv-id", "--nodes", "--ntasks-per-node", "--cpus-per-task", "--time", "--requeue"}


def python_blocks(text):
    """[(why a block is not run, or None; the block)] of a page. `<!-- not run: it needs a camera -->` in the line
    before a block, which no reader sees, says so."""
    return [(match[1], match[2]) for match in BLOCK.finditer(text)]


def test_a_block_can_be_left_out():
    text = "```python\na\n```\n<!-- not run: it needs a camera -->\n```python\nb\n\nc\n```\n```\nd\n```\n"
    assert python_blocks(text) == [(None, "a\n"), ("it needs a camera", "b\n\nc\n")]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """What the pages' Python reads: pictures, a Caffe net, an exported cascade."""
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("face.jpg", np.random.default_rng(1).integers(0, 256, (250, 250, 3), np.uint8))
    Path("photos").mkdir()
    for name in ("photo.jpg", "photos/1.jpg"):
        shutil.copy("face.jpg", name)
    Path("deploy.prototxt").write_text(
        'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: [2, 1, 8, 8] } } }\n'
        'layer { name: "score" type: "InnerProduct" bottom: "data" top: "score"\n'
        '  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }')
    caffe.Net("deploy.prototxt", caffe.TEST).save("weights.caffemodel")
    Path(ONNX_FILE).symlink_to(model_at("wide") / ONNX_FILE)
    return tmp_path


def run_page(page, **given):
    """The names of a page after its Python, which starts from those that the text around it gives."""
    names = dict(given)
    for why, block in python_blocks((ROOT / page).read_text(encoding="utf-8")):
        if why is None:
            exec(compile(block, page, "exec"), names)
    return names


# What the text around a page's Python speaks of.
IMAGE, BOXES = np.random.default_rng(2).integers(0, 256, (250, 250), np.uint8), [[84, 92, 161, 169]]


def check_readme(names):
    assert names["faces"].points.shape == (1, 5, 2) and names["faces"].confidence.shape == (1, 5)
    assert isinstance(names["net"], caffe.Net) and Path("net.onnx").stat().st_size > 100


def check_caffe(names):
    assert names["scores"].shape == (2, 3) and names["everything"]["score"].shape == (13, 3)
    assert names["outputs"]["score"].shape == (2, 3) and names["prepared"].shape == (3, 12, 12)
    assert names["solver"].iter == 5 and Path("run_iter_10.solverstate").exists()


def check_caffe_walkthrough(names):
    assert names["right"] >= 9                                   # of ten digits
    tested = Path("train.log.test").read_text().splitlines()
    assert float(tested[-1].split(",")[tested[0].split(",").index("accuracy")]) > 0.9
    assert len(list(open_database("features_lmdb", "lmdb"))) == 100
    losses, params = names["losses"], names["solver"].net.params
    assert np.mean(losses[-20:]) < 0.5 * np.mean(losses[:5])
    np.testing.assert_array_equal(params["conv"][0].data, params["conv_p"][0].data)


def check_speed(names):
    assert names["levels"].shape == (1, 3, 5, 2) and names["confidence"].shape == (1, 5)
    assert names["points"].shape == (1, 5, 2)


def check_own_points(names):
    assert names["points"].shape == (1, 3, 2)


def check_align(names):
    assert names["matrix"].shape == (2, 3) and names["crop"].shape == (112, 112)


def check_detect(names):
    assert names["faces"].points.shape == (len(names["found"].boxes), 5, 2)


def check_coming_from(names):
    assert names["points"].shape[1:] == (5, 2) and names["boxes"].shape[1] == 4


def check_cluster(names):
    assert names["rows"].num_rows == 1 and names["rows"].column_names == ["picture", "points", "confidence"]


RUNS = {
    "README.md": (check_readme, {}), "docs/caffe.md": (check_caffe, {}),
    "docs/caffe_walkthrough.md": (check_caffe_walkthrough, {}), "docs/detect.md": (check_detect, {}),
    "docs/coming_from.md": (check_coming_from, {}), "docs/cluster.md": (check_cluster, {}),
    "docs/align.md": (check_align, {"image": IMAGE, "points": [[9, 9], [30, 9], [20, 20], [9, 30], [30, 30]]}),
    "docs/own_points.md": (check_own_points, {"image": IMAGE, "boxes": BOXES}),
    "docs/speed.md": (check_speed, {"image": IMAGE, "my_list": [("face.jpg", BOXES)]})}


def test_every_page_with_python_is_run():
    with_python = {page for page in PAGES if "```python" in page.read_text(encoding="utf-8")}
    assert {page.relative_to(ROOT).as_posix() for page in with_python} == set(RUNS)


@pytest.mark.parametrize("page", RUNS)
def test_the_python_of_a_page_runs(page, folder):
    if page == "docs/own_points.md":
        random_model(folder / "model-ears", Points(("left_ear", "right_ear", "chin"), (1, 0, 2)))
    if page == "docs/cluster.md":
        pytest.importorskip("pyarrow", reason="needs the extra [cluster]")
        from deeplandmark.labelling.table import Counts, faces_file
        face = {"picture": "a.jpg", "box": [0] * 4, "points": [[1, 2]] * 5, "confidence": [1] * 5, "score": None}
        (folder / "rows").mkdir()
        (folder / "rows" / "part-00000.parquet").write_bytes(faces_file([face], {}, Counts(1, 1)))
    check, given = RUNS[page]
    check(run_page(page, **given))


def test_what_the_page_about_caffe_prints(folder, capsys):
    run_page("docs/caffe.md")
    assert "unknown type 'Relu'" in capsys.readouterr().out


@functools.cache
def help_of(*words):
    """What a command prints with --help."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        main([*words, "--help"])
    assert "usage: " in out.getvalue(), words
    return out.getvalue()


def caffe_tools():
    """The words after `deeplandmark caffe` that have a --help of their own."""
    tools, _, _ = help_of("caffe").partition("tools with")[2].partition("positional")
    return re.findall(r"^  ([a-z]\w+) ", tools, re.M)


def commands_of(text):
    """[(verb, flags, all words after the verb)] of what stands in a page's blocks and between its backticks."""
    fenced = re.compile(r"^```\w*\n(.*?)^```", re.S | re.M)
    lines = [line for block in fenced.findall(text) for line in block.replace("\\\n", " ").splitlines()]
    spans = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", fenced.sub("", text))]
    return [(match[1], FLAG.findall(match[2]), match[2].split()) for line in [*lines, *spans]
            for match in COMMAND.finditer(line) if line.lstrip().startswith(("deeplandmark ", "python -m ", "pip "))]


def check_commands(text, place):
    found = commands_of(text)
    for verb, flags, words in found:
        assert verb in NAMES, f"{place}: deeplandmark {verb} is no command"
        tool = words[0] if verb == "caffe" and words and words[0] in caffe_tools() else None
        known = FLAG.findall(help_of(verb, tool) if tool else help_of(verb))
        assert set(flags) <= set(known), f"{place}: deeplandmark {verb} knows no {set(flags) - set(known)}"
    return len(found)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_of_a_page_exists(page):
    check_commands(page.read_text(encoding="utf-8"), page)


def test_commands_are_found_in_the_pages():
    assert sum(len(commands_of(page.read_text(encoding="utf-8"))) for page in PAGES) > 60


@pytest.mark.parametrize("text", ["`deeplandmark detcet a.jpg`", "```\ndeeplandmark detect a --jsno b\n```",
                                  "see `deeplandmark\nevaluate --limt 3`", "`deeplandmark caffe fuzz --solver a`"])
def test_wrong_commands_are_noticed(text):
    with pytest.raises(AssertionError, match="is no command|knows no"):
        check_commands(text, "page")


@pytest.mark.parametrize("verb", NAMES)
def test_the_examples_of_help_exist(verb):
    assert check_commands(f"```\n{help_of(verb).partition('examples:')[2]}\n```\n", verb) > 0


def test_flags_that_stand_alone_are_those_of_some_command():
    known = set(FLAG.findall((ROOT / "bootstrap.sh").read_text())) | OTHERS
    for words in [*((verb,) for verb in NAMES), *(("caffe", tool) for tool in caffe_tools())]:
        known |= set(FLAG.findall(help_of(*words)))
    for page in PAGES:
        assert set(FLAG.findall(page.read_text(encoding="utf-8"))) <= known, page


def test_links_and_files_are_there():
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
            assert re.match(r"https?://", target) or (page.parent / target).exists(), (page.name, target)
        for file in re.findall(r"\b(?:deeplandmark/[\w/]+\.(?:py|json|onnx)|prototxt/[\w/.]+\.template)\b", text):
            assert (ROOT / file).exists(), (page.name, file)
        for beginning in re.findall(r"`(prototxt/\w[\w/]*)\*?`", text):
            assert list(ROOT.glob(f"{beginning}*")), (page.name, beginning)
