"""The Helm chart without Helm: generated parts are fresh, and everything that it names exists."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from support.chart import (
    CHART,
    DESCRIPTION,
    MANIFEST,
    SCHEMA,
    TABLE,
    VALUES,
    chart_digest,
    chart_of_the_version,
    schema_of_the_chart,
    values_of_the_chart,
    values_table,
)
from support.metric_registry import series

from webhook.policy.load import parse_policy
from webhook.policy.model import Policy

OUR_METRIC = re.compile(r"\b(?:gpu_injector|controller_runtime)_\w+")


@pytest.mark.parametrize(
    ("path", "make"),
    [
        (DESCRIPTION, chart_of_the_version),
        (VALUES, values_of_the_chart),
        (SCHEMA, schema_of_the_chart),
        (TABLE, values_table),
    ],
    ids=["chart", "values", "schema", "table"],
)
def test_what_is_generated_is_fresh(path: Path, make: Callable[[], str], update_golden: bool) -> None:  # noqa: FBT001
    """After a change of the version or the policy run `make manifest`."""
    text = make()
    if update_golden:
        path.write_text(text)
    assert path.read_text() == text


def test_the_charts_policy_is_the_default() -> None:
    """An installation without values has the policy of an empty file."""
    assert parse_policy(yaml.safe_dump(yaml.safe_load(VALUES.read_text())["policy"]), "values.yaml") == Policy()


def test_the_manifest_is_of_this_chart() -> None:
    """`make manifest` renders it; the end-to-end tests, which have Helm, check the result."""
    assert f"sha256:{chart_digest()}" in MANIFEST.read_text()


@pytest.mark.parametrize("name", ["alerts.yaml", "dashboard.json"])
def test_alerts_and_dashboard_name_metrics_that_exist(name: str) -> None:
    """A renamed metric would silence them without an error."""
    asked = set(OUR_METRIC.findall((CHART / "files" / name).read_text()))
    assert asked
    assert asked <= set(series())


def test_alerts_point_to_existing_rows() -> None:
    """The row that an alert names exists."""
    named = re.findall(r'See (docs/\S+\.md), "([^"]+)"', (CHART / "files" / "alerts.yaml").read_text())
    assert named
    assert [words for page, words in named if words not in (CHART.parents[1] / page).read_text()] == []


def test_every_panel_of_the_dashboard_has_a_query() -> None:
    """Each panel has a title and a query."""
    panels = json.loads((CHART / "files" / "dashboard.json").read_text())["panels"]
    assert all(panel["title"] and panel["targets"] for panel in panels)
