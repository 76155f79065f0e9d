"""What ``preview`` prints for one large input, in each form, and what becomes of an author's YAML."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from support.pods import gpu_pods

from webhook.__main__ import main
from webhook.commands.shared.prediction import apply
from webhook.commands.yaml_edit.comment_preserving_patch import patch
from webhook.kube.manifests import load, read_documents, read_manifests

GOLDEN = Path(__file__).parents[2] / "data" / "preview"
STACK = (GOLDEN / "stack.yaml").read_text()
CLASS = {"op": "add", "path": "/spec/runtimeClassName", "value": "nvidia"}
POD = "kind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: a\n"


def preview(*arguments: str, text: str = STACK) -> Result:
    """Run the command over standard input."""
    view = str(GOLDEN / "view.yaml")
    return CliRunner().invoke(main, ["preview", "-f", "-", "--view", view, *arguments], input=text)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("table.txt", ["-o", "table"]),
        ("diff.txt", []),
        ("patch.yaml", ["-o", "patch"]),
        ("patched.yaml", ["-o", "yaml"]),
        ("rows.json", ["-o", "json"]),
        ("explained.txt", ["-o", "table", "--explain"]),
        ("explained.json", ["-o", "json", "--explain"]),
    ],
)
def test_the_output_is_the_golden_one(name: str, arguments: list[str], update_golden: bool) -> None:  # noqa: FBT001
    """Standard output, standard error and the exit code, in each form."""
    result = preview(*arguments)
    golden = GOLDEN / name
    if update_golden:
        golden.write_text(result.stdout)
    assert result.stdout == golden.read_text()
    assert result.exit_code == (0 if "yaml" in arguments else 1)


def test_yaml_changes_nothing_but_what_the_patch_says() -> None:
    """Line by line: what the author wrote is there, in order, and only lines are added."""
    remaining = iter(preview("-o", "yaml").stdout.splitlines())
    assert all(line in remaining for line in STACK.splitlines())


def test_yaml_means_the_same_as_json() -> None:
    """Each object that is patched in one form is in the other; the plugin's nodes differ, so it stays."""
    rows = json.loads(preview("-o", "json").stdout)["verdicts"]
    printed = [item.content for item in read_documents(preview("-o", "yaml").stdout, "out")]
    changed = [row for row in rows if row["verdict"] == "inject" and row["operations"] and not row["dryRun"]]
    assert [row["object"]["kind"] for row in changed] == ["Deployment", "CronJob", "RayCluster"]
    assert all(row["patched"] in printed for row in changed)
    assert len(printed) == len(list(read_documents(STACK, "in")))


def test_what_cannot_be_written_is_told_on_standard_error() -> None:
    """So that a pipe carries manifests alone."""
    told = preview("-o", "yaml").stderr
    assert "DaemonSet kube-system/nvidia-device-plugin-daemonset is unchanged: its nodes differ" in told
    assert "kubectl -n kube-system rollout restart daemonset/nvidia-device-plugin-daemonset" in told


def test_files_are_joined_to_one_stream(tmp_path: Path) -> None:
    """A file without the separator, or without a last newline, gets them."""
    (tmp_path / "a.yaml").write_text(POD.replace("name: a}", "name: a, namespace: ml}").rstrip())
    (tmp_path / "b.json").write_text('{\t"kind": "ConfigMap", "metadata": {"name": "b"}}')
    (tmp_path / "c.yaml").write_text("---\nkind: Secret\nmetadata: {name: c}\n")
    view = str(GOLDEN / "view.yaml")
    result = CliRunner().invoke(main, ["preview", "-f", str(tmp_path), "--view", view, "-o", "yaml"])
    assert [item.content["kind"] for item in read_documents(result.stdout, "x")] == ["Pod", "ConfigMap", "Secret"]
    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("before", "operations", "after"),
    [
        ("kind: Pod\nspec:   # the spec\n  a: 1   # one\n# the end\n", [CLASS], ["  runtimeClassName: nvidia"]),
        ("kind: Pod\nspec: {a: 1}   # the spec\n", [CLASS], ["spec: {a: 1, runtimeClassName: nvidia}   # the spec"]),
        ("kind: Pod\nspec:\n  on: yes\n  mode: 0644\n  at: 2024-01-01\n", [CLASS], ["  runtimeClassName: nvidia"]),
        ("kind: Pod\nspec:\n  text: |\n    a\n\n# end\n", [CLASS], ["  runtimeClassName: nvidia"]),
        ("%YAML 1.1\n---\nkind: Pod\nspec:\n  a: 'b'\n...\n", [CLASS], ["  runtimeClassName: nvidia"]),
    ],
)
def test_a_patch_adds_its_lines_alone(before: str, operations: list[dict[str, str]], after: list[str]) -> None:
    """Comments, quotes, numbers and the order of keys stay as they were written."""
    (manifest,) = read_manifests(before, "x")
    new = patch(manifest, operations).text.splitlines()
    assert [line for line in new if line not in before.splitlines()] == after


def test_comments_further_left_stay_with_what_follows() -> None:
    """A key that is added to a pod's spec stands before the comment of the next section."""
    (manifest,) = read_manifests("kind: Pod\nspec:\n  a:\n    b: 1\n    # of b\n\n# of status\nstatus: {}\n", "x")
    assert patch(manifest, [CLASS]).text.splitlines()[4:8] == [
        "    # of b",
        "  runtimeClassName: nvidia",
        "",
        "# of status",
    ]


def test_an_alias_of_a_patched_place_is_rendered() -> None:
    """The alias would change, too. The meaning comes first."""
    text = "# the head\nkind: Pod\nspec: &s {a: 1}\nother: *s\n...\n# the end\n"
    (manifest,) = read_manifests(text, "x")
    patched = patch(manifest, [CLASS])
    assert patched.is_rendered
    assert load(patched.text) == apply(load(text), [CLASS])
    assert (patched.text.startswith("# the head\nkind"), patched.text.endswith("\n...\n# the end\n")) == (True, True)


@settings(max_examples=50)
@given(gpu_pods(), st.booleans())
def test_any_pod_means_the_same_as_yaml(pod: dict[str, object], flow: bool) -> None:  # noqa: FBT001
    """Written by PyYAML in either style and patched as text, it is what the patch makes of the object.

    PyYAML writes the name "n" without quotes, and kubectl reads that as false: the text counts.
    """
    import yaml  # noqa: PLC0415

    text = yaml.safe_dump(pod, default_flow_style=flow, allow_unicode=True)
    (manifest,) = read_manifests(text, "x")
    assert load(patch(manifest, [CLASS]).text) == apply(load(text), [CLASS])


@pytest.mark.parametrize("name", ["aliased-template", "merged-replica"])
def test_an_alias_follows_its_anchor(name: str) -> None:
    """Both templates get the class by one line, where the anchor is."""
    path = Path(__file__).parents[2] / "data" / "manifests" / f"{name}.yaml"
    view = path.parents[1] / "preview" / "field-view.yaml"
    result = CliRunner().invoke(main, ["preview", "-f", str(path), "--view", str(view), "-o", "yaml"])
    added = [line for line in result.stdout.splitlines() if line not in path.read_text().splitlines()]
    assert [line.strip() for line in added] == ["runtimeClassName: nvidia"]
    assert load(result.stdout) != load(path.read_text())


def ray_cluster(groups: int) -> str:
    """Return an object with so many pod templates."""
    spec = {"containers": [{"name": "c", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}
    workers = [{"groupName": f"g{index}", "template": {"spec": spec}} for index in range(groups)]
    about = {"name": "r", "namespace": "ml"}
    return json.dumps(
        {"apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": about, "spec": {"workerGroupSpecs": workers}}
    )


def test_json_shows_an_object_once_whatever_the_number_of_its_templates() -> None:
    """With all patches; each row has its own operations, and the output grows with the input, not with its square."""
    rows = json.loads(preview("-o", "json", text=ray_cluster(20)).stdout)["verdicts"]
    assert len(rows) == 20
    (shown,) = [row["patched"] for row in rows if "patched" in row]
    assert shown == apply(json.loads(ray_cluster(20)), [operation for row in rows for operation in row["operations"]])
    few, many = (len(preview("-o", "json", text=ray_cluster(count)).stdout) for count in (10, 40))
    assert many < 5 * few


SWITCHES = POD.replace("name: a}", "name: a, namespace: ml, annotations: {x: 'y'}}") + (
    "    stdin: y\n    tty: on\n    resources: {limits: {nvidia.com/gpu: 0o1}}\n"
)


def test_yaml_1_1_values_stay_as_written() -> None:
    """Only the class is added; the values are what kubectl reads: GPUs are requested, by an octal number."""
    printed = preview("-o", "yaml", text=SWITCHES).stdout
    assert [line for line in printed.splitlines() if line not in SWITCHES.splitlines()] == [
        "  runtimeClassName: nvidia"
    ]
    assert all(line in printed.splitlines() for line in SWITCHES.splitlines())


def test_a_decision_reads_values_as_the_api_server_does() -> None:
    """``n`` is false: a pod in a user namespace."""
    text = SWITCHES.replace("spec:\n", "spec:\n  hostUsers: n\n")
    (row,) = json.loads(preview("-o", "json", text=text).stdout)["verdicts"]
    assert (row["verdict"], row["reason"]) == ("leave", "user-namespaces")


CR_ONLY = SWITCHES.replace("\n", "\r")


@pytest.mark.parametrize(
    "text",
    [
        CR_ONLY,
        f"# a comment\r---\r{CR_ONLY}",
        f"{CR_ONLY}---\r{CR_ONLY}",
        CR_ONLY.replace("stdin: y", "stdin: y # c"),
        SWITCHES.replace("kind: Pod\n", "kind: Pod\r"),
        SWITCHES.replace("stdin: y\n", "stdin: y\r\n"),
        SWITCHES.replace("stdin: y\n", "stdin: y\u2028\n"),
    ],
)
def test_odd_line_ends_keep_their_meaning(text: str) -> None:
    """Files of old editors: the patched output is the patched object, or an error; never another object."""
    result = preview("-o", "yaml", text=text)
    if result.exit_code:
        assert (result.exit_code, result.stdout) == (2, "")
        return
    before, after = ([one.content for one in read_documents(part, "x")] for part in (text, result.stdout))
    assert after == [apply(item, [CLASS]) for item in before]
    assert "runtimeClassName" in result.stdout


@pytest.mark.parametrize("text", [CR_ONLY, f"# first\r{CR_ONLY}---\r# second\r{CR_ONLY}", SWITCHES + "---\r" + CR_ONLY])
def test_carriage_returns_become_line_feeds_with_a_note(text: str) -> None:
    """Comments and values stay as written, and kubectl, which splits at line feeds, finds each document."""
    result = preview("-o", "yaml", text=text)
    kept = [line for line in result.stdout.split("\n") if line.strip() != "runtimeClassName: nvidia"]
    assert kept == text.replace("\r", "\n").split("\n")
    assert "line ends of a carriage return alone became line feeds" in result.stderr


def test_carriage_returns_stay_where_nothing_is_patched() -> None:
    """Byte for byte."""
    text = "# a\rkind: ConfigMap\rmetadata: {name: a}\r---\rkind: Secret\rmetadata: {name: b}\r"
    assert preview("-o", "yaml", text=text).stdout == text
