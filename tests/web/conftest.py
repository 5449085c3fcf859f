from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from tests.helpers.browser import complaints, open_browser, requested
from tests.helpers.page import IMAGE, all_of, resize, wait
from tests.helpers.server import encoded

pytest.importorskip("starlette", reason="needs the extra [web]")
pytest.importorskip("uvicorn", reason="needs the extra [web]")


FAKE_CAMERA = "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"


@pytest.fixture(scope="session")
def server():
    from tests.helpers.server import Server
    running = Server("--max-bytes", "2000000", "--max-pixels", "1000000", "--threads", "2")
    yield running
    assert running.stop() == "serve: stopped\n"                   # no traceback, no warning in the whole session


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
