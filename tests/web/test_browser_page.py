"""`deeplandmark export --web`: the page that needs no server, in headless Chromium.

ONNX Runtime's wasm is no part of the project: DEEPLANDMARK_ONNXRUNTIME_WEB names the npm package onnxruntime-web (a
.tgz, which `./bootstrap.sh --test` fetches, or a folder) for the test that uses it. In the others standin_ort.js asks
the test to run the networks, so that everything around them is tested on every machine with Chromium.
"""
import base64
import os
import shutil
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from deeplandmark import export
from deeplandmark.faces.synthetic import draw_face
from deeplandmark.models import load
from deeplandmark.models.detectors import load_detector
from deeplandmark.web.browser_page import write_page
from deeplandmark.web.finder import Finder
from deeplandmark.web.limits import Limits
from deeplandmark.web.upload import Upload
from deeplandmark.web.wasm_runtime import FILES, runtime_files
from tests.helpers.browser import NEEDS_CHROMIUM, complaints, open_browser, requested
from tests.helpers.page_host import hosted
from tests.helpers.server import encoded

WASM = "DEEPLANDMARK_ONNXRUNTIME_WEB"
FIND = """const [text, boxes, done] = arguments, bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  import("./static/api.js").then((api) => api.findLandmarks(new Blob([bytes]), { boxes: boxes ?? undefined }))
    .then(done, (error) => done({ error: error.message }));"""
PIXELS = 0.1                                # between the points of the page and those of the server, at most


def in_chromium(test):
    for mark in NEEDS_CHROMIUM:
        test = mark(test)
    return test


def pictures():
    """Files of several sizes, kinds and poses, with a drawn face each: name -> bytes."""
    face = draw_face(np.random.default_rng(4))[0]
    height, width = face.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 50, 0.8)
    turned = cv2.warpAffine(face, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
    large = np.full((700, 1000, 3), 120, np.uint8)
    large[310:310 + height, 600:600 + width] = face
    return {"plain": encoded(face), "jpeg": encoded(face, ".jpg"), "turned": encoded(turned),
            "dark": encoded(face // 6), "small": encoded(cv2.resize(face, (110, 131), interpolation=cv2.INTER_AREA)),
            "large": encoded(large), "none": encoded(np.full((90, 120, 3), 90, np.uint8))}


@pytest.fixture(scope="module")
def standin(tmp_path_factory):
    """A folder with the stand-in under the names of ONNX Runtime's files."""
    folder = tmp_path_factory.mktemp("runtime")
    for name in FILES:
        shutil.copy(Path(__file__).with_name("standin_ort.js"), folder / name)
    return folder


@pytest.fixture(scope="module")
def page(standin, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    write_page(folder, runtime=standin)
    return folder


@pytest.fixture(scope="module")
def browser():
    driver = open_browser()
    driver.set_script_timeout(120)
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def finder():
    return Finder(load(), load_detector, Limits())


def asked(browser, data, boxes=None):
    return browser.execute_async_script(FIND, base64.b64encode(data).decode(), boxes)


def assert_same(ours, theirs, name):
    """Answers of the page and of the server, to the same picture."""
    assert (ours["width"], ours["height"], len(ours["faces"])) == (theirs["width"], theirs["height"],
                                                                   len(theirs["faces"])), (name, ours)
    for face, other in zip(ours["faces"], theirs["faces"]):
        for key, most in (("points", PIXELS), ("levels", PIXELS), ("box", 2 * PIXELS), ("confidence", 0.01)):
            assert np.abs(np.subtract(face[key], other[key])).max() <= most, (name, key, face, other)
        assert (face["score"] is None) == (other["score"] is None)


@in_chromium
def test_it_finds_what_the_server_finds(page, browser, finder):
    with hosted(page) as url:
        browser.get(url)
        counts = {}
        for name, data in pictures().items():
            theirs = finder.find(Upload(data))
            assert_same(asked(browser, data), theirs, name)
            counts[name] = len(theirs["faces"])
        assert counts == {**dict.fromkeys(counts, 1), "none": 0}
        boxes = [[40.0, 30.0, 110.0, 105.0], [-20.0, -10.0, 60.0, 70.0]]
        data = pictures()["plain"]
        assert_same(asked(browser, data, boxes), finder.find(Upload(data, np.array(boxes))), "boxes")
        assert {address.split("/")[2] for address in requested(browser)} == {url.split("/")[2]}
    assert complaints(browser) == []


@in_chromium
def test_it_says_what_is_wrong(page, browser):
    with hosted(page) as url:
        browser.get(url)
        assert asked(browser, b"no picture")["error"].startswith("Not a picture")
        for box, text in (([300.0, 0.0, 400.0, 100.0], "lies outside"), ([0.0, 0.0, 0.0, 9.0], "no area"),
                          ([0.0, 0.0, 2e4, 2e4], "4 times as large")):
            assert text in asked(browser, pictures()["none"], [box])["error"]
        (page / "model" / "s.onnx").rename(page / "model" / "gone")
        try:
            browser.get(url)
            assert "error" in asked(browser, pictures()["plain"])
        finally:
            (page / "model" / "gone").rename(page / "model" / "s.onnx")
    complaints(browser), requested(browser)


@in_chromium
@pytest.mark.skipif(WASM not in os.environ, reason=f"needs {WASM}, the npm package onnxruntime-web")
def test_with_onnx_runtime_it_works_without_a_network(browser, finder, tmp_path):
    from selenium.webdriver.support.ui import WebDriverWait
    assert export.main(["--web", str(tmp_path / "page"), "--runtime", os.environ[WASM]]) == 0
    with hosted(tmp_path / "page") as url:
        browser.get(url)
        WebDriverWait(browser, 60).until(lambda driver: driver.find_elements("css selector", "#levels input"))
    for name, data in pictures().items():                          # nothing listens there any more
        assert_same(asked(browser, data), finder.find(Upload(data)), name)
    (tmp_path / "face.png").write_bytes(pictures()["plain"])
    browser.find_element("id", "file").send_keys(str(tmp_path / "face.png"))
    WebDriverWait(browser, 60).until(lambda driver: "1 face found" in driver.find_element("id", "status").text)
    assert len(browser.find_elements("css selector", "#points tr")) == 5
    assert complaints(browser) == []


def test_the_page_is_about_no_server(page):
    text = (page / "index.html").read_text()
    assert "data-server" not in text and "href=\"docs\"" not in text and "this browser" in text
    assert "default-src 'none'" in text and "'wasm-unsafe-eval'" in text
    assert not (page / "static" / "docs.js").exists()
    assert (page / "model" / "cascade.onnx").read_bytes()[:64] == Path(
        load.__code__.co_filename).parents[1].joinpath("published", "best", "cascade.onnx").read_bytes()[:64]


def test_the_runtime_is_found_in_folders_and_packages(standin, tmp_path):
    expected = set(FILES.values())
    assert set(runtime_files(standin)) == expected
    shutil.copytree(standin, tmp_path / "node_modules" / "onnxruntime-web" / "dist")
    (tmp_path / "node_modules" / "onnxruntime-web" / "package.json").write_text("{}")
    assert set(runtime_files(tmp_path)) == expected | {"package.json"}
    with tarfile.open(tmp_path / "package.tgz", "w:gz") as archive:
        archive.add(tmp_path / "node_modules" / "onnxruntime-web", "package")
    assert runtime_files(tmp_path / "package.tgz") == runtime_files(tmp_path)


@pytest.mark.parametrize("arguments, text", [
    (["--web", "page", "--runtime", "nothing"], "neither a folder nor a file"),
    (["--web", "page", "--runtime", "."], "no onnxruntime-web"),
    (["--web", "page", "--runtime", "bad.tgz"], "bad.tgz: not the npm package"),
    (["--web", "page", "--runtime", "empty.tgz"], "ort.wasm.min.mjs is missing"),
    (["--web", "bad.tgz", "--runtime", "whole"], "bad.tgz/model: "),
])
def test_what_does_not_work_is_one_line(arguments, text, standin, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("bad.tgz").write_bytes(b"no archive")
    tarfile.open("empty.tgz", "w:gz").close()
    shutil.copytree(standin, "whole")
    assert export.main(arguments) == 1
    told = capsys.readouterr().err
    assert told.startswith("export: ") and text in told and told.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["a.onnx", "--web", "page"], ["a.onnx", "--runtime", "x"]])
def test_either_a_model_or_a_page_is_asked_for(arguments, capsys):
    with pytest.raises(SystemExit):
        export.main(arguments)
    assert "--web" in capsys.readouterr().err


def test_without_npm_it_is_said_what_to_do(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ValueError, match=r"no npm .* `npm pack onnxruntime-web` .* --runtime"):
        runtime_files()
