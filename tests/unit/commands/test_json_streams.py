"""``preview -o yaml`` of JSON: kubectl reads JSON values one after the other, and nothing else behind them."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from webhook.__main__ import main

VIEW = Path(__file__).parents[3] / "deploy" / "examples" / "view.yaml"
ESCAPED = r'"note":"http:\/\/x \ud83d\ude00"'
YAML = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n"


def _pod(name: str, annotations: str = "") -> str:
    spec = '{"containers":[{"name":"a","resources":{"limits":{"nvidia.com/gpu":1}}}]}'
    about = f'{{"name":"{name}","namespace":"ml","annotations":{{{annotations}}}}}'
    return f'{{"apiVersion":"v1","kind":"Pod","metadata":{about},"spec":{spec}}}'


def _printed(folder: Path, *texts: str) -> str:
    for number, text in enumerate(texts):
        (folder / f"{number}.yaml").write_text(text)
    result = CliRunner().invoke(main, ["preview", "-f", str(folder), "--view", str(VIEW), "-o", "yaml"])
    assert result.exit_code == 0
    return result.stdout


def _values(text: str) -> list[dict[str, object]]:
    """Return JSON values as kubectl reads them: one after the other, with white space between them."""
    found, rest = [], text.strip()
    while rest:
        value, end = json.JSONDecoder().raw_decode(rest)
        found.append(value)
        rest = rest[end:].strip()
    return found


@pytest.mark.parametrize(
    "texts",
    [
        (_pod("a", ESCAPED) + _pod("b", ESCAPED),),
        (_pod("a") + "\n" + _pod("b") + "\n",),
        (_pod("a"), _pod("b", ESCAPED)),
        (_pod("a") + "\n", "\n", _pod("b") + "\n\n"),
    ],
)
def test_json_values_stay_a_stream_of_json(texts: tuple[str, ...], tmp_path: Path) -> None:
    """Behind a ``---``, kubectl up to 1.32 reads no JSON, and later ones no escaped slash and no surrogates."""
    found = _values(_printed(tmp_path, *texts))
    assert [(item["metadata"]["name"], item["spec"]["runtimeClassName"]) for item in found] == [  # type: ignore[index]
        ("a", "nvidia"),
        ("b", "nvidia"),
    ]


def test_json_values_without_a_patch_come_out_as_they_were(tmp_path: Path) -> None:
    """No line is added between them."""
    text = '{"apiVersion":"v1","kind":"Secret"}\n{"apiVersion":"v1","kind":"Service"}\n'
    assert _printed(tmp_path, text) == text


@pytest.mark.parametrize(
    ("texts", "begin"),
    [
        ((_pod("a"), YAML), "---\n{"),
        ((_pod("a"), "---\n" + YAML), "---\n{"),
        ((_pod("a") + _pod("b"), YAML), "---\n{"),
        ((_pod("a").replace('"kind":', "kind: ") + "\n", _pod("b")), "---\n{"),
        # kubectl reads this as JSON only, and as of 1.33 goes on with YAML.
        ((_pod("a", ESCAPED), YAML), "{"),
        ((YAML, _pod("a")), "apiVersion"),
        ((_pod("a"),), "{"),
        (('{"apiVersion":"v1","kind":"Secret"}\n---\n' + YAML,), "{"),
    ],
)
def test_a_stream_of_yaml_does_not_begin_like_json(texts: tuple[str, ...], begin: str, tmp_path: Path) -> None:
    """Kubectl up to 1.32 would read the first document alone. A stream that does not change stays as it was."""
    assert _printed(tmp_path, *texts).startswith(begin)
