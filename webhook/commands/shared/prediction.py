"""The predicted decision on one pod, or on the pods of one template: its input, the decision, and the place."""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import jsonpatch

from webhook.commands.shared.opt_in import concerns_gpus, is_uncalled, with_opt_in
from webhook.commands.shared.unread import POLICY, decide_noting
from webhook.decide.decision import Decision, Reason, RequestInfo, Verdict
from webhook.decide.explain import Step, explain, explain_plugin
from webhook.decide.patch import Operation, below
from webhook.decide.plugin.decide import decide_plugin
from webhook.decide.pod import Pod
from webhook.decide.workload.decide import decide
from webhook.kube.kind_scopes import is_cluster_scoped
from webhook.kube.object_rules import ObjectKind
from webhook.kube.values import empty_mapping, mapping
from webhook.policy.model import Policy
from webhook.view.projections import FACTS_POD
from webhook.view.view import ClusterView

DEFAULT_NAMESPACE = "default"


@dataclass(frozen=True, slots=True)
class Situation:
    """The cluster in which objects would be created; ``namespace`` is used for objects without one.

    ``unread`` are the kinds that could not be read, and why: fields of the view, or the policy. ``scopes`` says of
    kinds whether they have no namespace; ``knative_allows`` that Knative accepts a RuntimeClass.
    """

    policy: Policy
    view: ClusterView
    namespace: str = DEFAULT_NAMESPACE
    unread: Mapping[str, str] = field(default_factory=empty_mapping)
    scopes: Mapping[ObjectKind, bool] = field(default_factory=dict)
    knative_allows: bool = False


@dataclass(frozen=True, slots=True)
class DecisionInput:
    """The input of a decision on one pod, and which decision it is."""

    pod: Pod
    facts: RequestInfo
    situation: Situation
    is_plugin: bool = False

    def decide(self) -> Decision:
        """Return the decision that the webhook would make."""
        return self.decide_with(self.situation.view)

    def decide_with_unread(self) -> tuple[Decision, tuple[str, ...]]:
        """Return the decision, and what could not be read of what it depends on."""
        unread = self.situation.unread
        if not unread:
            return self.decide(), ()
        decision, looked_at = decide_noting(self.decide_with, self.situation.view)
        # That a pod requests no GPU depends on nothing but the policy.
        needed = {POLICY} if decision.reason is Reason.NO_GPU else {POLICY, *looked_at}
        return decision, tuple(kind for kind in unread if kind in needed)

    def decide_with(self, view: ClusterView) -> Decision:
        """Return the decision with another view."""
        answer = decide_plugin if self.is_plugin else decide
        return answer(self.pod, self.facts, self.situation.policy, view)

    @property
    def concerns_gpus(self) -> bool:
        """Whether the pod is of a device plugin, or says something about GPUs."""
        return self.is_plugin or concerns_gpus(self.pod, self.situation.policy)

    def with_opt_in(self) -> Self:
        """Return the same for the namespace with the label that opts it in."""
        view = with_opt_in(self.situation.view, self.facts.namespace)
        return replace(self, situation=replace(self.situation, view=view))

    def explain(self) -> tuple[Step, ...]:
        """Return the rules of that decision."""
        rows = explain_plugin if self.is_plugin else explain
        return rows(self.pod, self.facts, self.situation.policy, self.situation.view)


@dataclass(frozen=True, slots=True)
class DryRunAnswer:
    """What a server-side dry-run of the pod showed: our annotation, our warnings, or why it was refused.

    ``word`` is empty if the webhook wrote no annotation: it did not answer, or is in dry-run.
    """

    word: str = ""
    refusal: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The answer for users."""
        if self.refusal:
            return f"a server-side dry-run of the pod was rejected: {' '.join(self.refusal.split())}"
        shown = self.word or "; ".join(self.warnings) or "no answer of the webhook: it is not called here, or it failed"
        return f"a server-side dry-run of the pod: {shown}"


@dataclass(frozen=True, slots=True)
class PodVerdict:
    """The decision for one pod, or for one place in an object that describes pods.

    ``template`` is the JSON pointer of the place, empty for a pod; ``operations`` start at the object's root.
    ``nodes`` are the nodes that it applies to: pods of a device plugin are decided node by node; others have none.
    ``steps`` are the decision's rules, if they were requested. ``unread`` are the kinds that the decision depends on
    and that could not be read: then nothing would be changed. ``obstacle`` says why nothing can
    be written into the object, so that only its pods are patched. ``if_opted_in`` is the verdict that a GPU pod would
    get if its namespace, which is not opted in, were. ``is_whole_pod`` says that a pod could be created from the place
    as it is, ``dry_run`` what the API server answered to that.
    """

    item: Mapping[str, Any]
    template: str
    question: DecisionInput
    decision: Decision
    nodes: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    unread: tuple[str, ...] = ()
    obstacle: str = ""
    is_pod_spec: bool = False
    is_whole_pod: bool = False
    dry_run: DryRunAnswer | None = None
    if_opted_in: "PodVerdict | None" = None

    @classmethod
    def of(cls, item: Mapping[str, Any], template: str, question: DecisionInput, nodes: tuple[str, ...] = ()) -> Self:
        """Return the verdict for an input."""
        decision, unread = question.decide_with_unread()
        return cls(item, template, question, decision, nodes, unread=unread)

    @property
    def word(self) -> str:
        """The verdict and its reason; or what could not be read."""
        if self.unread:
            return f"unknown (could not read {', '.join(map(kind_word, self.unread))})"
        if self.dry_run:
            return f"{self.decision.word} (by a server-side dry-run)"
        return self.decision.word + (" (dry-run)" if self.decision.dry_run else "")

    @property
    def operations(self) -> tuple[Operation, ...]:
        """Return the operations, relative to the root of the whole object."""
        is_unchanged = self.unread or is_uncalled(self.decision.reason, self.question.situation.policy)
        return () if is_unchanged else self.placed(self.decision.operations)

    def placed(self, operations: Iterable[Operation]) -> tuple[Operation, ...]:
        """Return operations, which start at the pod's root, from the root of the whole object."""
        if not self.is_pod_spec:
            return below(self.template, operations)
        inner = ({**one, "path": one["path"].removeprefix("/spec")} for one in operations)
        return below(self.template, inner)

    @property
    def would_change(self) -> bool:
        """Say whether pods would be changed when they are created; the annotation of a pod left alone is nothing."""
        return self.decision.verdict is not Verdict.LEAVE and (bool(self.operations) or bool(self.obstacle))

    @property
    def reference(self) -> dict[str, str]:
        """Return apiVersion, kind, namespace (empty for a kind without one) and name of the object."""
        return reference(self.item, "" if self.is_cluster_scoped else self.question.facts.namespace)

    @property
    def is_cluster_scoped(self) -> bool:
        """Say whether the object has no namespace."""
        return is_cluster_scoped(self.item, self.question.situation.scopes)

    @property
    def subject(self) -> str:
        """Return kind, namespace and name of the object, in one line whatever the name is."""
        names = self.reference
        place = f"{names['namespace']}/{names['name']}" if names["namespace"] else names["name"]
        return " ".join(f"{names['kind']} {place}".split())

    @property
    def title(self) -> str:
        """Return the object's title for users, with the place of an unusual template."""
        place = "" if self.template in ("", "/spec/template") else f" at {self.template}"
        return self.subject + place

    def explained(self) -> Self:
        """Return the same with the decision's rules; none decided if the verdict is unknown, or the webhook's own."""
        steps = self.question.explain()
        if self.unread or self.dry_run:
            steps = tuple(Step(step.name, step.text, tried=False) if step.result else step for step in steps)
        return replace(self, steps=steps)

    def as_template(self) -> Self:
        """Return the verdict as for a template: a manifest needs no annotation that records our decision."""
        if self.obstacle:
            return self
        question = replace(self.question, facts=replace(self.question.facts, is_template=True))
        return replace(self, question=question, decision=question.decide())

    def changed(self) -> dict[str, Any]:
        """Return a copy of the object with the operations applied, dry-run or not."""
        return apply(self.item, self.operations)


def kind_word(kind: str) -> str:
    """Return the name of a kind of the view for users."""
    return "node facts" if kind == FACTS_POD.field else kind.replace("_", " ")


def reference(item: Mapping[str, Any], namespace: str = DEFAULT_NAMESPACE) -> dict[str, str]:
    """Return apiVersion, kind, namespace (the one given where none is named) and name of an object."""
    metadata = mapping(item.get("metadata"))
    return {
        "apiVersion": str(item.get("apiVersion") or ""),
        "kind": str(item.get("kind") or ""),
        "namespace": str(metadata.get("namespace") or namespace),
        "name": str(metadata.get("name") or metadata.get("generateName") or ""),
    }


def apply(item: Mapping[str, Any], operations: Iterable[Operation]) -> dict[str, Any]:
    """Return a copy of an object with operations applied."""
    patched: dict[str, Any] = jsonpatch.JsonPatch(copy.deepcopy(list(operations))).apply(item)
    return patched
