"""A model of the API server's admission: what else judges a pod in its namespace, and whether it is admitted.

It knows nothing of our decisions. Quota leaves no room for more than the pod itself requests.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from support.clusters import clusters
from webhook.kube.node_affinity import selects, tolerates_all
from webhook.view.admission_controls import DenyingBinding, PodAdmissionPolicy, PolicyEngineWebhook
from webhook.view.toleration_limits import NamespaceLabels, TolerationLimits
from webhook.view.view import ClusterView, RuntimeClass

OVERHEADS: list[dict[str, str]] = [{}, {}, {"cpu": "250m"}, {"cpu": "0"}, {"memory": "120Mi"}]
LEVELS = [None, None, "privileged", "baseline", "restricted"]
SELECTORS: list[dict[str, Any]] = [{}, {}, {"matchLabels": {"team": "a"}}, {"matchLabels": {"team": "b"}}]
WHITELISTS: list[tuple[dict[str, Any], ...] | None] = [
    None,
    None,
    (),
    ({"operator": "Exists"},),
    ({"key": "team", "operator": "Exists"},),
    ({"key": "nvidia.com/gpu", "operator": "Exists"},),
]
ENGINE = "kyverno.io"
VARIABLE = "NVIDIA_VISIBLE_DEVICES"
DENIED = ["runtimeClassName", "hostPath", "tolerations", "nodeSelector", VARIABLE]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """A cluster, and the fields that each of its ValidatingAdmissionPolicies denies."""

    view: ClusterView
    has_quota: bool
    denied: Mapping[str, str]
    engine_denies: bool


@st.composite
def surroundings(draw: st.DrawFn) -> Surroundings:
    """Draw a cluster with quota, overhead, PodSecurity, policies, limits on tolerations, and taints."""
    view = draw(clusters())
    classes = {
        name: replace(found, overhead=draw(st.sampled_from(OVERHEADS)))
        for name, found in (view.runtime_classes or {}).items()
    }
    labels = {"gpu-injector.io/inject": "enabled", "team": "a"}
    if level := draw(st.sampled_from(LEVELS)):
        labels["pod-security.kubernetes.io/enforce"] = level
    limits = TolerationLimits(whitelist=draw(st.sampled_from(WHITELISTS)))
    denied = draw(st.dictionaries(st.sampled_from(["p", "q"]), st.sampled_from(DENIED)))
    engine = draw(st.booleans())
    return Surroundings(
        replace(
            view,
            runtime_classes=classes,
            namespaces={"ml": NamespaceLabels(labels, limits)},
            admission_policies={
                name: PodAdmissionPolicy(name, frozenset({field}), draw(st.sampled_from(SELECTORS)))
                for name, field in denied.items()
            },
            policy_bindings={name: DenyingBinding(name, name, draw(st.sampled_from(SELECTORS))) for name in denied},
            api_groups=frozenset({ENGINE} if engine else ()),
            engine_webhooks={"e": PolicyEngineWebhook("e", "Kyverno", (draw(st.sampled_from(SELECTORS)),))},
        ),
        draw(st.booleans()),
        denied,
        engine,
    )


def rejections(pod: Mapping[str, Any], around: Surroundings) -> Iterator[str]:
    """Yield what rejects a pod, or keeps it from ever being scheduled."""
    spec, view = pod["spec"], around.view
    labels = (view.namespaces or {})["ml"]
    name = spec.get("runtimeClassName")
    found = (view.runtime_classes or {}).get(name) if name else None
    if name and found is None:
        yield "there is no such RuntimeClass"
    if found:
        yield from _by_class(spec, found, around)
    uses_host = any("hostPath" in volume for volume in spec.get("volumes") or []) or _is_privileged(spec)
    if uses_host and labels.get("pod-security.kubernetes.io/enforce", "privileged") != "privileged":
        yield "PodSecurity"
    used = {
        "runtimeClassName": bool(name),
        "hostPath": uses_host,
        "tolerations": bool(spec.get("tolerations") or (found and found.tolerations)),
        "nodeSelector": bool(spec.get("nodeSelector") or (found and found.node_selector)),
        VARIABLE: any(entry.get("name") == VARIABLE for entry in _variables(spec)),
    }
    for policy, field in around.denied.items():
        if used[field] and _is_selected(view, policy, labels):
            yield f"ValidatingAdmissionPolicy {policy}"
    webhooks = (view.engine_webhooks or {}).values()
    if uses_host and around.engine_denies and any(_wants(item.namespace_selectors[0], labels) for item in webhooks):
        yield "Kyverno"


def has_node(pod: Mapping[str, Any], view: ClusterView) -> bool:
    """Say whether the scheduler finds a node that offers the pod's GPUs."""
    spec = pod["spec"]
    found = (view.runtime_classes or {}).get(spec.get("runtimeClassName") or "")
    tolerations = [*(spec.get("tolerations") or []), *(found.tolerations if found else ())]
    selector = {**(spec.get("nodeSelector") or {}), **(found.node_selector if found else {})}
    wanted = {
        name
        for container in [*spec["containers"], *(spec.get("initContainers") or [])]
        for name in (container.get("resources") or {}).get("limits", {})
    }
    return any(
        wanted <= node.allocatable.keys()
        and selects({**spec, "nodeSelector": selector}, node)
        and (spec.get("nodeName") or tolerates_all(tolerations, node.taints))
        for node in (view.nodes or {}).values()
    )


def _by_class(spec: Mapping[str, Any], found: RuntimeClass, around: Surroundings) -> Iterator[str]:
    own = spec.get("nodeSelector") or {}
    if any(own.get(key, value) != value for key, value in found.node_selector.items()):
        yield "the class selects other nodes"
    if around.has_quota and any(amount.strip("0") not in ("", "m") for amount in found.overhead.values()):
        yield "quota"
    limits = (around.view.namespaces or {})["ml"].toleration_limits  # type: ignore[attr-defined]
    added = [item for item in found.tolerations if item not in (spec.get("tolerations") or [])]
    if limits.whitelist and not all(
        any(allowed.get("key") in (None, item["key"]) for allowed in limits.whitelist) for item in added
    ):
        yield "PodTolerationRestriction"


def _is_privileged(spec: Mapping[str, Any]) -> bool:
    return any((container.get("securityContext") or {}).get("privileged") for container in _containers(spec))


def _variables(spec: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for container in _containers(spec):
        yield from (entry for entry in container.get("env") or [] if isinstance(entry, dict))


def _containers(spec: Mapping[str, Any]) -> list[Any]:
    return [*spec["containers"], *(spec.get("initContainers") or [])]


def _is_selected(view: ClusterView, name: str, labels: Mapping[str, str]) -> bool:
    policy, binding = (view.admission_policies or {})[name], (view.policy_bindings or {})[name]
    return _wants(policy.namespace_selector, labels) and _wants(binding.namespace_selector, labels)


def _wants(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
