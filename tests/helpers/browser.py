"""Headless Chromium for the tests, from Debian's packages chromium and chromium-driver."""
import importlib.util
import json
import shutil

import pytest

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
NEEDS_CHROMIUM = [
    pytest.mark.browser, pytest.mark.process, pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("selenium") is None, reason="the browser tests need the extra [dev]"),
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no browser: apt install chromium chromium-driver")]
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
         "--disable-background-networking", "--force-prefers-reduced-motion")


def open_browser(*flags):
    """A selenium driver; `quit` ends it."""
    from selenium import webdriver
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, *flags):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    # The path of the driver is given, so selenium has none to look for, let alone to download.
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))


def requested(driver):
    """The addresses that the pages asked for since the last call."""
    sent = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    return [event["params"]["request"]["url"] for event in sent if event["method"] == "Network.requestWillBeSent"]


def complaints(driver):
    """What the browser's console said of errors since the last call."""
    return [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
