"""The commands that ``preview`` prints run as they are: a name in them is one word for a shell."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from webhook.__main__ import main

DATA = Path(__file__).parents[2] / "data"
PLUGIN = DATA / "documented" / "plugin"
POD = {"containers": [{"name": "c", "resources": {"limits": {"nvidia.com/gpu": 1}}}]}


def preview(item: dict[str, Any], view: Path) -> str:
    """Return what is printed for an object."""
    result = CliRunner().invoke(main, ["preview", "-f", "-", "--view", str(view)], input=json.dumps(item))
    assert result.exit_code in (0, 1)
    return result.stdout


@pytest.mark.parametrize("name", ["x; touch /tmp/y", "x\n$(id)", "it's"])
def test_no_text_of_a_manifest_becomes_a_command(name: str) -> None:
    """What no object can be called, and a manifest of others may have, is within quotes."""
    about = {"name": "a", "namespace": name}
    item = {"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": POD}
    said = preview(item, DATA / "preview" / "field-view.yaml")
    assert f"  kubectl create namespace {shlex.quote(name)}\n  kubectl label namespace {shlex.quote(name)} gpu" in said
    assert f"To opt in namespace {' '.join(name.split())}:\n" in said
    plugin = yaml.safe_load((PLUGIN / "plugin.yaml").read_text())
    plugin["metadata"]["name"] = name
    said = preview(plugin, PLUGIN / "view.yaml")
    assert f"  kubectl -n kube-system rollout restart daemonset/{shlex.quote(name)}\n" in said
