"""The page's picture in README and docs: on a desktop and on a phone.

    python -m docs.page_picture docs/images/serve.jpg          (Debian's packages chromium and chromium-driver)
"""
import base64
import sys
import time

import cv2
import numpy as np

from tests.helpers.browser import open_browser
from tests.helpers.server import Server

HEIGHT, GAP = 900, 24
SCREENS = ({"width": 1200, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False},
           {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True})


def main(path):
    server, driver = Server("--threads", "1"), open_browser("--hide-scrollbars")
    try:
        shots = [_shot(driver, server.url, screen) for screen in SCREENS]
    finally:
        driver.quit()
        server.stop()
    gap = np.full((HEIGHT, GAP, 3), 255, np.uint8)
    cv2.imwrite(path, np.hstack([shots[0], gap, shots[1]]), [cv2.IMWRITE_JPEG_QUALITY, 84])


def _shot(driver, url, screen):
    """What a screen shows of the page with its drawn faces after the last level, HEIGHT pixels high."""
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    driver.get(url)
    _until(driver, "return document.querySelectorAll('#levels input').length > 0")
    driver.find_element("css selector", "#sample").click()
    _until(driver, "return document.querySelector('#status').textContent.includes('found')")
    time.sleep(5)                                                 # of the walk from level to level
    data = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})["data"]
    image = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
    return cv2.resize(image, (round(image.shape[1] * HEIGHT / image.shape[0]), HEIGHT), interpolation=cv2.INTER_AREA)


def _until(driver, question, seconds=30):
    end = time.monotonic() + seconds
    while not driver.execute_script(question):
        if time.monotonic() > end:
            raise TimeoutError(question)
        time.sleep(0.05)


if __name__ == "__main__":
    main(sys.argv[1])
