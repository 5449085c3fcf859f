"""The page in a real browser: headless Chromium, from Debian's packages chromium and chromium-driver."""
import base64
import csv
import json
import time
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from tests.helpers.browser import NEEDS_CHROMIUM, complaints, open_browser, requested
from tests.helpers.server import encoded, face

selenium = pytest.importorskip("selenium", reason="the browser test needs the extra [dev]")
from selenium import webdriver  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

pytestmark = NEEDS_CHROMIUM

IMAGE, _, BOX = face()
FAKE_CAMERA = "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"
POINT_PIXELS = """
  const canvas = document.getElementById("canvas"), scale = canvas.width / arguments[1];
  return arguments[0].map(([x, y]) => [...canvas.getContext("2d").getImageData(
    Math.round((x + 0.5) * scale), Math.round((y + 0.5) * scale), 1, 1).data].slice(0, 3));"""
DROP = """
  const bytes = Uint8Array.from(atob(arguments[0]), (c) => c.charCodeAt(0)), data = new DataTransfer();
  for (const name of ["face.png", "b.png", "c.png"].slice(0, arguments[2] ?? 1)) {
    data.items.add(new File([bytes], name, { type: "image/png" }));
  }
  dispatchEvent(arguments[1] === "drop" ? new DragEvent("drop", { dataTransfer: data, cancelable: true })
                                        : new ClipboardEvent("paste", { clipboardData: data }));"""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Pictures to choose from the page."""
    folder = tmp_path_factory.mktemp("pictures")
    seen = cv2.copyMakeBorder(cv2.resize(IMAGE, (460, 480)), 0, 0, 90, 90, cv2.BORDER_CONSTANT)
    files = {"face.png": encoded(IMAGE), "wall.png": encoded(np.full((200, 240, 3), 130, np.uint8)),
             "text.png": b"no picture at all", "large.png": bytes(2_100_000),
             "camera.mjpeg": 20 * encoded(seen, ".jpg")}
    for name, data in files.items():
        folder.joinpath(name).write_bytes(data)
    return folder


@pytest.fixture(scope="module")
def browser(files):
    driver = open_browser(*FAKE_CAMERA, f"--use-file-for-fake-video-capture={files / 'camera.mjpeg'}")
    driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(files)})
    yield driver
    driver.quit()


@pytest.fixture
def page(browser, server):
    """The page, just opened at a desktop's width; afterwards: all requests stayed here and nobody complained."""
    resize(browser, 1200, 900)
    browser.get(server.url)
    part = SimpleNamespace(driver=browser, server=server)
    wait(part, lambda: len(all_of(part, "#levels input")) == 3)
    yield part
    urls = requested(browser)
    assert urls and all(url.startswith((server.url, f"blob:{server.url}")) for url in urls), urls
    refused = ("413", "422")                                      # which Chromium logs, too
    told = complaints(browser)
    assert not [text for text in told if not any(f"status of {status}" in text for status in refused)], told


def resize(driver, width, height):
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                           {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500})


def all_of(page, selector):
    return page.driver.find_elements(By.CSS_SELECTOR, selector)


def one(page, selector):
    return page.driver.find_element(By.CSS_SELECTOR, selector)


def wait(page, condition, seconds=20):
    return WebDriverWait(page.driver, seconds, 0.05).until(lambda _: condition())


def says(page, text):
    wait(page, lambda: text in one(page, "#status").text)


def choose(page, path):
    one(page, "#file").send_keys(str(path))


def pixels(page, points, width=IMAGE.shape[1]):
    """The canvas's colours (n, 3), red green blue, at points (n, 2) of the picture."""
    return np.array(page.driver.execute_script(POINT_PIXELS, np.asarray(points).tolist(), width))


def swatches(page):
    """The colours (5, 3) of the table's rows."""
    texts = page.driver.execute_script(
        "return [...document.querySelectorAll('.swatch')].map((s) => getComputedStyle(s).backgroundColor)")
    return np.array([[int(number) for number in text[4:-1].split(",")] for text in texts])


def test_upload_draws_the_points(page, files):
    truth = page.server.post(encoded(IMAGE))[1]["faces"][0]
    choose(page, files / "face.png")
    says(page, "1 face found")
    assert np.abs(pixels(page, truth["points"]) - swatches(page)).max() <= 2
    away = np.array([[6, 6], [IMAGE.shape[1] - 8, 8]])
    assert np.abs(pixels(page, away) - [IMAGE[y, x, ::-1].astype(int) for x, y in away]).max() < 40
    rows = [[cell.text for cell in row.find_elements(By.CSS_SELECTOR, "th, td")] for row in all_of(page, "#points tr")]
    assert [row[0] for row in rows] == ["left eye", "right eye", "nose", "left mouth corner", "right mouth corner"]
    assert np.allclose([[float(value) for value in row[1:3]] for row in rows], truth["points"], atol=0.051)
    assert np.allclose([float(row[3]) for row in rows], truth["confidence"], atol=0.0051)
    assert "1 face found" in one(page, "#canvas").get_attribute("aria-label")
    assert len(all_of(page, "#closeups canvas")) == 5


def test_levels_move_the_points(page, files):
    levels = page.server.post(encoded(IMAGE))[1]["faces"][0]["levels"]
    choose(page, files / "face.png")
    says(page, "1 face found")
    moved = int(np.argmax(np.linalg.norm(np.subtract(levels[0], levels[2]), axis=1)))
    for level in (1, 2, 3):
        one(page, f"label[for=level-{level}]").click()
        assert np.abs(pixels(page, levels[level - 1]) - swatches(page)).max() <= 2, level
        x = float(all_of(page, f"#points tr:nth-child({moved + 1}) td")[0].text)
        assert abs(x - levels[level - 1][moved][0]) < 0.051
        assert f"Level {level}" in one(page, "#explanation").text


def test_by_keyboard_alone(page):
    def focused():
        return page.driver.execute_script("const e = document.activeElement; return e.id || e.textContent")

    def press(*keys):
        webdriver.ActionChains(page.driver).send_keys(*keys).perform()
    order = []
    for _ in range(5):
        press(Keys.TAB)
        order.append(focused())
    assert order == ["Skip to choosing a picture", "API", "file", "camera", "sample"]
    press(Keys.ENTER)
    says(page, "6 faces found")
    press(Keys.TAB)
    assert focused() == "level-3"                                 # the one that is on, as radio buttons do
    before = one(page, "#points").text
    press(Keys.ARROW_LEFT)
    assert focused() == "level-2" and one(page, "#level-2").is_selected() and one(page, "#points").text != before
    press(Keys.TAB, Keys.TAB)
    assert focused() == "faces"
    press(Keys.ARROW_DOWN)
    assert one(page, "#faces").get_attribute("value") == "1"
    press(*5 * [Keys.TAB])
    assert page.driver.execute_script("return document.activeElement.tagName") == "SUMMARY"
    press(Keys.ENTER)
    assert one(page, "#box").is_displayed()


def test_everything_has_a_name_for_screen_readers(page):
    one(page, "#sample").click()
    says(page, "6 faces found")
    page.driver.execute_script("document.querySelector('details').open = true")
    nodes = page.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    named = {"button", "link", "radio", "combobox", "spinbutton", "textbox", "image", "table", "region"}
    roles = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node["ignored"]]
    assert {"button", "radio", "combobox", "spinbutton", "status", "table"} <= {role for role, _ in roles}
    assert not [role for role, name in roles if role in named and not name.strip()], roles
    assert ("group", "After level") in roles


@pytest.mark.parametrize("width", [320, 375])
def test_a_phone_scrolls_in_one_direction_only(page, width):
    resize(page.driver, width, 740)

    def fits():
        return page.driver.execute_script("return document.documentElement.scrollWidth") <= width
    assert fits()
    one(page, "#sample").click()
    says(page, "6 faces found")
    page.driver.execute_script("document.querySelector('details').open = true")
    wait(page, fits, 3)
    targets = all_of(page, "button, .button, .levels label, select")
    sizes = [target.size for target in targets if target.is_displayed()]
    assert len(sizes) > 8 and all(size["height"] >= 40 and size["width"] >= 40 for size in sizes)
    page.driver.get(f"{page.server.url}/docs")
    wait(page, lambda: all_of(page, "#operations section"))
    assert fits()


def test_no_face_and_then_a_box_by_hand(page, files):
    choose(page, files / "wall.png")
    says(page, "No face found")
    assert not one(page, "#points").is_displayed()
    for edge, value in zip(all_of(page, "#box input"), (40, 30, 160, 150)):
        edge.send_keys(str(value))
    one(page, "#box button").click()
    says(page, "1 face found")
    assert len(all_of(page, "#points tr")) == 5


def test_a_dragged_box(page, files):
    choose(page, files / "wall.png")
    says(page, "No face found")
    one(page, "#drag").click()
    canvas = one(page, "#canvas")
    page.driver.execute_script("arguments[0].scrollIntoView()", canvas)
    scale = page.driver.execute_script("return 240 / arguments[0].getBoundingClientRect().width", canvas)
    actions = webdriver.ActionChains(page.driver)
    actions.move_to_element_with_offset(canvas, -100, -90).click_and_hold()
    actions.move_by_offset(120, 100).move_by_offset(60, 50).release().perform()
    says(page, "1 face found")
    edges = [float(edge.get_attribute("value")) for edge in all_of(page, "#box input")]
    assert np.allclose([edges[2] - edges[0], edges[3] - edges[1]], [180 * scale, 150 * scale], atol=1)


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


def test_webcam(page):
    one(page, "#camera").click()
    wait(page, lambda: page.driver.execute_script("return document.getElementById('canvas').width") > 300)
    time.sleep(1)
    wait(page, lambda: one(page, "#rate").text.endswith("frames a second"))
    one(page, "#camera").click()
    says(page, "1 face found")
    assert len(all_of(page, "#points tr")) == 5 and one(page, "#camera").text == "Use the webcam"


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


def test_docs_tell_everything(page):
    page.driver.get(f"{page.server.url}/docs")
    wait(page, lambda: len(all_of(page, "#operations section")) == 2)
    text = one(page, "main").text
    described = json.loads(page.server.get("/openapi.json")[2])
    for schema in described["components"]["schemas"].values():
        assert all(name in text for name in schema["properties"])
    assert "POST /api/landmarks" in text and f"curl -F image=@face.jpg {page.server.url}/api/landmarks" in text
