"""The page as users use it: read, filtered, a diff opened; with and without JavaScript; with hostile names."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from e2e.page.conftest import HOSTILE
from e2e.page.standalone import Standalone

PATIENCE_SECONDS = 20


def names(driver: Chrome) -> list[str]:
    """Return the pods that the page shows, in its order."""
    return [cell.text for cell in driver.find_elements(By.CSS_SELECTOR, "#results td:nth-child(3) > bdi")]


def wait(driver: Chrome, question: Callable[[Chrome], object], wanted: str) -> None:
    """Wait until the page answers; what it replaces while it is read is read again."""
    patient = WebDriverWait(driver, PATIENCE_SECONDS, ignored_exceptions=(StaleElementReferenceException,))
    patient.until(question, wanted)


def faults(driver: Chrome) -> list[str]:
    """Return what the browser complained about: errors of the script, and what the policy forbade."""
    return [str(entry["message"]) for entry in driver.get_log("browser") if "favicon" not in str(entry["message"])]  # type: ignore[no-untyped-call]


def screenshot(driver: Chrome, folder: Path, name: str) -> None:
    """Keep a screenshot, and check that it is not empty."""
    assert driver.save_screenshot(str(folder / f"{name}.png"))


def test_what_needs_attention_is_seen_first(chromium: Chrome, decided: Standalone, tmp_path: Path) -> None:
    """The blind node above everything, then the pods that were left alone with a warning."""
    chromium.get(decided.page)
    assert "No GPU is offered by gpu-node" in chromium.find_element(By.CSS_SELECTOR, ".notices").text
    assert names(chromium)[0] == "anywhere"
    assert chromium.find_element(By.CSS_SELECTOR, ".scope").text.startswith("This replica only:")
    screenshot(chromium, tmp_path, "light")
    assert faults(chromium) == []


def test_a_phone_shows_rows_as_blocks(chromium: Chrome, decided: Standalone, tmp_path: Path) -> None:
    """At 400 pixels nothing needs to be scrolled sideways, and each cell says what it is."""
    metrics = {"width": 400, "height": 900, "deviceScaleFactor": 1, "mobile": True}
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        chromium.get(decided.page)
        wide = (
            "return [document.documentElement, ...document.querySelectorAll('section')].map((one) => one.scrollWidth)"
        )
        assert max(chromium.execute_script(wide)) <= metrics["width"]
        cell = chromium.find_element(By.CSS_SELECTOR, "#results td.decision")
        label = "return getComputedStyle(arguments[0], '::before').content"
        assert "Decision" in chromium.execute_script(label, cell)
        assert cell.value_of_css_property("display") == "block"
        screenshot(chromium, tmp_path, "phone")
    finally:
        chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_a_diff_is_opened_by_a_click(chromium: Chrome, decided: Standalone) -> None:
    """And shows what was patched, and why."""
    chromium.get(decided.page + "?q=inference")
    diff = chromium.find_element(By.CSS_SELECTOR, "#results .diff")
    assert not diff.is_displayed()
    chromium.find_element(By.CSS_SELECTOR, "#results summary").click()
    assert diff.is_displayed()
    assert "+ runtimeClassName: nvidia" in diff.text.splitlines()
    assert "@@ spec.containers[1].env @@" in diff.text
    assert "RuntimeClass nvidia exists" in chromium.find_element(By.CSS_SELECTOR, "#results .evidence").text


def test_the_page_follows_what_is_typed(chromium: Chrome, decided: Standalone) -> None:
    """The filters are in the address, so that a colleague sees the same."""
    chromium.get(decided.page)
    chromium.find_element(By.NAME, "q").send_keys("CONFID")
    wait(chromium, lambda driver: names(driver) == ["confidential"], "the one pod")
    assert chromium.current_url == decided.page + "?q=CONFID"
    Select(chromium.find_element(By.NAME, "reason")).select_by_value("runtime-class")
    wait(chromium, lambda driver: "None of the" in driver.find_element(By.ID, "results").text, "no pod is like that")
    chromium.get(chromium.current_url)
    assert "None of the" in chromium.find_element(By.ID, "results").text
    chromium.find_element(By.LINK_TEXT, "Clear").click()
    wait(chromium, lambda driver: len(names(driver)) == 4 + len(HOSTILE), "every pod")
    assert faults(chromium) == []


def test_a_live_page_shows_the_next_decision_and_leaves_open_what_is_open(
    chromium: Chrome, decided: Standalone
) -> None:
    """A user who waits for a pod need not reload the page."""
    chromium.get(decided.page + "?verdict=leave")
    before = names(chromium)
    chromium.find_element(By.CSS_SELECTOR, "#results summary").click()
    chromium.find_element(By.CSS_SELECTOR, ".live input").click()
    spec = {"runtimeClassName": "gvisor", "containers": [{"name": "a", "resources": {"limits": {"nvidia.com/gpu": 1}}}]}
    decided.create({"metadata": {"name": "newcomer"}, "spec": spec}, "ml")
    wait(chromium, lambda driver: sorted(names(driver)) == sorted([*before, "newcomer"]), "the new pod")
    wait(chromium, lambda driver: driver.find_element(By.CSS_SELECTOR, "#results .diff").is_displayed(), "still open")


@pytest.mark.parametrize("name", HOSTILE, ids=("markup", "253 characters", "override", "right-to-left"))
def test_a_hostile_name_is_text(chromium: Chrome, decided: Standalone, name: str) -> None:
    """It runs nothing, hides nothing beside it, and does not break the page's width."""
    visible = name.replace("\u202e", r"\u202e").replace("\u202c", r"\u202c")
    chromium.get(decided.page + "?q=" + quote(visible))
    (shown,) = chromium.find_elements(By.CSS_SELECTOR, "#results td:nth-child(3) > bdi")
    assert shown.get_property("textContent") == visible
    assert chromium.title == "gpu-injector: decisions"
    width = chromium.execute_script("return document.documentElement.scrollWidth - innerWidth")
    assert width <= 0
    verdict = chromium.find_element(By.CSS_SELECTOR, "#results .decision")
    assert verdict.text.startswith("inject runtime-class")
    assert faults(chromium) == []


def test_without_javascript_everything_can_be_read(plain_chromium: Chrome, decided: Standalone, tmp_path: Path) -> None:
    """Links and a form filter, and diffs open; in the dark scheme, as preferred."""
    plain_chromium.get(decided.page)
    assert not plain_chromium.find_element(By.CSS_SELECTOR, ".live").is_displayed()
    back = plain_chromium.find_element(By.TAG_NAME, "body").value_of_css_property("background-color")
    assert back == "rgba(20, 24, 29, 1)"
    screenshot(plain_chromium, tmp_path, "dark")
    plain_chromium.find_element(By.NAME, "q").send_keys("infer")
    plain_chromium.find_element(By.CSS_SELECTOR, "form button").click()
    wait(plain_chromium, lambda driver: names(driver) == ["inference"], "the one pod")
    plain_chromium.find_element(By.CSS_SELECTOR, "#results summary").click()
    assert plain_chromium.find_element(By.CSS_SELECTOR, "#results .diff").is_displayed()
    plain_chromium.find_element(By.CSS_SELECTOR, ".counts .leave").click()
    wait(plain_chromium, lambda driver: "None of the" in driver.find_element(By.ID, "results").text, "filters join")


def test_an_empty_page_says_what_to_check(chromium: Chrome, untouched: Standalone, tmp_path: Path) -> None:
    """Users see this on the first day."""
    chromium.get(untouched.page)
    assert "kubectl get namespaces -L gpu-injector.io/inject" in chromium.find_element(By.CSS_SELECTOR, ".empty").text
    screenshot(chromium, tmp_path, "empty")


def test_the_nodes_show_what_decisions_go_by(chromium: Chrome, decided: Standalone) -> None:
    """One row for alike nodes, the blind one first."""
    chromium.get(decided.page)
    rows = [" ".join(row.text.split()) for row in chromium.find_elements(By.CSS_SELECTOR, ".nodes tbody tr")]
    assert len(rows) == 3
    assert rows[0].startswith("gpu-node 0 nvidia.com/gpu unknown")
    assert "8 nvidia.com/gpu proven /usr/lib/x86_64-linux-gnu" in rows[1]
    assert rows[2].startswith("gpu-b, gpu-c 2 nvidia.com/gpu disproved")
