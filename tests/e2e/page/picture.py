"""Takes the picture of the page for the README: a webhook on this machine, a few decisions, and Chromium.

``PYTHONPATH=tests .venv/bin/python -m e2e.page.picture`` writes docs/decisions-page.png.
"""

import tempfile
from pathlib import Path
from typing import Any

from selenium.webdriver.common.by import By
from support.doc_blocks import ROOT

from e2e.page.browser import browser
from e2e.page.standalone import Standalone, standalone

PICTURE = ROOT / "docs" / "decisions-page.png"
VIEW = Path(__file__).parent / "view.yaml"
WIDTH, HEIGHT = 1280, 900
GPU = {"resources": {"limits": {"nvidia.com/gpu": 1}}}
PROVEN = {"nodeSelector": {"nvidia.com/cuda.driver-version.full": "580.95.05"}}
PODS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("confidential", "ml", {"runtimeClassName": "kata", "containers": [{"name": "main", **GPU}]}),
    ("tryout", "trial", {**PROVEN, "containers": [{"name": "main", **GPU}]}),
    ("anywhere", "ml", {"containers": [{"name": "main", **GPU}]}),
    ("inference", "ml", {**PROVEN, "containers": [{"name": "main", **GPU}, {"name": "metrics"}]}),
)


def main() -> None:
    """Decide on the pods, open the patch of the last one, and keep what the browser shows."""
    with tempfile.TemporaryDirectory() as folder, standalone(VIEW, Path(folder)) as running, browser() as driver:
        for name, namespace, spec in PODS:
            create(running, name, namespace, spec)
        driver.set_window_size(WIDTH, HEIGHT)
        driver.get(running.page)
        for summary in driver.find_elements(By.CSS_SELECTOR, "#results summary"):
            if "runtimeClassName" in str(summary.find_element(By.XPATH, "..").get_attribute("textContent")):
                summary.click()
                break
        assert driver.save_screenshot(str(PICTURE))


def create(running: Standalone, name: str, namespace: str, spec: dict[str, Any]) -> None:
    """Send the review of a pod that a ReplicaSet owns."""
    owner = [{"kind": "ReplicaSet", "name": f"{name}-5d7c9", "controller": True}]
    running.create({"metadata": {"name": name, "ownerReferences": owner}, "spec": spec}, namespace)


if __name__ == "__main__":
    main()
