"""The rules one by one: they give the same answer as the decision, and evidence for each rule that was tried."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.golden_cases import CASES, read_case
from support.pods import JSON, VIEWS, odd_pods

from webhook.decide.decision import RequestInfo
from webhook.decide.explain import Step, explain, explain_plugin
from webhook.decide.plugin.decide import RULES as PLUGIN_RULES
from webhook.decide.workload.decide import RULES
from webhook.decide.workload.fallback import FALLBACK_RULES
from webhook.node_facts.facts_report import NodeFacts
from webhook.policy.model import Policy
from webhook.view.node_facts_pods import NodeFactsPod
from webhook.view.view import ClusterView


def explained(name: str) -> tuple[Step, ...]:
    """Return the rules of a golden case."""
    case = read_case(next(folder for folder in CASES if folder.name == name))
    explained_by = explain_plugin if case.entry == "bootstrap" else explain
    return explained_by(case.pod, case.facts, case.policy, case.view)


@pytest.mark.parametrize("name", [folder.name for folder in CASES])
def test_the_rules_give_the_decision(name: str) -> None:
    """The last rule that was tried gave the decision, and each one before it has evidence."""
    decision = read_case(next(folder for folder in CASES if folder.name == name)).decide()
    tried = [step for step in explained(name) if step.tried]
    *passed, last = tried
    assert last.result is not None
    assert (last.result.verdict, last.result.reason) == (decision.verdict, decision.reason)
    assert all(step.result is None and step.evidence for step in passed)
    assert all(step.text for step in tried)


def test_every_rule_has_its_own_name_and_a_sentence() -> None:
    """`why` shows both, and two rules of one decision must not look the same."""
    for rules in (RULES, FALLBACK_RULES, PLUGIN_RULES):
        assert len({rule.name for rule in rules}) == len(rules)
        assert all(rule.text.endswith(".") for rule in rules)


def test_rules_after_the_decision_are_named_but_were_not_tried() -> None:
    """A reader sees how far the decision went."""
    steps = explained("author-chose")
    assert [step.name for step in steps if step.tried][-1] == "author chose"
    assert [step.name for step in steps if not step.tried][:2] == ["author mounts", "provided"]


def test_the_rules_of_the_fallback_replace_its_own() -> None:
    """They are what decided."""
    steps = explained("mount")
    names = ["not wanted", "not needed", "refused", "driver unfit", "mount setback", "mount"]
    assert [step.name for step in steps][-6:] == names
    assert any("PodSecurity" in line for step in steps for line in step.evidence)


@given(odd_pods() | st.dictionaries(st.text(max_size=8), JSON, max_size=3), VIEWS)
def test_any_json_object_is_explained(pod: dict[str, Any], view: ClusterView) -> None:
    """An odd pod gets an answer, too."""
    for explained_by in (explain, explain_plugin):
        assert explained_by(pod, RequestInfo(namespace="ml"), Policy(), view)[0].tried


class Counted(dict[str, NodeFactsPod]):
    """Reports that count how often all of them were read."""

    passes = 0

    def items(self) -> Any:  # noqa: ANN401 - as dict has it
        """Return the items, and count."""
        self.passes += 1
        return super().items()

    def values(self) -> Any:  # noqa: ANN401 - as dict has it
        """Return the values, and count."""
        self.passes += 1
        return super().values()

    def __iter__(self) -> Iterator[str]:
        """Iterate, and count."""
        self.passes += 1
        return super().__iter__()


def _passes(kinds: int) -> int:
    """Return how often the reports were read for a pod with so many kinds of candidate nodes."""
    case = read_case(next(folder for folder in CASES if folder.name == "inject-handler-unknown"))
    node = next(iter((case.view.nodes or {}).values()))
    nodes = {f"n-{index}": replace(node, name=f"n-{index}", boot_id="b", kernel=f"6.{index}") for index in range(kinds)}
    pods = Counted({name: NodeFactsPod(name, "u", NodeFacts(boot_id="b", gpus={"nvidia": 1})) for name in nodes})
    view = replace(case.view, nodes=nodes, facts_pods=pods, facts_daemon_sets={"gpu-injector/facts": "u"})
    steps = explain(case.pod, case.facts, case.policy, view)
    assert any(" reports: 1 NVIDIA GPU" in line for step in steps for line in step.evidence)
    return pods.passes


def test_all_reports_are_read_once_whatever_the_number_of_nodes() -> None:
    """A large cluster has thousands of reports, and up to eight candidate nodes are shown."""
    assert _passes(8) == _passes(1)
