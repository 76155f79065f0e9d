"""The decision for GPU pods: a golden case for every row, and tables for what a row asks."""

from pathlib import Path

import pytest
import yaml
from support.golden_cases import CASES, read_case, to_plain

from webhook.decide.decision import Reason
from webhook.decide.warning_text import WARNING_LIMIT, warning_line
from webhook.kube.quantity import is_positive

# Not an answer of `decide`: the server's, when a patch does not apply (test_server.py).
EDGE_REASONS = {Reason.PATCH_REFUSED}


@pytest.mark.parametrize("folder", CASES, ids=lambda path: path.name)
def test_decision_is_the_golden_one(folder: Path, update_golden: bool) -> None:  # noqa: FBT001
    """Each case's decision is what its file says."""
    golden = folder / "decision.yaml"
    plain = to_plain(read_case(folder).decide())
    if update_golden:
        golden.write_text(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=120))
    assert plain == yaml.safe_load(golden.read_text())


def test_every_reason_has_a_golden_case() -> None:
    """Each reason has a case that shows it."""
    shown = {read_case(folder).decide().reason for folder in CASES}
    assert shown == set(Reason) - EDGE_REASONS


@pytest.mark.parametrize(
    ("quantity", "wants"),
    [
        ("1", True),
        (1, True),
        ("1k", True),
        ("1Ki", True),
        ("0.5", True),
        ("1e3", True),
        ("1E", True),
        ("100m", True),
        ("+2", True),
        ("1.", True),
        (".5", True),
        (2.0, True),
        ("0", False),
        (0, False),
        ("0k", False),
        ("0.000", False),
        ("-1", False),
        ("", False),
        ("one", False),
        ("1 ", False),
        ("1kk", False),
        ("\u0661", False),
        (True, False),
        (None, False),
        ([1], False),
        (float("nan"), False),
        (float("inf"), False),
        ("0e9", False),
        ("-.5k", False),
        (".", False),
        ("1" * 64, True),
        ("1" * 65, False),
        pytest.param(10**5000, True, id="huge"),
    ],
)
def test_only_positive_quantities_ask_for_a_gpu(quantity: object, wants: bool) -> None:  # noqa: FBT001
    """A request for nothing is no request, and what is no quantity asks for nothing."""
    assert is_positive(quantity) is wants


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("all is well", "gpu-injector: all is well"),
        ("two\nlines\tand\x00more", "gpu-injector: two lines and more"),
        ("x" * 200, "gpu-injector: " + "x" * (WARNING_LIMIT - 15) + "…"),
    ],
)
def test_a_warning_is_one_short_line(text: str, line: str) -> None:
    """The API server drops what is longer, or has control characters."""
    assert warning_line(text) == line
    assert len(line) <= WARNING_LIMIT
