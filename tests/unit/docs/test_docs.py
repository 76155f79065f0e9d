"""The documents against the code."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import bench.markdown
import hostile.report
import pytest
import yaml
from e2e.faults import table as faults
from support import rights_page
from support.doc_blocks import DOCUMENTS, ROOT, between
from support.golden_cases import CASES

from webhook.decide.decision import Reason
from webhook.decide.explain import outcomes
from webhook.policy.describe import PolicyKey, keys

NOT_MEASURED = "No run of this version on a quiet machine is committed yet.\n"
LINK = re.compile(r"\]\((?!https?://)([^)#\s]*)(?:#([^)\s]*))?\)")
NAMED_TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
NAMED_CASE = re.compile(r"golden case `([\w-]+)`")
NAMED_FILE = re.compile(r"`((?:certs|deploy|docs|requirements|tests|webhook)/[\w./-]+)`")


def test_every_reason_is_explained(update_golden: bool) -> None:  # noqa: FBT001
    """docs/reasons.md explains each decision in the words of its rule, once."""
    document = ROOT / "docs" / "reasons.md"
    found = outcomes()
    rows = (f"| `{item.word}` | {item.meaning} | {item.action} |\n" for item in found)
    text = between(document, "reasons", "| decision | meaning | what to do |\n| --- | --- | --- |\n" + "".join(rows))
    if update_golden:
        document.write_text(text)
    assert document.read_text() == text
    assert len({item.word for item in found}) == len(found)
    assert {item.reason for item in found} == set(Reason)


def test_every_decision_of_a_golden_case_is_explained() -> None:
    """A verdict with a reason that no rule explains would be missing in docs/reasons.md."""
    shown = {yaml.safe_load((folder / "decision.yaml").read_text())["decision"] for folder in CASES}
    assert shown - {item.word for item in outcomes()} == set()


def policy_row(key: PolicyKey) -> str:
    """Return the row of the table for a key."""
    default = "required" if key.is_required else "" if key.is_group else f"`{json.dumps(key.default)}`"
    return f"| `{key.name}` | {default} | {key.meaning} |"


def test_the_policy_is_explained_whole(update_golden: bool) -> None:  # noqa: FBT001
    """The table in docs/policy.md is made from the policy's own descriptions."""
    document = ROOT / "docs" / "policy.md"
    head, _, _ = document.read_text().partition("| key |")
    text = head + "\n".join(["| key | default | meaning |", "| --- | --- | --- |", *map(policy_row, keys())]) + "\n"
    if update_golden:
        document.write_text(text)
    assert document.read_text() == text


def test_every_right_is_explained(update_golden: bool) -> None:  # noqa: FBT001
    """Each rule of the manifests has its text, and each text its rule; docs/rbac.md is generated from both."""
    explained = [text.key for text in rights_page.texts()]
    assert len(explained) == len(set(explained))
    off = {text.key for text in rights_page.texts() if text.rule}
    assert set(explained) - off == {key for key, _, _ in rights_page.rules(rights_page.manifests())}
    document = ROOT / "docs" / "rbac.md"
    text = between(document, "rights", rights_page.table())
    if update_golden:
        document.write_text(text)
    assert document.read_text() == text


@pytest.mark.parametrize(
    ("page", "figures", "mark", "as_markdown"),
    [
        ("docs/performance.md", "docs/bench.json", "figures", bench.markdown.as_markdown),
        ("docs/performance.md", "docs/hostile.json", "hostile figures", hostile.report.as_markdown),
        ("docs/faults.md", "docs/faults.json", "figures", faults.as_markdown),
    ],
    ids=["bench", "hostile", "faults"],
)
def test_figures_are_those_that_were_measured(
    page: str,
    figures: str,
    mark: str,
    as_markdown: Callable[[Mapping[str, Any]], str],
    update_golden: bool,  # noqa: FBT001
) -> None:
    """What a page shows below its marker is what the committed run wrote; no figure is typed by hand."""
    document, measured = ROOT / page, ROOT / figures
    shown = as_markdown(json.loads(measured.read_text())) if measured.exists() else NOT_MEASURED
    text = between(document, mark, shown)
    if update_golden:
        document.write_text(text)
    assert document.read_text() == text


def test_links_lead_somewhere() -> None:
    """Each file that a document links to is there, and so is the heading."""
    broken = [
        f"{document.relative_to(ROOT)}: {path}#{heading}"
        for document in DOCUMENTS
        for path, heading in LINK.findall(document.read_text())
        if not leads_somewhere(document, path, heading)
    ]
    assert broken == []


def leads_somewhere(document: Path, path: str, heading: str) -> bool:
    """Say whether a link's file is there, and its heading where it names one."""
    target = (document.parent / path) if path else document
    return target.exists() and (not heading or heading in headings(target))


def headings(document: Path) -> set[str]:
    """Return what the headings of a document are called in links."""
    lines = (line.lstrip("#").strip() for line in document.read_text().splitlines() if line.startswith("#"))
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


def test_tests_that_are_named_exist() -> None:
    """Every test and golden case that a document names exists."""
    texts = [document.read_text() for document in DOCUMENTS]
    named = {name for text in texts for name in NAMED_TEST.findall(text)}
    cases = {name for text in texts for name in NAMED_CASE.findall(text)}
    assert named
    assert cases
    assert {name for name in named if not is_test(*name)} == set()
    assert {
        name for name in cases if not (ROOT / "tests" / "data" / "golden" / name / "decision.yaml").exists()
    } == set()


def test_files_that_are_named_exist() -> None:
    """Every file and folder of this repository that a document names exists."""
    named = {(document.name, path) for document in DOCUMENTS for path in NAMED_FILE.findall(document.read_text())}
    assert named
    assert {(document, path) for document, path in named if not (ROOT / path).exists()} == set()


def test_each_file_with_platform_facts_is_named_on_their_page() -> None:
    """A file that gives docs/platform-facts.md as its source is found there, so a reader of the page sees its use."""
    page = (ROOT / "docs" / "platform-facts.md").read_text()
    sources = [path for path in (ROOT / "webhook").rglob("*.py") if "docs/platform-facts.md" in path.read_text()]
    assert sources
    assert [name for path in sources if (name := path.relative_to(ROOT).as_posix()) not in page] == []


def test_every_decision_record_is_listed() -> None:
    """In the index of the records, and in docs/architecture.md."""
    records = {path.name for path in (ROOT / "docs" / "decisions").glob("0*.md")}
    for page in ("docs/decisions/README.md", "docs/architecture.md"):
        assert records - {Path(target).name for target, _ in LINK.findall((ROOT / page).read_text())} == set(), page


def test_every_page_is_in_the_index() -> None:
    """docs/README.md leads to each page; the platforms and the decision records have an index of their own."""
    indexes = [ROOT / "docs" / name for name in ("README.md", "platforms/README.md", "decisions/README.md")]
    linked = {(index.parent / target).resolve() for index in indexes for target, _ in LINK.findall(index.read_text())}
    assert {page for page in (ROOT / "docs").rglob("*.md") if page.resolve() not in linked} == {indexes[0]}


def is_test(path: str, function: str) -> bool:
    """Say whether a file is there, and has the test function where one is named."""
    file = ROOT / path
    return file.exists() and (not function or f"def {function}(" in file.read_text())


def test_every_threat_has_a_control_and_a_test() -> None:
    """A threat without a test is a promise."""
    table = (ROOT / "docs" / "security.md").read_text().partition("| threat |")[2].partition("\n\n")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]
    assert len(rows) > 10
    proofs = {threat: NAMED_TEST.findall(tests) + NAMED_CASE.findall(tests) for threat, _, tests in rows}
    assert [threat for threat, found in proofs.items() if not found] == []
