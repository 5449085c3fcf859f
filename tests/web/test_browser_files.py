"""Pictures into the page and files out of it, in a real browser."""
import base64
import csv
import json

import cv2
import numpy as np
import pytest

from tests.helpers.browser import NEEDS_CHROMIUM
from tests.helpers.page import IMAGE, all_of, choose, one, says, swatches, wait
from tests.helpers.server import encoded

pytestmark = NEEDS_CHROMIUM

DROP = """
  const bytes = Uint8Array.from(atob(arguments[0]), (c) => c.charCodeAt(0)), data = new DataTransfer();
  for (const name of ["face.png", "b.png", "c.png"].slice(0, arguments[2] ?? 1)) {
    data.items.add(new File([bytes], name, { type: "image/png" }));
  }
  dispatchEvent(arguments[1] === "drop" ? new DragEvent("drop", { dataTransfer: data, cancelable: true })
                                        : new ClipboardEvent("paste", { clipboardData: data }));"""


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_dropped_and_pasted(page, way):
    page.driver.execute_script(DROP, base64.b64encode(encoded(IMAGE)).decode(), way)
    says(page, "1 face found")


def test_several_files_wait_in_a_strip(page, files):
    one(page, "#file").send_keys("\n".join(str(files / name) for name in ("face.png", "wall.png", "text.png")))

    def names():
        return [button.get_attribute("aria-label") for button in all_of(page, "#album button")]
    wait(page, lambda: [name.partition(":")[2][:6] for name in names()] == [" 1 fac", " 0 fac", " Not a"])
    says(page, "1 face found")
    assert names()[0].startswith("face: ") and len(all_of(page, "#album canvas")) == 3
    all_of(page, "#album button")[1].click()
    says(page, "No face found")
    marked = [button.get_attribute("aria-current") for button in all_of(page, "#album button")]
    assert marked == ["false", "true", "false"]
    all_of(page, "#album button")[0].click()
    says(page, "1 face found")
    one(page, "#save-csv").click()
    wait(page, lambda: (files / "face.csv").exists())
    with open(files / "face.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    truth = page.server.post(encoded(IMAGE))[1]["faces"][0]
    assert row["picture"] == "face.png" and float(row["score"]) == truth["score"]
    assert [[float(row[f"x{i}"]), float(row[f"y{i}"])] for i in range(1, 6)] == truth["points"]


def test_copied_python_finds_the_same(page, files, monkeypatch):
    # As in a page without https; what goes to the clipboard is looked at on its way.
    page.driver.execute_script("""Object.defineProperty(navigator, "clipboard", { value: undefined });
      const set = DataTransfer.prototype.setData;
      DataTransfer.prototype.setData = function (type, text) { window.copied = text; set.call(this, type, text); };""")
    choose(page, files / "face.png")
    says(page, "1 face found")
    one(page, "#copy-python").click()
    says(page, "Copied")
    text = page.driver.execute_script("return window.copied")
    monkeypatch.chdir(files)
    names = {}
    exec(text, names)
    truth = page.server.post(encoded(IMAGE))[1]["faces"][0]
    assert np.allclose(names["faces"].points[0], truth["points"], atol=0.006)


def test_what_went_wrong_is_said(page, files):
    for name, text in (("text.png", "text.png: Not a picture in a known format"),
                       ("large.png", "large.png: The file has 2.1 MB; at most 2.0 MB")):
        choose(page, files / name)
        wait(page, lambda text=text: text in one(page, "#error").text)
    choose(page, files / "face.png")
    says(page, "1 face found")
    assert one(page, "#error").text == ""


def test_after_an_error_nothing_of_the_picture_before_is_left(page, files):
    choose(page, files / "face.png")
    says(page, "1 face found")
    choose(page, files / "text.png")
    wait(page, lambda: "text.png: " in one(page, "#error").text)
    assert one(page, "#status").text == "No picture yet." and not one(page, "#panel").is_displayed()
    assert one(page, "#empty").is_displayed()
    assert page.driver.execute_script("return document.getElementById('canvas').width") == 0
    choose(page, files / "face.png")
    says(page, "1 face found")
    assert one(page, "#panel").is_displayed()


def test_files_to_save(page, files):
    choose(page, files / "face.png")
    says(page, "1 face found")
    one(page, "#save-json").click()
    one(page, "#save-picture").click()
    wait(page, lambda: (files / "face.json").exists() and (files / "face-points.jpg").exists())
    faces = json.loads((files / "face.json").read_text())["faces"]
    assert faces == page.server.post(encoded(IMAGE))[1]["faces"]
    saved = cv2.imread(str(files / "face-points.jpg"))
    assert saved.shape == IMAGE.shape
    x, y = np.round(faces[0]["points"][0]).astype(int)
    assert np.abs(saved[y, x, ::-1].astype(int) - swatches(page)[0]).max() < 40
