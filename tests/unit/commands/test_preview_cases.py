"""``preview`` of odd but valid input: each case is a file of tests/data/preview, or a text here."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from support.kept_lines import lost_lines

from webhook.__main__ import main

CASES = Path(__file__).parents[2] / "data" / "preview"
VIEW = CASES / "field-view.yaml"
POD = '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"%s","namespace":"ml"},"spec":%s}'
GPU = '{"containers":[{"name":"c","resources":{"limits":{"nvidia.com/gpu":1}}}]}'
LATER = "no field for the class here; its pods are patched when they are created"
FLAG = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: config-features, namespace: knative-serving}
data: {kubernetes.podspec-runtimeclassname: %s}
"""


def preview(*arguments: str, text: str | bytes = "", view: Path = VIEW) -> Result:
    """Run the command over standard input."""
    return CliRunner().invoke(main, ["preview", "-f", "-", "--view", str(view), *arguments], input=text)


def rows(text: str) -> list[dict[str, Any]]:
    """Return the rows of ``-o json``."""
    found: list[dict[str, Any]] = json.loads(preview("-o", "json", text=text).stdout)["verdicts"]
    return found


def case(name: str) -> str:
    """Return the text of a case."""
    return (CASES / f"{name}.yaml").read_text()


@pytest.mark.parametrize("name", ["json-in-a-stream", "key-twice", "only-the-patch"])
def test_a_stream_stays_one_and_keeps_its_lines(name: str) -> None:
    """Every document is there, patched where it is the pod; the markers are alone on their lines."""
    text = case(name)
    result = preview("-o", "yaml", text=text)
    before, after = list(yaml.safe_load_all(text)), list(yaml.safe_load_all(result.stdout))
    before[-1]["spec"]["runtimeClassName"] = "nvidia"
    assert (after, result.exit_code) == (before, 0)
    assert lost_lines(text, result.stdout) == []
    assert [line for line in result.stdout.splitlines() if line.startswith("---")] == ["---"] * text.count("---\n")


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("kserve", ["/spec/predictor/model/resources/limits/nvidia.com~1gpu"]),
        ("spark", ["/spec/executor/gpu"]),
        ("workflow-with-status", []),
    ],
)
def test_a_request_outside_of_templates_is_shown(name: str, places: list[str]) -> None:
    """With its JSON pointer; nothing can be written there, and yet pods would change."""
    found = rows(case(name))
    assert [row["template"] for row in found] == places
    said = [{"code": "no-field", "message": f"gpu-injector: {LATER}", "objects": []}]
    assert all(row["operations"] == [] and row["warnings"] == said for row in found)
    assert preview("-o", "table", text=case(name)).exit_code == int(bool(places))
    assert preview("-o", "yaml", text=case(name)).stdout == case(name)


def test_eject_lists_what_no_patch_covers() -> None:
    """One line for each place, and no patch."""
    result = CliRunner().invoke(main, ["eject", "-f", "-", "--view", str(VIEW), "-o", "json"], input=case("spark"))
    made = json.loads(result.stdout)
    assert made["patches"] == []
    (note,) = made["notes"]
    assert (note["code"], note["object"]["kind"], note["object"]["name"]) == ("no-field", "SparkApplication", "w")
    assert note["message"] == f"SparkApplication ml/w at /spec/executor/gpu: not covered by patches: {LATER}"


@pytest.mark.parametrize(("value", "patched"), [("", False), ("disabled", False), ("enabled", True), ("Allowed", True)])
def test_knative_gets_a_class_only_if_its_flag_allows(tmp_path: Path, value: str, patched: bool) -> None:  # noqa: FBT001
    """Knative rejects the object otherwise."""
    view = tmp_path / "view.yaml"
    view.write_text(VIEW.read_text() + (f"---\n{FLAG % value}" if value else ""))
    result = preview("-o", "yaml", text=case("knative"), view=view)
    assert ("runtimeClassName: nvidia" in result.stdout) == patched
    table = preview("-o", "table", text=case("knative"), view=view)
    assert ("kubernetes.podspec-runtimeclassname is enabled" in table.stdout, table.exit_code) == (not patched, 1)


def test_a_kind_without_namespace_gets_none() -> None:
    """It is judged for one, and the warning says so."""
    found = rows(case("cluster-scoped"))
    assert [(row["object"]["kind"], row["object"]["namespace"]) for row in found] == [
        ("ClusterTrainingRuntime", ""),
        ("ClusterWorkflowTemplate", ""),
    ]
    warning = "gpu-injector: the namespace of its pods is not known; judged for -n default"
    said = {"code": "pods-namespace-unknown", "message": warning, "objects": []}
    assert all(said in row["warnings"] for row in found)


def test_a_definition_among_the_manifests_says_the_scope() -> None:
    """Whatever the kind is called."""
    spec = {"group": "example.com", "names": {"kind": "Farm"}, "scope": "Cluster"}
    definition = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "spec": spec}
    farm = {
        "apiVersion": "example.com/v1",
        "kind": "Farm",
        "metadata": {"name": "f"},
        "spec": {"t": {"spec": json.loads(GPU)}},
    }
    assert rows(yaml.safe_dump_all([definition, farm]))[0]["object"]["namespace"] == ""
    assert rows(yaml.safe_dump(farm))[0]["object"]["namespace"] == "default"


@pytest.mark.parametrize(
    ("kind", "owner", "is_shown"),
    [
        ("ReplicaSet", "Deployment", False),
        ("Pod", "ReplicaSet", False),
        ("Workload", "Job", False),
        ("Pod", "Train", True),
    ],
)
def test_what_a_controller_writes_is_skipped(kind: str, owner: str, is_shown: bool) -> None:  # noqa: FBT001
    """A pod of an unknown controller is shown, as in a live cluster: its template may be nowhere else."""
    owners = [{"apiVersion": "apps/v1", "kind": owner, "name": "o", "controller": True}]
    spec = json.loads(GPU) if kind == "Pod" else {"template": {"spec": json.loads(GPU)}}
    item = {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"name": "x", "namespace": "ml", "ownerReferences": owners},
        "spec": spec,
    }
    result = preview("-o", "json", text=json.dumps(item))
    assert bool(json.loads(result.stdout)["verdicts"]) == is_shown
    assert (f"Skipped: {kind} ml/x, which {owner} o controls" in result.stderr) != is_shown


def test_a_manifest_gets_no_annotation_of_ours() -> None:
    """It would be applied with it; JSON has the decision, and what the webhook would write."""
    text = POD % ("a", GPU)
    assert "gpu-injector.io/decision" not in preview("-o", "yaml", text=text).stdout
    (row,) = rows(text)
    assert (row["verdict"], row["reason"]) == ("inject", "runtime-class")
    assert row["patched"]["metadata"]["annotations"] == {"gpu-injector.io/decision": "inject/runtime-class"}


@pytest.mark.parametrize(
    "text",
    [
        f"{POD % ('a', GPU)}{POD % ('b', GPU)}",
        f"{POD % ('a', GPU)}\n{POD % ('b', GPU)}\n",
        f"{POD % ('a', GPU)}\n---\n{POD % ('b', GPU)}",
        json.dumps(json.loads(POD % ("a", GPU)), indent="\t") + json.dumps(json.loads(POD % ("b", GPU)), indent="\t"),
    ],
)
def test_json_values_may_follow_one_another(text: str) -> None:
    """As kubectl reads them; the output is a stream that it reads, too."""
    assert [row["object"]["name"] for row in rows(text)] == ["a", "b"]
    printed = preview("-o", "yaml", text=text).stdout
    again = rows(printed)
    assert [(row["object"]["name"], row["patched"]["spec"]["runtimeClassName"]) for row in again] == [
        ("a", "nvidia"),
        ("b", "nvidia"),
    ]
    assert printed.count("---\n") == 2 * text.count("---\n")


def test_unknown_tags_are_ignored() -> None:
    """What they tag is read, and printed as it was."""
    spec = GPU[1:-1].replace(":", ": ")
    text = f"apiVersion: v1\nkind: Pod\nmetadata: {{name: !Sub a, namespace: ml}}\nspec: !x\n  {spec}\n"
    assert rows(text)[0]["object"]["name"] == "a"
    assert "name: !Sub a" in preview("-o", "yaml", text=text).stdout


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind: A\na: " + "[" * 100_000, "nested deeper than"),
        ('{"kind": "A", "a": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested deeper than"),
        ('{"kind": "A", "a": ' + '{"a":' * 300 + "1" + "}" * 301, "nested deeper than"),
        (f"kind: A\n{BOMB}", "aliases stand for more than"),
        ("kind: A\na: &a [*a]\n", "*a names no anchor"),
        ("kind: A\n? {a: b}\n: c\n", "a key must be text"),
        ("kind: A\n<<: 1\n", "`<<` needs a mapping"),
        ("kind: A\na: !!int x\n", "not YAML"),
        ("kind: A\nname: {{ .Values.name }}\n", "helm template CHART"),
        ("{% if a %}\nkind: A\n{% endif %}\n", "helm template CHART"),
    ],
)
def test_what_cannot_be_read_is_one_line(text: str, message: str) -> None:
    """Exit code 2, at once."""
    result = preview(text=text)
    assert (result.exit_code, result.stdout, len(result.stderr.splitlines())) == (2, "", 1)
    assert message in result.stderr


def test_a_template_that_is_valid_yaml_gets_the_hint() -> None:
    """Its quantity is a text, so nothing would be found; Argo's variables are no template."""
    text = POD % ("a", GPU.replace(":1}", ':"{{ .Values.gpus }}"}'))
    assert "helm template CHART" in preview(text=text).stderr
    assert preview(text=text.replace(".Values.gpus", "inputs.parameters.gpus")).stderr == ""


def test_files_are_joined_even_if_the_last_line_end_is_missing(tmp_path: Path) -> None:
    """Another line end would belong to the block of text, so that document is rendered."""
    (tmp_path / "a.yaml").write_text("kind: ConfigMap\nmetadata: {name: a}\ndata:\n  x: |\n    text")
    (tmp_path / "b.json").write_text(POD % ("a", GPU))
    result = CliRunner().invoke(main, ["preview", "-f", str(tmp_path), "--view", str(VIEW), "-o", "yaml"])
    first, second = yaml.safe_load_all(result.stdout)
    assert (first["data"]["x"], second["spec"]["runtimeClassName"], result.exit_code) == ("text", "nvidia", 0)


def test_below_a_folder_only_manifests_are_read(tmp_path: Path) -> None:
    """The others are skipped, and listed at the end."""
    (tmp_path / "templates").mkdir()
    files = {
        "values.yaml": "image: x\n",
        "broken.yml": "- [\n",
        "kustomization.yaml": "resources: [pod.json]\n",
        "templates/pod.yaml": "kind: Pod\nname: {{ .Values.name }}\n",
        "pod.json": POD % ("a", GPU),
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    result = CliRunner().invoke(main, ["preview", "-R", "-f", str(tmp_path), "--view", str(VIEW), "-o", "table"])
    assert (result.exit_code, "Pod ml/a" in result.stdout) == (1, True)
    skipped = [line for line in result.stderr.splitlines() if line.startswith("Skipped: ")]
    assert [name for name in files if any(str(tmp_path / name) in line for line in skipped)] == list(files)[:4]


@pytest.mark.parametrize("text", ["kind: Pod\nmetadata: [\n", "apiVersion: v1\nmetadata: {}\n"])
def test_a_manifest_with_a_mistake_is_not_skipped(tmp_path: Path, text: str) -> None:
    """It would be missing from the answer."""
    (tmp_path / "pod.yaml").write_text(text)
    result = CliRunner().invoke(main, ["preview", "-R", "-f", str(tmp_path), "--view", str(VIEW)])
    assert (result.exit_code, "Error: " in result.stderr) == (2, True)
