"""Manifests that were written by hand, in layouts that are common: ``preview -o yaml`` keeps every other line."""

from pathlib import Path

from support.measured_manifests import measure

MANIFESTS = Path(__file__).parents[2] / "data" / "manifests"


def test_every_manifest_is_patched_and_keeps_its_lines() -> None:
    """As ``make manifests`` measures it."""
    figures = measure(MANIFESTS)
    assert (figures.wrong, figures.rewritten) == ([], [])
    assert (figures.unreadable, figures.unpatched, figures.patched) == (0, 0, len(list(MANIFESTS.iterdir())))
    assert figures.patched >= 40


def test_the_measure_counts_what_is_not_as_it_should_be(tmp_path: Path) -> None:
    """An alias of a patched place is rendered; a template cannot be read; a Service is not patched."""
    spec = "{containers: [{name: a, resources: {limits: {nvidia.com/gpu: 1}}}]}"
    (tmp_path / "a.yaml").write_text(
        f"# a comment\nkind: Pod\nmetadata: {{name: a}}\nspec: &s {spec}\n# b\nother: *s\n"
    )
    (tmp_path / "b.yaml").write_text("kind: Pod\nname: {{ .Values.name }}\n")
    (tmp_path / "c.yaml").write_text("kind: Service\nmetadata: {name: s}\n")
    figures = measure(tmp_path)
    assert (figures.unreadable, figures.unpatched, figures.patched, figures.wrong) == (1, 1, 1, [])
    assert (figures.rewritten, figures.is_good) == ([str(tmp_path / "a.yaml")], False)
    assert "keep all other lines:      0 (0.0%)" in figures.lines()
