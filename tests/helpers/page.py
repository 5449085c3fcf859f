"""The page of `deeplandmark serve` in a browser: what its tests look at and press."""
import numpy as np

from tests.helpers.server import face

IMAGE, _, BOX = face()
POINT_PIXELS = """
  const canvas = document.getElementById("canvas"), scale = canvas.width / arguments[1];
  return arguments[0].map(([x, y]) => [...canvas.getContext("2d").getImageData(
    Math.round((x + 0.5) * scale), Math.round((y + 0.5) * scale), 1, 1).data].slice(0, 3));"""

# Of each text on the page: what it says, and its contrast as WCAG 2.2 reckons it.
CONTRASTS = """
  const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const luminance = (rgb) => rgb.map((v) => linear(v / 255)).reduce(
    (sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const parts = (text) => text.match(/[\\d.]+/g).map(Number);
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const [r, g, b, alpha = 1] = parts(getComputedStyle(e).backgroundColor);
      if (alpha === 1) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const texts = [...document.querySelectorAll("body *")].filter((e) => e.checkVisibility() && e.tagName !== "OPTION"
    && [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) && !e.matches(".unseen"));
  return texts.map((e) => {
    const pair = [luminance(parts(getComputedStyle(e).color).slice(0, 3)), luminance(ground(e))].sort((a, b) => b - a);
    return [`${e.tagName} ${e.textContent.trim().slice(0, 30)}`, (pair[0] + 0.05) / (pair[1] + 0.05)];
  });"""


def resize(driver, width, height):
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                           {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500})


def all_of(page, selector):
    return page.driver.find_elements("css selector", selector)


def one(page, selector):
    return page.driver.find_element("css selector", selector)


def wait(page, condition, seconds=20):
    from selenium.webdriver.support.ui import WebDriverWait  # late: an extra
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
