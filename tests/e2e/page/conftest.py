"""A browser, and a webhook with decisions of every kind."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from selenium.webdriver import Chrome

from e2e.node.packages import install_missing
from e2e.page.browser import browser
from e2e.page.standalone import Standalone, standalone
from e2e.prepare import prepare

HERE = Path(__file__).parent
GPU = {"resources": {"limits": {"nvidia.com/gpu": 1}}}
HOSTILE = ("<script>document.title='pwned'</script>", "x" * 253, "\u202egnp.exe\u202c", "\u05d0\u05d1\u05d2-model")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Install the browser before the first test."""
    wanted = any(Path(item.path).parent == HERE for item in session.items)
    if session.config.option.collectonly or not wanted:
        return
    prepare(session, partial(install_missing, HERE / "packages.txt"))


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standalone]:
    """Run a webhook that got no request yet."""
    with standalone(HERE / "view.yaml", tmp_path_factory.mktemp("untouched-")) as running:
        yield running


@pytest.fixture(scope="module")
def decided(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standalone]:
    """Run a webhook that decided for pods of every kind, some with the names of an attacker's."""
    with standalone(HERE / "view.yaml", tmp_path_factory.mktemp("decided-")) as running:
        node = {"nodeSelector": {"nvidia.com/cuda.driver-version.full": "580.95.05"}}
        sidecar = {"name": "metrics", "env": [{"name": "PORT", "value": "9400"}]}
        for name, namespace, spec in (
            ("inference", "ml", {**node, "containers": [{"name": "main", **GPU}, sidecar]}),
            ("anywhere", "ml", {"containers": [{"name": "main", **GPU}]}),
            ("confidential", "ml", {"runtimeClassName": "kata", "containers": [{"name": "main", **GPU}]}),
            ("tryout", "trial", {**node, "containers": [{"name": "main", **GPU}]}),
            *((name, "ml", {**node, "containers": [{"name": "main", **GPU}]}) for name in HOSTILE),
        ):
            owner = [{"kind": "ReplicaSet", "name": f"{name}-5d7c9", "controller": True}]
            running.create({"metadata": {"name": name, "ownerReferences": owner}, "spec": spec}, namespace)
        yield running


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chrome]:
    """Run a browser with default settings."""
    with browser() as driver:
        yield driver


@pytest.fixture(scope="session")
def plain_chromium() -> Iterator[Chrome]:
    """Run a browser without JavaScript and with the dark scheme."""
    with browser(javascript="off", scheme="dark") as driver:
        yield driver
