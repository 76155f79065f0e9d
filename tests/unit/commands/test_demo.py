"""``demo`` with a folder of one's own; with the shipped one it is run as README tells (test_doc_commands.py)."""

from pathlib import Path

from click.testing import CliRunner

from webhook.__main__ import main


def test_what_is_no_pod_is_refused_with_its_place(tmp_path: Path) -> None:
    """Sent as if it were a pod, a Deployment would seem to request no GPU."""
    (tmp_path / "pods").mkdir()
    file = tmp_path / "pods" / "d.yaml"
    file.write_text("# mine\nkind: Deployment\nmetadata: {name: d}\n")
    result = CliRunner().invoke(main, ["demo", "--examples", str(tmp_path)])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"Error: {file}:2: Deployment: demo sends only pods"), result.stderr
