"""Debian's Chromium, headless, driven by Selenium: with its own profile and without background requests."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

CHROMIUM = "/usr/bin/chromium"
DRIVER = "/usr/bin/chromedriver"
ARGUMENTS = (
    "--headless",
    "--no-sandbox",  # Chromium's own sandbox refuses root, and the page is ours
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--window-size=1400,1000",
)
JAVASCRIPT_OFF = {"profile.managed_default_content_settings.javascript": 2}
SLOWEST_PAGE_SECONDS = 60


@contextmanager
def browser(*, javascript: str = "on", scheme: str = "light") -> Iterator[Chrome]:
    """Run a browser until the context ends: ``javascript`` is on or off, ``scheme`` is the preferred colour scheme."""
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        options = ChromeOptions()
        options.binary_location = CHROMIUM
        for argument in (*ARGUMENTS, f"--user-data-dir={profile}"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        if javascript == "off":
            options.add_experimental_option("prefs", JAVASCRIPT_OFF)
        driver = Chrome(options, Service(DRIVER))
        try:
            driver.set_page_load_timeout(SLOWEST_PAGE_SECONDS)
            features = [{"name": "prefers-color-scheme", "value": scheme}]
            driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
            yield driver
        finally:
            driver.quit()
