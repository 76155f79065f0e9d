"""``preview -R`` of the files of a repository: charts, pipelines and dashboards beside manifests."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from webhook.__main__ import main

VIEW = Path(__file__).parents[2] / "data" / "preview" / "field-view.yaml"
SPEC = "{containers: [{name: c, resources: {limits: {nvidia.com/gpu: 1}}}]}"
POD = f"apiVersion: v1\nkind: Pod\nmetadata: {{name: a, namespace: ml}}\nspec: {SPEC}\n"


def preview(folder: Path) -> Result:
    """Run the command over a folder."""
    return CliRunner().invoke(main, ["preview", "-R", "-f", str(folder), "--view", str(VIEW), "-o", "table"])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Chart.yaml", "apiVersion: v2\nname: c\nversion: 0.1.0\n"),
        ("values.yaml", "kind: DaemonSet\nresources: {limits: {nvidia.com/gpu: 1}}\n"),
        ("drone.yml", "kind: pipeline\nname: default\nsteps: [{name: a, image: b}]\n"),
        ("dashboard.json", '{"panels": [\n  {\n  "kind": "x"}\n]}\n'),
        ("list.json", '[{"kind": "Pod"}]\n'),
        ("tasks.json", '{\n  // what to run\n  "group": {\n  "kind": "build"}\n}\n'),
        ("flux.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: ${LABELS}}\n"),
        ("workflow.yaml", "name: ci\non: [push]\n---\njobs: {}\n"),
    ],
)
def test_a_foreign_file_is_skipped_and_listed(tmp_path: Path, name: str, text: str) -> None:
    """It prevents no answer, and says nothing about pods."""
    (tmp_path / "pod.yaml").write_text(POD)
    (tmp_path / name).write_text(text)
    result = preview(tmp_path)
    assert (result.exit_code, result.stdout.count("ml/")) == (1, 1)
    assert f"Skipped: {tmp_path / name}" in result.stderr
    assert len(result.stdout.splitlines()) == len(("head", "pod"))


@pytest.mark.parametrize(
    "text",
    [
        f"{POD}---\njust text\n",
        f"just: text\n---\n{POD}",
        '{"apiVersion": "v1", "kind": "Pod"\n',
        "apiVersion: v1\nspec: {containers: []}\n",
    ],
)
def test_a_file_with_an_object_is_not_skipped(tmp_path: Path, text: str) -> None:
    """A pod would be missing from the answer."""
    (tmp_path / "pod.yaml").write_text(text)
    result = preview(tmp_path)
    assert (result.exit_code, result.stderr.count("Error: ")) == (2, 1)


def test_a_template_below_a_folder_gets_the_hint(tmp_path: Path) -> None:
    """It is valid YAML, so it is read; its texts are not what a chart prints."""
    (tmp_path / "pod.yaml").write_text(POD.replace("gpu: 1", 'gpu: "{{ .Values.gpus }}"'))
    assert "expressions of a template were read as text" in preview(tmp_path).stderr
