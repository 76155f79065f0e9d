"""Rules for the recipe ``driver-root``: the host's /usr below the driver root of the device plugin.

The pod starts on every host, whether the library is there or not. So this recipe comes before ``nvml``, whose mount of
one file keeps a pod waiting where the file is missing.
"""

from collections.abc import Iterator

from webhook.decide.decision import Reason, Verdict
from webhook.decide.plugin.class_rules import setback_result
from webhook.decide.plugin.context import PluginContext
from webhook.decide.plugin.gpu_evidence import gpu_evidence
from webhook.decide.plugin.need_rules import recipe_evidence
from webhook.decide.plugin.patches import ROOT_PLACE, is_place_taken, taken_names
from webhook.decide.rule import Outcome, Rule, RuleResult, leave
from webhook.nvidia.plugin_settings import plugin_settings
from webhook.nvidia.plugin_support import driver_root_support

RECIPE = "driver-root"


def _driver_root(context: PluginContext) -> RuleResult | None:
    if not context.allows(RECIPE) or _misfit(context) or context.setback(RECIPE):
        return None
    evidence = (
        *gpu_evidence(context.base, context.node_name, context.facts),
        f"the plugin finds NVML below a driver root with /usr of {context.node_name}",
    )
    return RuleResult(Verdict.BOOTSTRAP, Reason.DRIVER_ROOT, evidence=evidence)


def _misfit(context: PluginContext) -> str:
    """Return why a driver root does not help this pod on this node, empty where it does."""
    for container in context.containers:
        support = driver_root_support(context.roles[container.pointer], plugin_settings(container.spec))
        if not support.works:
            return f"{container.spec.get('name')}: {support.why_not}"
        if is_place_taken(container, ROOT_PLACE):
            return f"{container.spec.get('name')}: the author mounts something at or around {ROOT_PLACE}"
    if names := taken_names(context.base.spec):
        return f"the plugin has a volume of its own named {names[0]}"
    works = context.usr_root_works
    # An administrator who asks for this recipe alone may know hosts that no profile knows.
    if works is False or (works is None and context.policy.bootstrap.recipe != RECIPE):
        return f"{context.node_name} is not known to have its driver where the plugin looks below /usr"
    return ""


def _evidence(context: PluginContext) -> Iterator[str]:
    if not context.allows(RECIPE):
        yield from recipe_evidence(context)
    elif why := _misfit(context):
        yield why
    elif failed := context.setback(RECIPE):
        yield f"the recipe {RECIPE} failed on {context.node_name}: {failed.text}"


DRIVER_ROOT = Rule(
    name="driver root",
    text="Newer device plugins look for NVML below a driver root: with the host's /usr there, the pod always starts.",
    check=_driver_root,
    evidence=_evidence,
    outcomes=(
        Outcome(
            Verdict.BOOTSTRAP,
            Reason.DRIVER_ROOT,
            "a plugin pod; it got the host's `/usr`, read-only, below its driver root, `/dev` and privileges",
        ),
    ),
)


def _root_only(context: PluginContext) -> RuleResult | None:
    if context.policy.bootstrap.recipe != RECIPE:
        return None
    if why := _misfit(context):
        return leave(Reason.DRIVER_UNKNOWN, why, f"{why}; the recipe {RECIPE} does not fit, pod left alone")
    return setback_result(context, RECIPE)


ROOT_ONLY = Rule(
    name="driver root only",
    text="The policy may allow the driver root and nothing else.",
    check=_root_only,
    evidence=recipe_evidence,
)
