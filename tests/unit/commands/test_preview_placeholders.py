"""Texts in manifests that something replaces later: a hint where a decision depends on one, and nothing elsewhere."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from webhook.__main__ import main

VIEW = Path(__file__).parents[2] / "data" / "preview" / "field-view.yaml"
POD = """\
apiVersion: v1
kind: Pod
metadata: {{name: a, namespace: "{namespace}"}}
spec:
  nodeSelector: {{pool: "{pool}"}}
  containers:
  - name: "{name}"
    image: "{image}"
    command: [sh, -c, 'echo "{argument}"']
    resources:
      limits: {{"{resource}": "{count}"}}
"""
USUAL = {
    "namespace": "ml",
    "pool": "a",
    "name": "c",
    "image": "x",
    "argument": "x",
    "resource": "nvidia.com/gpu",
    "count": "1",
}
JUDGED = "gpu-injector: the number of GPUs is {}; judged for 1"


def preview(text: str, *arguments: str) -> Result:
    """Run the command over standard input."""
    return CliRunner().invoke(main, ["preview", "-f", "-", "--view", str(VIEW), *arguments], input=text)


def hints(text: str) -> list[str]:
    """Return the lines that name a placeholder."""
    return [line for line in preview(text).stderr.splitlines() if "was read as text" in line]


@pytest.mark.parametrize(
    ("place", "placeholder"),
    [
        ("namespace", "${NAMESPACE}"),
        ("pool", "${POOL:=a100}"),
        ("resource", "${GPU_RESOURCE}"),
        ("count", "${GPUS}"),
        ("count", "${{GPUS}}"),
        ("count", "{{ gpus }}"),
        ("count", "{{ gpus | default(1) }}"),
    ],
)
def test_a_placeholder_on_which_the_decision_depends_gets_a_hint(place: str, placeholder: str) -> None:
    """One line, that names it."""
    (line,) = hints(POD.format_map({**USUAL, place: placeholder}))
    assert f": {placeholder} was read as text; render the manifest first" in line


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("name", "${NAME}"),
        ("image", "${IMAGE}:${TAG}"),
        ("argument", "${HOME}"),
        ("argument", "{{ x }}"),
        ("pool", "$POOL"),
        ("count", "{{inputs.parameters.gpus}}"),
        ("count", "${trialParameters.gpus}"),
    ],
)
def test_other_texts_get_none(place: str, text: str) -> None:
    """A script has variables of its own, and operators replace their parameters themselves."""
    assert hints(POD.format_map({**USUAL, place: text})) == []


def test_a_namespace_matters_for_gpu_pods_alone() -> None:
    """No decision depends on it elsewhere."""
    text = POD.format_map({**USUAL, "namespace": "${NAMESPACE}", "resource": "cpu"})
    assert hints(text) == []


@pytest.mark.parametrize(
    ("text", "is_hinted"),
    [
        ("kind: A\nspec: {count: ${COUNT}}\n", True),
        ("kind: A\n${EXTRA}\nspec: {}\n", True),
        ("kind: A\nargs: ${ARGS}\nspec: [\n", False),
        ("kind: A\nspec: [\n", False),
    ],
)
def test_a_variable_gets_a_hint_if_it_prevents_parsing(text: str, is_hinted: bool) -> None:  # noqa: FBT001
    """Another mistake stays after the variables are replaced."""
    result = preview(text)
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)
    assert ("replace its variables first: `envsubst" in result.stderr) == is_hinted


WORKFLOW = """\
apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata: {name: w, namespace: ml}
spec:
  templates:
  - name: t
    container: {image: x, resources: {limits: {nvidia.com/gpu: "{{inputs.parameters.gpus}}"}}}
"""
TASK = """\
apiVersion: tekton.dev/v1
kind: Task
metadata: {name: t, namespace: ml}
spec:
  steps:
  - {name: s, image: x, computeResources: {limits: {nvidia.com/gpu: $(params.gpus)}}}
"""


@pytest.mark.parametrize(("text", "parameter"), [(WORKFLOW, "{{inputs.parameters.gpus}}"), (TASK, "$(params.gpus)")])
def test_a_parameter_of_an_operator_is_judged_for_one_gpu(text: str, parameter: str) -> None:
    """The number is known when its pods are created; unknown is not zero."""
    result = preview(text, "-o", "json")
    (row,) = json.loads(result.stdout)["verdicts"]
    assert (result.exit_code, row["verdict"], row["operations"]) == (1, "inject", [])
    assert ("gpu-count-unknown", JUDGED.format(parameter)) in [(one["code"], one["message"]) for one in row["warnings"]]
    assert hints(text) == []


def test_a_text_with_values_is_one_place() -> None:
    """Two requests in it are one row, which takes nothing from the object's other places."""
    pod = {"containers": [{"name": "c", "resources": {"limits": {"nvidia.com/gpu": 1}}}]}
    request = "resources: {limits: {nvidia.com/gpu: 1}}"
    values = f"a: {{{request}}}\nb: {{{request}}}\nc: {{spec: {{containers: [{{name: c}}]}}}}\n"
    item = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "a", "namespace": "ml"},
        "spec": {"helm": {"values": values}, "template": {"spec": pod}},
    }
    rows = json.loads(preview(json.dumps(item), "-o", "json").stdout)["verdicts"]
    assert [row["template"] for row in rows] == ["/spec/helm/values", "/spec/template"]
    patched = json.loads(preview(json.dumps(item), "-o", "yaml").stdout)
    assert patched["spec"]["template"]["spec"]["runtimeClassName"] == "nvidia"


def test_what_is_beside_a_step_is_searched() -> None:
    """A development workspace has overrides beside a container that looks like a step."""
    component = {
        "name": "dev",
        "container": {"image": "x"},
        "attributes": {"container-overrides": {"resources": {"limits": {"nvidia.com/gpu": 1}}}},
    }
    item = {
        "apiVersion": "workspace.devfile.io/v1alpha2",
        "kind": "DevWorkspace",
        "metadata": {"name": "d", "namespace": "ml"},
        "spec": {"template": {"components": [component]}},
    }
    rows = json.loads(preview(json.dumps(item), "-o", "json").stdout)["verdicts"]
    place = "/spec/template/components/0"
    assert [row["template"] for row in rows] == [
        place,
        f"{place}/attributes/container-overrides/resources/limits/nvidia.com~1gpu",
    ]
