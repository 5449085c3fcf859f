"""The page in a real browser: headless Chromium, from Debian's packages chromium and chromium-driver."""
import json
import time

import numpy as np
import pytest

from tests.helpers.browser import NEEDS_CHROMIUM
from tests.helpers.page import CONTRASTS, IMAGE, all_of, choose, one, pixels, resize, says, swatches, wait
from tests.helpers.server import encoded

selenium = pytest.importorskip("selenium", reason="the browser test needs the extra [dev]")
from selenium import webdriver  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import Select  # noqa: E402

pytestmark = NEEDS_CHROMIUM


def test_upload_draws_the_points(page, files):
    truth = page.server.post(encoded(IMAGE))[1]["faces"][0]
    choose(page, files / "face.png")
    says(page, "1 face found")
    assert np.abs(pixels(page, truth["points"]) - swatches(page)).max() <= 2
    away = np.array([[6, 6], [IMAGE.shape[1] - 8, 8]])
    assert np.abs(pixels(page, away) - [IMAGE[y, x, ::-1].astype(int) for x, y in away]).max() < 40
    rows = [[cell.text for cell in row.find_elements("css selector", "th, td")] for row in all_of(page, "#points tr")]
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
        beside_axes = [0, 1, 3, 4]                               # the head's begin near the nose
        shown = pixels(page, levels[level - 1])[beside_axes]
        assert np.abs(shown - swatches(page)[beside_axes]).max() <= 2, level
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
    assert focused() == "sets"
    press(Keys.TAB)
    assert focused() == "How faces are looked for"
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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_stand_out(page, scheme):
    """WCAG 2.2, 1.4.3: at least 4.5 between the luminance of each text and of what is behind it; before a picture, with
    one, and where something went wrong."""
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia",
                                {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    try:
        seen = page.driver.execute_script(CONTRASTS)
        one(page, "#sample").click()
        says(page, "6 faces found")
        page.driver.execute_script("for (const d of document.querySelectorAll('details')) d.open = true;"
                                   "document.querySelector('#error').textContent = 'So it went.'")
        seen += page.driver.execute_script(CONTRASTS)
    finally:
        page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert len(seen) > 50 and min(contrast for _, contrast in seen) >= 4.5, sorted(seen, key=lambda each: each[1])[:5]


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


def test_how_many_points(page, files):
    """Another number of points is found anew, in every picture of the strip, and the levels go with it."""
    one(page, "#file").send_keys("\n".join(str(files / name) for name in ("face.png", "wall.png")))
    says(page, "1 face found")
    options = [option.text for option in all_of(page, "#sets option")]
    assert options == ["5 points", "68 points", "88 points"] and one(page, "#levels").is_displayed()
    for count in (68, 5):
        Select(one(page, "#sets")).select_by_value(str(count))
        wait(page, lambda count=count: len(all_of(page, "#points tr")) == count)
        assert one(page, "#levels").is_displayed() == (count == 5)
        assert len(all_of(page, "#closeups li")) == (count if count == 5 else 0)
    assert len(all_of(page, "#album button")) == 2


def test_how_faces_are_looked_for(page, files):
    choose(page, files / "face.png")
    says(page, "1 face found")
    one(page, "#search summary").click()
    one(page, "#how [name=min_face]").send_keys("220")
    one(page, "#how button").click()
    says(page, "No face found")
    one(page, "#how [name=min_face]").clear()
    one(page, "#how [name=thorough]").click()
    one(page, "#how button").click()
    says(page, "1 face found")


def test_webcam(page):
    one(page, "#camera").click()
    wait(page, lambda: page.driver.execute_script("return document.getElementById('canvas').width") > 300)
    time.sleep(1)
    wait(page, lambda: one(page, "#rate").text.endswith("frames a second"))
    one(page, "#camera").click()
    says(page, "1 face found")
    assert len(all_of(page, "#points tr")) == 5 and one(page, "#camera").text == "Use the webcam"


def test_docs_tell_everything(page):
    page.driver.get(f"{page.server.url}/docs")
    wait(page, lambda: len(all_of(page, "#operations section")) == 2)
    text = one(page, "main").text
    described = json.loads(page.server.get("/openapi.json")[2])
    for schema in described["components"]["schemas"].values():
        assert all(name in text for name in schema["properties"])
    assert "POST /api/landmarks" in text and f"curl -F image=@face.jpg {page.server.url}/api/landmarks" in text
