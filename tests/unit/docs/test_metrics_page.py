"""docs/metrics.md against the code: every metric and every alert, in the words of the code and the chart."""

import re
from collections.abc import Iterator

import yaml
from support.chart import CHART
from support.doc_blocks import DOCUMENTS, ROOT, between
from support.metric_registry import registered, series

from webhook.server.app import PATHS
from webhook.server.heartbeat_status import STATES
from webhook.server.workload_setbacks import KINDS
from webhook.status_words import PROBLEM_ENDINGS

PAGE = ROOT / "docs" / "metrics.md"
PROCESS = "process_"
ENDINGS = {"counter": "_total"}
OURS = re.compile(r"\b(?:gpu_injector|controller_runtime)_\w+")
IN_CODE = re.compile(r"\"(gpu_injector_\w+)\"")
TEMPLATE = re.compile(r"\{\{.*?\}\}")


def metric_rows() -> Iterator[str]:
    """Yield a row for each metric of ours, in alphabetical order."""
    registry = registered()
    # prometheus_client has no public way to learn the labels of a metric without values.
    collectors = registry._names_to_collectors  # noqa: SLF001
    for metric in sorted(registry.collect(), key=lambda metric: metric.name):
        if not metric.name.startswith(PROCESS):
            labels = ", ".join(f"`{name}`" for name in getattr(collectors[metric.name], "_labelnames", ()))
            name = metric.name + ENDINGS.get(metric.type, "")
            yield f"| `{name}` | {metric.type} | {labels} | {metric.documentation} |\n"


def alert_sections() -> Iterator[str]:
    """Yield a section for each alert: its severity, its condition, and its texts."""
    (group,) = yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())["groups"]
    for rule in group["rules"]:
        texts = (TEMPLATE.sub("…", rule["annotations"][name]) for name in ("summary", "description"))
        lasting = f" for {rule['for']}" if "for" in rule else ""
        yield f"### {rule['alert']}\n\n{rule['labels']['severity']}: `{rule['expr']}`{lasting}\n\n{' '.join(texts)}\n\n"


def test_every_metric_is_on_the_page(update_golden: bool) -> None:  # noqa: FBT001
    """With its type, its labels and the help text of /metrics."""
    text = between(
        PAGE, "metrics", "| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n" + "".join(metric_rows())
    )
    if update_golden:
        PAGE.write_text(text)
    assert PAGE.read_text() == text


def test_every_alert_is_on_the_page(update_golden: bool) -> None:  # noqa: FBT001
    """With its condition and its texts in deploy/chart/files/alerts.yaml."""
    text = between(PAGE, "alerts", "".join(alert_sections()))
    if update_golden:
        PAGE.write_text(text)
    assert PAGE.read_text() == text


def test_each_label_has_its_values_on_the_page() -> None:
    """A label without an explanation cannot be used in a query."""
    explained = set(re.findall(r"^\| (`.+?`) (?:of failed TLS handshakes )?\|", PAGE.read_text(), re.MULTILINE))
    named = {word for cell in explained for word in re.findall(r"`(\w+)`", cell)}
    used = {word for row in metric_rows() for word in re.findall(r"`(\w+)`", row.split(" | ")[2])}
    assert used - named == set()


def test_every_metric_of_the_code_is_registered_here() -> None:
    """A metric that only ``serve`` registers would be missing on the page."""
    sources = [path.read_text() for path in (ROOT / "webhook").rglob("*.py")]
    named = {name for text in sources for name in IN_CODE.findall(text)}
    assert len(named) > 10
    assert {name for name in named if not any(one.startswith(name) for one in series())} == set()


def test_every_metric_that_a_document_names_exists() -> None:
    """A query with another name finds nothing, and says nothing."""
    known = list(series())
    named = {(page.name, name) for page in DOCUMENTS for name in OURS.findall(page.read_text())}
    assert {(page, name) for page, name in named if not any(one.startswith(name) for one in known)} == set()


def test_every_state_and_kind_is_explained() -> None:
    """The values of the labels that the code lists, and how the names of log events end that report a problem."""
    text = PAGE.read_text()
    values = (*STATES, *KINDS.values(), *PATHS, *PROBLEM_ENDINGS)
    assert [value for value in values if f"`{value}`" not in text] == []
