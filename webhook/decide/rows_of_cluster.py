"""What the cluster says: rows 8 to 13 of the design's table, each a function of the case that finds, or does not."""

import math
from collections.abc import Iterable

from webhook.decide.case import Case
from webhook.decide.decision import Finding, Reason, Verdict
from webhook.decide.fallback import Fallback
from webhook.decide.gpu_nodes import Candidate
from webhook.decide.handler import (
    Handler,
    cluster_provider,
    handler_evidence,
    is_overruled,
    node_provider,
    provider,
)
from webhook.decide.selectors import has_labels
from webhook.raw import NOTHING, mapping, text
from webhook.view.view import RuntimeClass, unknown_kinds

# A RuntimeClass that was deleted this long ago, unseen, would get the pod rejected.
VOUCHED_SECONDS = 90.0


def provided(case: Case) -> Finding | None:
    """Where every candidate hands GPUs out without us, a RuntimeClass could only break it."""
    reason = cluster_provider(case.view, case.resources)
    if reason and not is_overruled(reason, case.policy):
        return _provided_everywhere(case, reason)
    # Where the pod can go nowhere as it is, it counts where it could go with the class.
    candidates = case.candidates or case.class_candidates
    providers = [provider(item.kind, case.policy) for item in candidates]
    found = next(iter(providers), None)
    if found is None or not all(providers):
        return None
    evidence = tuple(f"{item.example}: {reason}" for item, reason in zip(candidates, providers, strict=True))
    return Finding(Verdict.LEAVE, found, evidence=evidence)


def _provided_everywhere(case: Case, reason: Reason) -> Finding | None:
    by_plugin = [item for item in case.candidates if item.kind.offers and provider(item.kind, case.policy) is None]
    if reason is not Reason.DRA or not by_plugin:
        return Finding(Verdict.LEAVE, reason, evidence=(f"the whole cluster hands GPUs out by {reason}",))
    if is_overruled(Reason.PROVIDER_MIXED, case.policy):
        return None
    # DRA counts no resource on its nodes, so these have a device plugin, and the scheduler takes either kind. Which
    # nodes DRA serves is not in the view: a class could break the pod there.
    evidence = tuple(f"{item.example}: a device plugin offers the resource, beside DRA" for item in by_plugin)
    warning = "nodes hand GPUs out by DRA and by a device plugin; pod left alone, it may see no GPU"
    return Finding(Verdict.LEAVE, Reason.PROVIDER_MIXED, warning, evidence)


def view_stale(case: Case) -> Finding | None:
    """A class that nobody can vouch for is never set: the API server rejects a pod whose class is gone."""
    unknown = case.view.runtime_classes is None
    age = math.inf if unknown else case.facts.runtime_classes_age_seconds
    if age <= VOUCHED_SECONDS:
        return None
    seen = f"last seen {age:.0f} s ago" if math.isfinite(age) else "never seen"
    warning = f'RuntimeClass "{case.policy.runtime_class}" cannot be verified ({seen}); pod left alone'
    return Finding(Verdict.LEAVE, Reason.VIEW_STALE, warning, (f"the view of RuntimeClasses was {seen}",))


def scheduling_conflict(case: Case) -> Finding | None:
    """The class brings constraints of its own; where they meet the pod's, it would never run, or be rejected."""
    if case.runtime_class is None:
        return None
    why = _conflict(case, case.runtime_class)
    if not why:
        return None
    warning = f'RuntimeClass "{case.runtime_class.name}" does not fit: {why}; pod left alone, it may see no GPU'
    return Finding(Verdict.LEAVE, Reason.SCHEDULING_CONFLICT, warning, (why,))


def runtime_class(case: Case) -> Finding | None:
    """The class exists, and no candidate disproves it: the NVIDIA runtime brings driver and devices."""
    found = case.runtime_class
    if found is None or any(provider(item.kind, case.policy) for item in case.class_candidates):
        return None
    if _unfit(case, found) is not None:
        return None
    evidence = (f"RuntimeClass {found.name} exists, its handler is {found.handler}", *class_evidence(case, found))
    return Finding(Verdict.INJECT, Reason.RUNTIME_CLASS, evidence=evidence)


def mixed(case: Case) -> Finding | None:
    """Candidates that differ cannot be served by one decision; the author, or the policy, has to choose."""
    found = case.runtime_class
    if found is None:
        return None
    evidence = tuple(class_evidence(case, found))
    if any(provider(item.kind, case.policy) for item in case.class_candidates):
        return _mixture(case, Reason.PROVIDER_MIXED, "nodes hand GPUs out in different ways", evidence)
    if any(_is_fit(case, found, item) for item in case.class_candidates):
        return _mixture(case, Reason.HANDLER_MIXED, f'some nodes cannot run RuntimeClass "{found.name}"', evidence)
    return None


def fallback(case: Case) -> Finding:
    """Without a class that works, the fallback decides."""
    return fallback_of(case).decide()


def fallback_of(case: Case) -> Fallback:
    """Return what the fallback looks at."""
    found = case.runtime_class
    reason = Reason.RUNTIME_CLASS_MISSING if found is None else _unfit(case, found) or Reason.HANDLER_MISSING
    return Fallback(
        reason=reason,
        policy=case.policy,
        view=case.view,
        namespace_labels=case.namespace_labels or NOTHING,
        candidates=case.candidates,
        containers=case.gpu_containers,
    )


def class_misfit(case: Case, found: RuntimeClass, node_name: str) -> str:
    """Return why the pod cannot bear the class's nodeSelector, empty where it can; a named node must have its labels.

    The API server rejects a pod that gives a key another value, and a pod of a node without the labels never runs.
    """
    own = mapping(case.spec.get("nodeSelector"))
    clash = next((key for key, value in found.node_selector.items() if text(own.get(key, value)) != value), None)
    if clash is not None:
        return f"both select nodes by {clash}"
    node = (case.view.nodes or NOTHING).get(node_name)
    return f"node {node_name} lacks its labels" if node and not has_labels(node.labels, found.node_selector) else ""


def _conflict(case: Case, found: RuntimeClass) -> str:
    if why := class_misfit(case, found, text(case.spec.get("nodeName"))):
        return why
    return "no GPU node is left for the pod" if case.candidates and not case.class_candidates else ""


def _unfit(case: Case, found: RuntimeClass) -> Reason | None:
    """Return why candidates cannot be trusted to run the class, None where all can."""
    if not case.class_candidates:
        return None if _trusts_unknown(case, found) else Reason.HANDLER_UNKNOWN
    unfit = [item for item in case.class_candidates if not _is_fit(case, found, item)]
    if not unfit:
        return None
    disproved = any(handler_evidence(item.kind, found) is Handler.DISPROVED for item in unfit)
    return Reason.HANDLER_MISSING if disproved else Reason.HANDLER_UNKNOWN


def _is_fit(case: Case, found: RuntimeClass, candidate: Candidate) -> bool:
    evidence = handler_evidence(candidate.kind, found)
    return evidence is Handler.PROVEN or (evidence is Handler.UNKNOWN and _trusts_unknown(case, found))


def _trusts_unknown(case: Case, found: RuntimeClass) -> bool:
    # A distribution makes its class on every cluster, so that the class says nothing about any node.
    return case.policy.handler_unknown == "inject" and not found.of_distribution


def _mixture(case: Case, reason: Reason, why: str, evidence: tuple[str, ...]) -> Finding:
    if is_overruled(reason, case.policy):
        return Finding(Verdict.INJECT, Reason.RUNTIME_CLASS, evidence=(f"the policy overrules {reason}", *evidence))
    return Finding(Verdict.LEAVE, reason, f"{why}; pod left alone, it may see no GPU", evidence)


def class_evidence(case: Case, found: RuntimeClass) -> Iterable[str]:
    """Yield what each kind of candidate shows of the class."""
    for item in case.class_candidates:
        reason = node_provider(item.kind)
        yield f"{item.example}: handler {handler_evidence(item.kind, found)}{f', {reason}' if reason else ''}"
    if not case.class_candidates and case.view.nodes is not None:
        yield "no node offers the resource yet"
    yield from unknown_kinds(case.view)
