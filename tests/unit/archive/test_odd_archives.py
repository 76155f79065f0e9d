"""Files with values that no API server sends: they are read as unknown or nothing, never as an error of the program."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support.archives import ARCHIVES

from webhook.__main__ import main

VIEW = Path(__file__).parents[3] / "deploy" / "examples" / "view.yaml"
GPU = {"containers": [{"name": "c", "resources": {"limits": {"nvidia.com/gpu": 1}}}]}


def run(*words: str, text: str = "") -> Result:
    """Run a command, which must end by itself."""
    result = CliRunner().invoke(main, words, input=text)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def of_kind(content: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """Return the objects of a kind."""
    return [item for item in content["items"] if item["kind"] == kind]


def odd_kind(content: dict[str, Any]) -> None:
    """Make a list of a kind."""
    of_kind(content, "Pod")[0]["kind"] = ["Pod"]


def odd_phase(content: dict[str, Any]) -> None:
    """Make lists of the phases of pods."""
    for pod in of_kind(content, "Pod"):
        pod.setdefault("status", {})["phase"] = ["Running"]


def odd_log(content: dict[str, Any]) -> None:
    """Make half a character of each log."""
    logs = of_kind(content, "Archive")[0]["texts"]
    logs.update(dict.fromkeys(logs, "\ud800"))


@pytest.mark.parametrize("change", [odd_kind, odd_phase, odd_log])
def test_an_odd_value_in_a_file_is_no_error_of_the_program(change: Any, tmp_path: Path) -> None:  # noqa: ANN401
    """Doctor reads all of it."""
    content = json.loads((ARCHIVES / "volcano-plugin.json").read_text())
    change(content)
    (tmp_path / "file.json").write_text(json.dumps(content))
    result = run("doctor", "-o", "json", "--from", str(tmp_path / "file.json"))
    assert (json.loads(result.stdout)["version"], result.exit_code) == (2, 1)


@pytest.mark.parametrize("odd", [["a"], {"a": 1}])
@pytest.mark.parametrize("key", ["key", "operator", "owner"])
def test_an_odd_value_in_a_manifest_is_no_error_of_the_program(key: str, odd: object) -> None:
    """It is decided on as if the value were not there."""
    term = {"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]} | {key: odd}
    build = {"key": "node.kubernetes.io/windows-build", "operator": odd if key == "operator" else "DoesNotExist"}
    selector = {"nodeSelectorTerms": [{"matchExpressions": [term, build]}]}
    owners = [{"apiVersion": "v1", "kind": odd if key == "owner" else "X", "name": "o", "controller": True}]
    item = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "ml", "ownerReferences": owners},
        "spec": GPU | {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": selector}}},
    }
    result = run("preview", "-f", "-", "--view", str(VIEW), "-o", "json", text=json.dumps(item))
    (row,) = json.loads(result.stdout)["verdicts"]
    assert row["reason"] == "runtime-class"
