"""Rules about who may get a patch. The patch may make a pod privileged, and anyone can write labels.

So namespace, owner, creator, labels and container must all hold. The order of the rules is in ``decide``.
"""

from collections.abc import Iterator

from webhook.decide.decision import Reason
from webhook.decide.plugin.context import PluginContext
from webhook.decide.pod import label
from webhook.decide.rule import Rule, RuleResult, leave, leaves
from webhook.decide.workload import pod_rules
from webhook.names import INJECT_KEY
from webhook.view.plugin_projections import daemon_set_uid

# The creators of DaemonSet pods: the controller's ServiceAccount, or the identity that controllers share.
CREATORS = frozenset({"system:serviceaccount:kube-system:daemon-set-controller", "system:kube-controller-manager"})

TOO_LARGE: Rule[PluginContext] = Rule(
    name=pod_rules.TOO_LARGE.name,
    text=pod_rules.TOO_LARGE.text,
    check=lambda context: pod_rules.TOO_LARGE.check(context.base),
    evidence=lambda context: pod_rules.TOO_LARGE.evidence(context.base),
)


def _not_a_plugin(context: PluginContext) -> RuleResult | None:
    if not context.base.request.is_pod_creation:
        return leave(Reason.NOT_APPLICABLE, "the request is not the creation of a pod")
    if context.plugin is None:
        return leave(Reason.NOT_A_PLUGIN, "labels and containers match no known plugin")
    return None


def _plugin_evidence(context: PluginContext) -> Iterator[str]:
    if context.plugin:
        yield f"the pod is labelled {context.plugin.label}={context.plugin.value}"
    for container in context.containers:
        yield f"its container {container.spec.get('name')} is the plugin"


NOT_A_PLUGIN = Rule(
    name="not a plugin",
    text="Labels and container must match a known plugin, in a request that creates a pod.",
    check=_not_a_plugin,
    evidence=_plugin_evidence,
    outcomes=(leaves(Reason.NOT_A_PLUGIN, "a pod labelled like a plugin, without its container"),),
)


def _opted_out(context: PluginContext) -> RuleResult | None:
    labels = context.base.namespace_labels or {}
    if label(context.base.pod, INJECT_KEY) == "disabled" or labels.get(INJECT_KEY) == "disabled":
        return leave(Reason.OPTED_OUT, f"{INJECT_KEY} is disabled")
    return None


def _opt_out_evidence(context: PluginContext) -> Iterator[str]:
    yield f"the pod has {INJECT_KEY}: {label(context.base.pod, INJECT_KEY) or '(no label)'}"
    own = (context.base.namespace_labels or {}).get(INJECT_KEY)
    yield f"namespace {context.namespace} has {INJECT_KEY}: {own or '(no label)'}"


OPTED_OUT = Rule(
    name="opted out",
    text="The label of the pod or of its namespace may opt out.",
    check=_opted_out,
    evidence=_opt_out_evidence,
)


def _not_allowed(context: PluginContext) -> RuleResult | None:
    if context.namespace in context.policy.bootstrap.namespaces:
        return None
    return leave(Reason.NAMESPACE_NOT_ALLOWED, f"namespace {context.namespace} is not in bootstrap.namespaces")


NOT_ALLOWED = Rule(
    name="not allowed",
    text="Only pods in the administrator's namespaces are patched: in any other, a tenant could create such a pod.",
    check=_not_allowed,
    evidence=lambda context: [f"bootstrap.namespaces has {context.namespace}"],
    outcomes=(
        leaves(
            Reason.NAMESPACE_NOT_ALLOWED,
            "a plugin pod in a namespace where plugins are not trusted",
            "add it to `bootstrap.namespaces`, if tenants cannot create it",
        ),
    ),
)


def _untrusted(context: PluginContext) -> RuleResult | None:
    if context.base.request.username not in CREATORS:
        return leave(Reason.CREATOR_UNTRUSTED, "the pod was not created by the DaemonSet controller")
    if not daemon_set_uid(context.base.pod):
        return leave(Reason.CREATOR_UNTRUSTED, "the pod's controller is no DaemonSet")
    return None


UNTRUSTED = Rule(
    name="untrusted",
    text="The DaemonSet controller must have created the pod for a DaemonSet: anyone can write an owner reference.",
    check=_untrusted,
    evidence=lambda context: [f"{context.base.request.username} created the pod for a DaemonSet"],
    outcomes=(
        leaves(
            Reason.CREATOR_UNTRUSTED,
            "a pod that looks like a plugin's, but was not created by the DaemonSet controller for a DaemonSet",
            "nothing, unless you did not create it",
        ),
    ),
)


def _operator_managed(context: PluginContext) -> RuleResult | None:
    manager = context.plugin.manager if context.plugin else ""
    return leave(Reason.OPERATOR_MANAGED, f"{manager} manages this pod") if manager else None


OPERATOR_MANAGED = Rule(
    name="operator managed",
    text="An operator that manages such pods would revert the patch.",
    check=_operator_managed,
    evidence=lambda _: ["no operator manages the pod"],
    outcomes=(leaves(Reason.OPERATOR_MANAGED, "a plugin pod that the GPU Operator or GKE manages"),),
)
