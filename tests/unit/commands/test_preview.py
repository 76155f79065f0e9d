"""``preview``: JSON that others depend on, diffs for people, and exit codes for scripts."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from support.golden_cases import GOLDEN

from webhook.__main__ import main

POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "model", "namespace": "ml"},
    "spec": {"containers": [{"name": "model", "resources": {"limits": {"nvidia.com/gpu": 1}}}]},
}
TEMPLATE = {"metadata": {"labels": {"app": "m"}}, "spec": POD["spec"]}
CRONJOB = {
    "apiVersion": "batch/v1",
    "kind": "CronJob",
    "metadata": {"name": "nightly", "namespace": "ml"},
    "spec": {"jobTemplate": {"spec": {"template": TEMPLATE}}},
}


def preview(*arguments: str, text: str | bytes = "", view: Path = GOLDEN / "view.yaml") -> Result:
    """Run the command over standard input."""
    return CliRunner().invoke(main, ["preview", "-f", "-", "--view", str(view), *arguments], input=text)


def pod(namespace: str | None = "ml", **spec: object) -> str:
    """Return a GPU pod's manifest."""
    return yaml.safe_dump(POD | {"metadata": {"name": "model", "namespace": namespace}, "spec": POD["spec"] | spec})


def rows(result: Result) -> list[dict[str, Any]]:
    """Return the JSON that was printed."""
    parsed: list[dict[str, Any]] = json.loads(result.stdout)["verdicts"]
    return parsed


def test_json_is_the_stable_form() -> None:
    """The keys, and a pod patched in whole."""
    result = preview("-o", "json", text=pod())
    (row,) = rows(result)
    assert list(row) == ["object", "template", "verdict", "reason", "operations", "warnings", "patched", "dryRun"]
    assert row["object"] == {"apiVersion": "v1", "kind": "Pod", "namespace": "ml", "name": "model"}
    assert (row["template"], row["verdict"], row["reason"], row["dryRun"]) == ("", "inject", "runtime-class", False)
    assert row["patched"]["spec"] == POD["spec"] | {"runtimeClassName": "nvidia"}
    assert row["patched"]["metadata"]["annotations"] == {"gpu-injector.io/decision": "inject/runtime-class"}
    assert result.exit_code == 1


def test_a_template_is_found_by_shape_and_gets_no_annotation() -> None:
    """Operations start at the object's root."""
    result = preview("-o", "json", text=yaml.safe_dump(CRONJOB))
    (row,) = rows(result)
    pointer = "/spec/jobTemplate/spec/template"
    assert (row["template"], row["object"]["kind"]) == (pointer, "CronJob")
    assert row["operations"] == [{"op": "add", "path": f"{pointer}/spec/runtimeClassName", "value": "nvidia"}]
    template = row["patched"]["spec"]["jobTemplate"]["spec"]["template"]
    assert (template["spec"]["runtimeClassName"], "annotations" in template["metadata"]) == ("nvidia", False)


def test_under_dry_run_the_object_stays_and_the_operations_are_what_would_be() -> None:
    """Nothing is patched in such a namespace; the preview shows what would."""
    result = preview("-o", "json", text=pod("trial"))
    (row,) = rows(result)
    assert (row["dryRun"], row["verdict"], "runtimeClassName" in row["patched"]["spec"]) == (True, "inject", False)
    assert row["operations"][0] == {"op": "add", "path": "/spec/runtimeClassName", "value": "nvidia"}
    assert result.exit_code == 1


def test_a_missing_namespace_is_default() -> None:
    """As kubectl would create it."""
    (row,) = rows(preview("-o", "json", text=pod(None)))
    assert (row["object"]["namespace"], row["reason"]) == ("default", "namespace-unknown")


def test_windows_lines_stay() -> None:
    """The lines that are added end as those of the author."""
    text = f"{pod()}---\nkind: Service\nmetadata: {{name: s}}\n".replace("\n", "\r\n")
    printed = preview("-o", "yaml", text=text).stdout_bytes
    assert printed.count(b"\n") == printed.count(b"\r\n") == text.count("\n") + 1


def test_a_pod_left_alone_is_no_change_for_the_exit_code() -> None:
    """Its annotation is an operation all the same."""
    result = preview("-o", "json", text=pod(runtimeClassName="kata"))
    (row,) = rows(result)
    assert [item["path"] for item in row["operations"]] == ["/metadata/annotations"]
    assert result.exit_code == 0


def test_what_has_no_pod_gives_no_row() -> None:
    """A Service beside the pods is none of our business."""
    service = yaml.safe_dump({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": []}})
    result = preview("-o", "json", text=service)
    assert (rows(result), result.exit_code) == ([], 0)


def test_the_diff_names_pod_decision_and_lines() -> None:
    """No colour where the output is no terminal."""
    result = preview("-o", "diff", text=pod())
    assert result.stdout.splitlines()[0] == "Pod ml/model: inject/runtime-class"
    assert "  +  runtimeClassName: nvidia" in result.stdout.splitlines()
    assert "\x1b" not in result.stdout


def test_a_name_of_several_lines_is_shown_in_one() -> None:
    """An invalid name may be asked about; in a patch's comment its second line would be YAML."""
    text = json.dumps(POD | {"metadata": {"name": "a\nb: c", "namespace": "ml"}})
    assert preview("-o", "patch", text=text).stdout.splitlines()[:2] == ["---", "# Pod ml/a b: c: inject/runtime-class"]


def test_a_policy_file_is_honoured(tmp_path: Path) -> None:
    """The same file as the server's."""
    policy = tmp_path / "policy.yaml"
    policy.write_text("dryRun: true\n")
    (row,) = rows(preview("-o", "json", "--policy", str(policy), text=pod()))
    assert row["dryRun"] is True


@pytest.mark.parametrize(("option", "others"), [("-f", []), ("--view", ["-f", "-"])])
def test_an_error_names_file_document_and_line(tmp_path: Path, option: str, others: list[str]) -> None:
    """In a stream of many documents, such as a chart's, users need it to find the fault."""
    file = tmp_path / "chart.yaml"
    file.write_text("a: 1\nkind: A\napiVersion: v1\n---\n# nothing\n---\nkind: B\napiVersion: v1\nmetadata: [\n---\n")
    result = CliRunner().invoke(main, ["preview", *others, option, str(file)], input=pod())
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"Error: {file}:10: document 3: not YAML: "), result.stderr


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        ("a: [", [], "Error: stdin:2: document 1: not YAML: "),
        ("- a\n", [], "Error: stdin:1: document 1: a Kubernetes object is needed"),
        (pod(), ["-f", "absent.yaml"], "Error: absent.yaml: No such file or directory"),
        (pod(), ["--policy", "absent.yaml"], "Error: absent.yaml: No such file or directory"),
        (pod(), ["--view", "absent.yaml"], "Error: absent.yaml: No such file or directory"),
        (pod(), ["-o", "xml"], "Usage: "),
        (b"\x80", [], "Error: stdin: not UTF-8 text"),
    ],
)
def test_an_error_exits_with_2(text: str | bytes, arguments: list[str], message: str) -> None:
    """As kubectl diff: 1 is a difference, more is trouble."""
    result = preview(*arguments, text=text)
    assert (result.exit_code, result.stdout, result.stderr.startswith(message)) == (2, "", True)
