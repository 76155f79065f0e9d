"""The fuzzer's targets over its fixed corpus and a few examples; `make fuzz` goes on from there."""

import base64
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from fuzz import targets
from fuzz.edge import Edge
from fuzz.mutate import mutated
from hypothesis import HealthCheck, settings
from support.golden_cases import CASES, read_case
from support.served import review

from webhook.names import WORKLOADS_PATH

REVIEWS = sorted((targets.CORPUS / "body").glob("*"))


@pytest.mark.parametrize("target", sorted(targets.RAW))
def test_the_corpus_breaks_nothing(target: str) -> None:
    """What once broke something, or nearly did, and what each reader is made for."""
    for number, seed in enumerate(targets.seeds(target)):
        spoilt = (mutated(seed, 65536, number, lambda data, _: data[1:]) for number in range(number, number + 2))
        for data in (seed, seed[:-2], *spoilt):
            targets.RAW[target](data)


@pytest.mark.parametrize("target", sorted(targets.DRAWN))
def test_a_few_examples_break_nothing(target: str) -> None:
    """The same ones each time."""
    few = settings(max_examples=25, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
    few(targets.DRAWN[target])()


@pytest.mark.parametrize("path", targets.ENTRIES)
@pytest.mark.parametrize("seed", [pytest.param(file.read_bytes(), id=file.stem) for file in REVIEWS])
async def test_the_corpus_of_reviews_breaks_no_path(seed: bytes, path: str) -> None:
    """Wherever it is sent."""
    case = read_case(next(folder for folder in CASES if folder.name == "inject-mig"))
    await Edge(case.view, case.policy).check(path, seed)


@pytest.mark.parametrize("folder", CASES, ids=lambda path: path.name)
async def test_the_golden_pods_keep_the_invariants(folder: Any) -> None:  # noqa: ANN401
    """Over their own views, so that every verdict is met."""
    case = read_case(folder)
    edge = Edge(case.view, case.policy)
    for path in targets.ENTRIES:
        await edge.check(path, orjson.dumps(review(case.pod, case.facts.namespace)))


def answering(**response: object) -> Callable[[str, bytes], Any]:
    """Return an edge's answer with this response."""

    async def ask(_: str, body: bytes) -> tuple[int, bytes]:
        uid = orjson.loads(body)["request"]["uid"]
        return 200, orjson.dumps({"response": {"uid": uid, "allowed": True, **response}})

    return ask


@pytest.mark.parametrize(
    ("response", "why"),
    [
        ({"allowed": False}, "a refusal"),
        ({"uid": "another"}, "another"),
        ({"warnings": ["x" * 121]}, "a warning that is long"),
        ({"warnings": ["a\nb"]}, "a warning that is no line"),
        ({"patch": base64.b64encode(b"[]").decode()}, "a patch of nothing"),
        ({"patch": base64.b64encode(b'[{"op":"remove","path":"/spec/containers/0"}]').decode()}, "came or went"),
    ],
)
async def test_the_invariants_can_fail(monkeypatch: pytest.MonkeyPatch, response: dict[str, Any], why: str) -> None:
    """A fuzzer that finds nothing proves something only if it could."""
    case = read_case(CASES[0])
    edge = Edge(case.view)
    monkeypatch.setattr(edge, "ask", answering(**response))
    with pytest.raises(AssertionError, match=why):
        await edge.check(WORKLOADS_PATH, orjson.dumps(review({"spec": {"containers": [{}]}})))
