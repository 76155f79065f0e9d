"""What each row of the decision for plugin pods looked at when it found nothing; see ``rows_of_plugin``."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from webhook.decide import rows_of_plugin
from webhook.decide.decision import DECISION_KEY, INJECT_KEY, Finding
from webhook.decide.evidence import gpu_evidence
from webhook.decide.fallback import ENFORCE_LABEL
from webhook.decide.looked_at import host_users
from webhook.decide.plugin_case import PluginCase
from webhook.decide.pod import annotations, label


def _plugin(case: PluginCase) -> Iterator[str]:
    if case.plugin:
        yield f"the pod is labelled {case.plugin.label}={case.plugin.value}"
    for container in case.containers:
        yield f"its container {container.spec.get('name')} is the plugin"


def _not_disabled(case: PluginCase) -> Iterator[str]:
    yield f"the pod has {INJECT_KEY}: {label(case.base.pod, INJECT_KEY) or '(no label)'}"
    own = (case.base.namespace_labels or {}).get(INJECT_KEY)
    yield f"namespace {case.base.facts.namespace} has {INJECT_KEY}: {own or '(no label)'}"


def _allowed(case: PluginCase) -> Iterator[str]:
    yield f"bootstrap.namespaces has {case.base.facts.namespace}"


def _trusted(case: PluginCase) -> Iterator[str]:
    yield f"{case.base.facts.username} created the pod for a DaemonSet"


def _unmanaged(_: PluginCase) -> Iterator[str]:
    yield "no operator looks after the pod"


def _annotation(case: PluginCase) -> Iterator[str]:
    word = annotations(case.base.pod).get(DECISION_KEY)
    yield f"the pod has {DECISION_KEY}: {word or '(no annotation)'}"


def _provides_nothing(_: PluginCase) -> Iterator[str]:
    yield "the pod names no RuntimeClass and mounts no NVML"


def _recipe(case: PluginCase) -> Iterator[str]:
    yield f"the policy's bootstrap.recipe is {case.base.policy.bootstrap.recipe}"


def _node(case: PluginCase) -> Iterator[str]:
    yield f"the pod is for node {case.node_name}"


def _gpu(case: PluginCase) -> Iterator[str]:
    yield from gpu_evidence(case.base, case.node_name)


def _host_users(case: PluginCase) -> Iterable[str]:
    return host_users(case.base)


def _no_handler(case: PluginCase) -> Iterator[str]:
    found = case.base.runtime_class
    name = case.base.policy.runtime_class
    yield f"RuntimeClass {name} {'exists' if found else 'is not known to exist'}"
    handlers = case.node.handlers if case.node else None
    yield f"{case.node_name} reports {'no handlers' if handlers is None else f'the handlers {_listed(handlers)}'}"
    if case.class_misfit:
        yield f"RuntimeClass {name} does not fit: {case.class_misfit}"


def _listed(handlers: frozenset[str]) -> str:
    return ", ".join(sorted(handler or '""' for handler in handlers))


def _pod_security(case: PluginCase) -> Iterator[str]:
    own = (case.base.namespace_labels or {}).get(ENFORCE_LABEL)
    yield f"namespace {case.base.facts.namespace} has {ENFORCE_LABEL}: {own or '(no label)'}"


def _nothing(_: PluginCase) -> Iterator[str]:
    yield from ()


LOOKED_AT: Mapping[Callable[[PluginCase], Finding | None], Callable[[PluginCase], Iterable[str]]] = {
    rows_of_plugin.not_a_plugin: _plugin,
    rows_of_plugin.opted_out: _not_disabled,
    rows_of_plugin.not_allowed: _allowed,
    rows_of_plugin.untrusted: _trusted,
    rows_of_plugin.operator_managed: _unmanaged,
    rows_of_plugin.reinvocation: _annotation,
    rows_of_plugin.author_provides: _provides_nothing,
    rows_of_plugin.recipe_off: _recipe,
    rows_of_plugin.node_unknown: _node,
    rows_of_plugin.no_gpu_evidence: _gpu,
    rows_of_plugin.user_namespaces: _host_users,
    rows_of_plugin.runtime_class: _no_handler,
    rows_of_plugin.class_only: _recipe,
    rows_of_plugin.pod_security: _pod_security,
    rows_of_plugin.nvml: _nothing,
}
