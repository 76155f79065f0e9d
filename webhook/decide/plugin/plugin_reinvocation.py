"""Reinvocation for plugin pods: kept only where the pod without our patch would get exactly that patch now."""

from collections.abc import Mapping

from webhook.decide.added_volumes import AddedVolumes, separate
from webhook.decide.decision import Reason, Verdict
from webhook.decide.plugin.choose_recipe import FOLLOWING
from webhook.decide.plugin.context import PluginContext
from webhook.decide.plugin.patches import PluginPatch, driver_root_patch, is_plugin_volume, nvml_patch
from webhook.decide.pod import Pod, annotations, runtime_class_name
from webhook.decide.rule import Rule, RuleResult, first_result
from webhook.kube.values import mapping, text
from webhook.names import DECISION_KEY

RECIPES: Mapping[str, Reason] = {
    f"{Verdict.BOOTSTRAP}/{reason}": reason for reason in (Reason.RUNTIME_CLASS, Reason.DRIVER_ROOT, Reason.NVML)
}


def patch_of(context: PluginContext, recipe: Reason) -> PluginPatch:
    """Return what a recipe with privileges gives to a pod without our patch."""
    if recipe is Reason.DRIVER_ROOT:
        return driver_root_patch(context.containers, context.roles)
    return nvml_patch(context.containers, context.roles, context.library)


def _reinvocation(context: PluginContext) -> RuleResult | None:
    base = context.base
    recipe = RECIPES.get(text(annotations(base.pod).get(DECISION_KEY)))
    if recipe is None or context.plugin is None:
        return None
    bare, present = _without_recipe(base.pod, recipe)
    without = PluginContext.of(bare, base.request, base.policy, base.view)
    now = first_result(FOLLOWING, without)[1]
    if (now.verdict, now.reason) != (Verdict.BOOTSTRAP, recipe):
        return None
    if recipe is Reason.RUNTIME_CLASS:
        is_same = runtime_class_name(base.pod) == base.policy.runtime_class
    else:
        is_same = patch_of(without, recipe).is_carried(present)
    evidence = (f"the pod carries our annotation {now.verdict}/{now.reason}",)
    return RuleResult(now.verdict, now.reason, evidence=evidence, kept=True) if is_same else None


def _without_recipe(pod: Pod, recipe: Reason) -> tuple[Pod, AddedVolumes]:
    if recipe is not Reason.RUNTIME_CLASS:
        return separate(pod, is_plugin_volume)
    spec = {key: value for key, value in mapping(pod.get("spec")).items() if key != "runtimeClassName"}
    return {**pod, "spec": spec}, AddedVolumes((), {})


REINVOCATION = Rule(
    name="plugin reinvocation",
    text="A pod that contains exactly what would be written now keeps its decision.",
    check=_reinvocation,
    evidence=lambda context: [
        f"the pod has {DECISION_KEY}: {annotations(context.base.pod).get(DECISION_KEY) or '(no annotation)'}"
    ],
)
