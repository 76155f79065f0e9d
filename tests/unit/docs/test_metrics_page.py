"""docs/metrics.md against the code: every metric and every alert, in the words of the code and the chart."""

import re
from collections.abc import Iterator

import yaml
from prometheus_client import CollectorRegistry
from support.chart import CHART
from support.doc_blocks import ROOT, between

from webhook.server.certificate_metrics import CertificateMetrics
from webhook.server.metrics import Metrics
from webhook.view.live_view import ignore

PAGE = ROOT / "docs" / "metrics.md"
PROCESS = "process_"
ENDINGS = {"counter": "_total"}
TEMPLATE = re.compile(r"\{\{.*?\}\}")


def registered() -> CollectorRegistry:
    """Return a registry with every metric of a replica."""
    registry = Metrics.create().registry
    CertificateMetrics(registry, ignore)
    return registry


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
