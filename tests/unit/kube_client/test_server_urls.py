"""Addresses in a kubeconfig, and names of users, that no client can send: one sentence, not the client's own error."""

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.fake_api import FakeApi

from webhook.__main__ import main

LONG = "a" * 64


def _kubeconfig(folder: Path, **cluster: str) -> str:
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "a",
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        "clusters": [{"name": "a", "cluster": {"server": "http://127.0.0.1:1", **cluster}}],
        "users": [{"name": "a", "user": {}}],
    }
    (folder / "kubeconfig").write_text(json.dumps(content))
    return str(folder / "kubeconfig")


def _view(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["view", *arguments])


@pytest.mark.parametrize(
    "url",
    ["https://a:99999", "https://a:b", "https://u:secret@..", f"https://{LONG}.io", "https://a\\b", "ftp://a", "a", ""],
)
@pytest.mark.parametrize("key", ["server", "proxy-url"])
def test_an_address_that_is_none_is_not_shown(url: str, key: str, tmp_path: Path) -> None:
    """It may contain a password."""
    if (url, key) == ("", "proxy-url"):
        return
    result = _view("--kubeconfig", _kubeconfig(tmp_path, **{key: url}))
    what = key.removesuffix("-url")
    expected = f"error: credentials: the address of the {what} is no valid http:// or https:// URL\n"
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", expected)


@pytest.mark.parametrize("url", ["https://[::1]:6443", "http://10.0.0.1", "https://a_b.example:65535/k8s/clusters/c"])
def test_other_addresses_are_tried(url: str, tmp_path: Path) -> None:
    """Also those with a path, as Rancher has them."""
    result = _view("--kubeconfig", _kubeconfig(tmp_path, server=url, **{"proxy-url": "http://127.0.0.1:1"}))
    assert "did not answer: Cannot connect" in result.stderr


@pytest.mark.parametrize("words", [("--as", "a\nb"), ("--as", "a", "--as-group", "x\r\nY: z"), ("--as", "a\0b")])
async def test_a_user_that_no_header_can_name_is_an_error(words: tuple[str, ...], tmp_path: Path) -> None:
    """Nothing is sent."""
    async with FakeApi() as fake:
        result = await asyncio.to_thread(_view, "--kubeconfig", fake.kubeconfig(tmp_path), *words)
        assert fake.requests == []
    expected = "error: credentials: --as or --as-group contains characters that no HTTP header may contain\n"
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", expected)
