"""The page of several replicas in a real browser, as `gpu-injector decisions --web` renders it."""

from pathlib import Path

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from support.golden_cases import GOLDEN, read_view, view_file
from support.served import decided, pod, replica

from webhook.page.filters import Filters
from webhook.page.render import render

NOW = 1_800_000_000.0
NAME = "gpu-injector-1"
LONG = "n" * 253


async def page(folder: Path, **facts: object) -> str:
    """Write the page of two replicas with three identical decisions, and return its address."""
    (record,) = await decided(pod("model"))
    records = [{**record, "uid": str(number), "replica": NAME} for number in range(3)]
    states = [replica().to_json() | {"replica": name} | facts for name in (NAME, "gpu-injector-2")]
    file = folder / "page.html"
    file.write_text(render(states, records, Filters(), NOW))
    return file.as_uri()


async def test_how_many_and_by_which_replica_is_beside_what_it_says(chromium: Chrome, tmp_path: Path) -> None:
    """Neither the number of a group nor the replica's name is alone in a line of its own."""
    chromium.get(await page(tmp_path))
    cell = chromium.find_element(By.CSS_SELECTOR, "#results td:nth-child(3)")
    assert cell.text.splitlines() == ["model \N{MULTIPLICATION SIGN}3", f"reviewed by {NAME}"]


async def test_long_names_of_nodes_keep_all_columns_in_sight(chromium: Chrome, tmp_path: Path) -> None:
    """The table of the nodes is no wider than the window: the last column would be hidden."""
    row = replica(read_view(view_file(GOLDEN / "handler-mixed"))).to_json()["nodes"][0]
    nodes = [{**row, "nodes": [LONG], "plugin": f"{'n' * 63}/{LONG}", "driver": f"/{LONG}"}]
    chromium.get(await page(tmp_path, nodes=nodes))
    section = chromium.find_element(By.CSS_SELECTOR, "section[aria-labelledby=nodes]")
    assert chromium.execute_script("return arguments[0].scrollWidth - arguments[0].clientWidth", section) == 0
