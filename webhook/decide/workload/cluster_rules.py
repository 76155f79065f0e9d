"""Rules about the cluster: providers, the RuntimeClass and the nodes. Their order is in ``reinvocation``."""

import math
from collections.abc import Iterator, Mapping

from webhook.decide.decision import Reason, Verdict
from webhook.decide.nodes.providers import conflicting_provider, is_overruled, node_provider, provider
from webhook.decide.rule import Outcome, Rule, RuleResult, first_result, leave, leaves, no_evidence
from webhook.decide.workload.class_fitness import (
    class_evidence,
    fitness_evidence,
    is_fit,
    no_such_class,
    scheduling_misfit,
    unfit,
)
from webhook.decide.workload.context import RuleContext
from webhook.decide.workload.fallback import FALLBACK_RULES
from webhook.decide.workload.fallback_context import FallbackContext
from webhook.names import ALWAYS
from webhook.view.toleration_limits import limits_of
from webhook.view.view import RuntimeClass

# The API server rejects a pod whose RuntimeClass was deleted, so older knowledge does not count.
VOUCHED_SECONDS = 90.0


def _provided(context: RuleContext) -> RuleResult | None:
    found = context.served_candidates
    providers = [provider(item.kind, context.policy, context.resources) for item in found]
    first = next(iter(providers), None)
    if first is None or not all(providers):
        return None
    evidence = tuple(f"{item.example}: {reason}" for item, reason in zip(found, providers, strict=True))
    warning = f"nodes hand GPUs out by {first}: no class was set for the label {ALWAYS}" if context.is_always else ""
    return RuleResult(Verdict.LEAVE, first, warning, evidence)


def _providers_evidence(context: RuleContext) -> Iterator[str]:
    view = context.view
    counts = {
        "ClusterPolicies": view.cluster_policies,
        "DeviceClasses": view.device_classes,
        "ResourceSlices": view.resource_slices,
    }
    yield ", ".join(f"{word}: {_count(kind)}" for word, kind in counts.items())
    if context.policy.overrule:
        yield f"the policy overrules {', '.join(context.policy.overrule)}"
    for item in context.served_candidates:
        reason = node_provider(item.kind, context.resources)
        yield f"{item.example}: {reason or 'nothing shows that it hands GPUs out without us'}"
    if not context.candidates:
        yield "no node is known that the pod may run on"


PROVIDED = Rule(
    name="provided",
    text="Where every candidate node hands out GPUs without a RuntimeClass, setting one could only break the pod.",
    check=_provided,
    evidence=_providers_evidence,
    outcomes=(
        leaves(
            Reason.CDI,
            "GPUs are handed out by CDI: the list strategy of the nodes' plugin, or the GPU Operator",
            "nothing; `overrule: [cdi]` if that is wrong",
        ),
        leaves(Reason.NRI, "the GPU Operator hands GPUs out by NRI", "nothing; `overrule: [nri]` if that is wrong"),
        leaves(
            Reason.DRA,
            "DRA serves this resource on the nodes: a DeviceClass names it, and its driver published their devices",
            "nothing; `overrule: [dra]` if that is wrong",
        ),
        leaves(
            Reason.PLATFORM_PROVIDES,
            "the platform or NVIDIA's runtime as the default provides GPUs: the plugin was healthy with nothing in its "
            "pod, the GPU Operator's toolkit is enabled, k3s and RKE2 were started that way, or the platform brings a "
            "plugin of its own (GKE, Bottlerocket)",
            "nothing; `overrule: [platform-provides]` if that is wrong",
        ),
    ),
)


def _view_stale(context: RuleContext) -> RuleResult | None:
    is_unknown = context.view.runtime_classes is None
    age = math.inf if is_unknown else context.request.runtime_classes_age_seconds
    if age <= VOUCHED_SECONDS:
        return None
    seen = f"last seen {age:.0f} s ago" if math.isfinite(age) else "never seen"
    warning = f'RuntimeClass "{context.policy.runtime_class}" cannot be verified ({seen}); pod left alone'
    return leave(Reason.VIEW_STALE, f"the view of RuntimeClasses was {seen}", warning)


VIEW_STALE = Rule(
    name="view stale",
    text="A RuntimeClass that may be gone is never set: the API server rejects a pod whose class does not exist.",
    check=_view_stale,
    evidence=lambda context: [f"RuntimeClasses were current {context.request.runtime_classes_age_seconds:.0f} s ago"],
    outcomes=(
        leaves(
            Reason.VIEW_STALE,
            "the API server has been silent for over 90 s, or a saved view has no RuntimeClasses",
            "see the webhook's log for `watch-lost`; save RuntimeClasses too",
        ),
    ),
)


def _scheduling_conflict(context: RuleContext) -> RuleResult | None:
    found = context.runtime_class
    why = scheduling_misfit(context, found) if found else ""
    if not found or not why:
        return None
    warning = f'RuntimeClass "{found.name}" does not fit: {why}; pod left alone, it may see no GPU'
    return leave(Reason.SCHEDULING_CONFLICT, why, warning)


def _scheduling_evidence(context: RuleContext) -> Iterator[str]:
    found = context.runtime_class
    if found is None:
        yield no_such_class(context)
        return
    if context.added_tolerations:
        limits = limits_of(context.namespace_labels)
        limited = "limits" if limits.whitelist or not limits.is_readable else "does not limit"
        yield f"the class or the policy adds tolerations; the namespace {limited} them"
    if not found.node_selector:
        yield f"RuntimeClass {found.name} selects no nodes"
    else:
        selector = ", ".join(f"{key}={value}" for key, value in found.node_selector.items())
        count = len(context.class_candidates)
        left = f"{count} kind{'' if count == 1 else 's'} of nodes"
        yield f"RuntimeClass {found.name} selects {selector}, which leaves {left}"


SCHEDULING_CONFLICT = Rule(
    name="scheduling conflict",
    text="The class has constraints of its own; where they contradict the pod's, it would be rejected or never run.",
    check=_scheduling_conflict,
    evidence=_scheduling_evidence,
    outcomes=(
        leaves(
            Reason.SCHEDULING_CONFLICT,
            "the class's own node selector or tolerations do not fit the pod, its node or its namespace",
            "change one of the two",
        ),
    ),
)


def _runtime_class(context: RuleContext) -> RuleResult | None:
    found = context.runtime_class
    if found is None or _conflict(context, found) or unfit(context, found) is not None:
        return None
    evidence = (f"RuntimeClass {found.name} exists, its handler is {found.handler}", *class_evidence(context, found))
    return RuleResult(Verdict.INJECT, Reason.RUNTIME_CLASS, evidence=evidence)


RUNTIME_CLASS = Rule(
    name="runtime class",
    text="The class exists, and no candidate disproves it: the NVIDIA runtime brings driver and devices.",
    check=_runtime_class,
    evidence=fitness_evidence,
    outcomes=(
        Outcome(
            Verdict.INJECT,
            Reason.RUNTIME_CLASS,
            "the RuntimeClass exists, and no node that the pod may run on disproves it",
        ),
    ),
)


def _mixed(context: RuleContext) -> RuleResult | None:
    found = context.runtime_class
    if found is None:
        return None
    evidence = tuple(class_evidence(context, found))
    if _conflict(context, found):
        return _mixture(context, Reason.PROVIDER_MIXED, "nodes hand GPUs out in different ways", evidence)
    if any(is_fit(context, found, item) for item in context.class_candidates):
        return _mixture(context, Reason.HANDLER_MIXED, f'some nodes cannot run RuntimeClass "{found.name}"', evidence)
    return None


def _mixture(context: RuleContext, reason: Reason, why: str, evidence: tuple[str, ...]) -> RuleResult:
    if is_overruled(reason, context.policy):
        overruled = f"the policy overrules {reason}"
        return RuleResult(Verdict.INJECT, Reason.RUNTIME_CLASS, evidence=(overruled, *evidence))
    return RuleResult(Verdict.LEAVE, reason, f"{why}; pod left alone, it may see no GPU", evidence)


MIXED = Rule(
    name="mixed",
    text="One decision cannot serve candidates that differ; the author or the policy has to choose.",
    check=_mixed,
    evidence=fitness_evidence,
    outcomes=(
        leaves(
            Reason.HANDLER_MIXED,
            "some of the nodes run the class, some do not",
            "select nodes of one kind, or `overrule: [handler-mixed]`",
        ),
        leaves(
            Reason.PROVIDER_MIXED,
            "nodes hand GPUs out in different ways",
            "select nodes of one kind, or `overrule: [provider-mixed]`",
        ),
    ),
)


def fallback_context(context: RuleContext) -> FallbackContext:
    """Return what the rules of the fallback read."""
    found = context.runtime_class
    reason = Reason.RUNTIME_CLASS_MISSING if found is None else unfit(context, found) or Reason.HANDLER_MISSING
    return FallbackContext(
        reason=reason,
        policy=context.policy,
        view=context.view,
        guarded=context.guarded,
        candidates=context.candidates,
        containers=context.gpu_containers,
        seen_failures=context.seen_failures,
        is_always=context.is_always,
    )


def _fallback(context: RuleContext) -> RuleResult:
    return first_result(FALLBACK_RULES, fallback_context(context))[1]


FALLBACK = Rule(
    name="fallback",
    text="Without a RuntimeClass that works, the fallback decides.",
    check=_fallback,
    evidence=no_evidence,
)


def _conflict(context: RuleContext, found: RuntimeClass) -> Reason | None:
    """Return a provider of some candidate with which the class would break the pod."""
    kinds = [item.kind for item in (*context.class_candidates, *context.expected_candidates)]
    conflicts = (conflicting_provider(kind, context.policy, context.resources, found) for kind in kinds)
    return next((reason for reason in conflicts if reason), None)


def _count(kind: Mapping[str, object] | None) -> str:
    return "unknown" if kind is None else str(len(kind))
