"""``policy``: what it says is what the server reads."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from pydantic import TypeAdapter

from webhook.__main__ import main
from webhook.policy.describe import keys
from webhook.policy.load import parse_policy
from webhook.policy.model import Policy

OWN = "runtimeClass: gpu\nfallback: off\nbootstrap:\n  namespaces: [kube-system, gpu]\n"


def run(*arguments: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(main, ["policy", *arguments])


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Write a policy that changes three keys."""
    (tmp_path / "own.yaml").write_text(OWN)
    return tmp_path / "own.yaml"


def test_what_is_shown_is_a_policy_file(own: Path) -> None:
    """The defaults, or those of a file, can be read again as they are."""
    assert parse_policy(run("show").stdout, "shown") == Policy()
    assert parse_policy(run("show", str(own)).stdout, "shown") == parse_policy(OWN, "own")


def test_every_key_is_shown_with_its_meaning(own: Path) -> None:
    """The text of docs/policy.md, and the default where the file has another value."""
    shown = run("show", str(own)).stdout
    for key in keys():
        assert key.meaning in shown
        assert f"{key.name.rpartition('.')[2]}:" in shown
    assert 'runtimeClass: "gpu"   # default: "nvidia"' in shown.splitlines()


def test_every_choice_is_told() -> None:
    """In the key's meaning, and so in docs/policy.md, in the chart's values and by ``policy show``."""
    schema = Policy.model_json_schema()
    listed = {f"#/$defs/{name}": model.get("enum", []) for name, model in schema["$defs"].items()}
    fields = [field for model in (schema, *schema["$defs"].values()) for field in model.get("properties", {}).values()]
    choices = [
        (choice, field["description"])
        for field in fields
        for choice in field.get("enum") or listed.get(field.get("items", {}).get("$ref", ""), [])
        if isinstance(choice, str) and choice
    ]
    assert {choice for choice, _ in choices} >= {"evict", "auto", "cdi", "arm64"}
    assert [choice for choice, meaning in choices if f"`{choice}`" not in meaning] == []


def test_a_policy_is_checked_as_the_server_would(own: Path, tmp_path: Path) -> None:
    """Valid, with what it sets; or a line for each fault and exit code 1."""
    assert run("check", str(own)).stdout == f"{own}: valid; it sets runtimeClass, fallback, bootstrap.namespaces\n"
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("runtimeclass: gpu\nfallback: perhaps\n")
    result = run("check", str(wrong))
    assert (result.exit_code, result.stderr) == (1, "")
    assert [line.partition(" ")[0] for line in result.stdout.splitlines()] == [f"{wrong}:1:", f"{wrong}:2:"]


def test_a_policy_is_checked_from_standard_input() -> None:
    """As other commands read it; a file that is not there cannot be checked, which is exit code 2."""
    found = CliRunner().invoke(main, ["policy", "check", "-"], input="fallback: perhaps\n")
    assert (found.exit_code, found.stdout.partition(" ")[0]) == (1, "stdin:1:")
    assert run("check", "nowhere.yaml").exit_code == 2


def test_the_faults_are_data() -> None:
    """Line, key, allowed words and the suggestion, beside the sentence."""
    found = CliRunner().invoke(main, ["policy", "check", "-o", "json", "-"], input="\nfallback: of\n")
    printed = json.loads(found.stdout)
    (fault,) = printed["faults"]
    assert (found.exit_code, printed["version"], printed["valid"], printed["file"]) == (1, 2, False, "stdin")
    assert (fault["line"], fault["key"], fault["allowed"], fault["suggestion"]) == (
        2,
        "fallback",
        ["auto", "on", "off"],
        "off",
    )
    valid = CliRunner().invoke(main, ["policy", "check", "-o", "json", "-"], input="fallback: off\n")
    assert (valid.exit_code, json.loads(valid.stdout)["sets"]) == (0, ["fallback"])


def test_the_schema_knows_every_key() -> None:
    """As an editor reads it: by the names of the file."""
    schema = json.loads(run("schema").stdout)
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert set(schema["properties"]) == {key.name for key in keys() if "." not in key.name}
    assert schema["additionalProperties"] is False
    assert TypeAdapter(Policy).json_schema()["title"] == schema["title"]


@pytest.mark.parametrize("text", ["", "\n", "  \n\n"])
def test_an_empty_pipe_is_no_policy(text: str) -> None:
    """A pipe whose first part failed is empty, and says nothing about a policy."""
    result = CliRunner().invoke(main, ["policy", "check", "-"], input=text)
    assert (result.exit_code, result.stdout, "stdin is empty" in result.stderr) == (2, "", True)
