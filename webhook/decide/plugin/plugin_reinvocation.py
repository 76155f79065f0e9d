"""Reinvocation for plugin pods: kept only where the pod without our patch would get exactly that patch now."""

from collections.abc import Mapping

from webhook.decide.added_volumes import AddedVolumes, separate
from webhook.decide.decision import DECISION_KEY, Reason, Verdict
from webhook.decide.plugin.context import PluginContext
from webhook.decide.plugin.nvml_rules import NVML, NVML_INSUFFICIENT, POD_SECURITY
from webhook.decide.plugin.patches import carries_nvml, is_nvml_volume
from webhook.decide.plugin.recipe_rules import (
    AUTHOR_PROVIDES,
    CLASS_ONLY,
    NO_GPU_EVIDENCE,
    NODE_UNKNOWN,
    RECIPE_OFF,
    RUNTIME_CLASS,
    USER_NAMESPACES,
)
from webhook.decide.pod import Pod, annotations, runtime_class_name
from webhook.decide.rule import Rule, RuleResult, first_result
from webhook.kube.values import mapping, text

FOLLOWING: tuple[Rule[PluginContext], ...] = (
    AUTHOR_PROVIDES,
    RECIPE_OFF,
    NODE_UNKNOWN,
    NO_GPU_EVIDENCE,
    USER_NAMESPACES,
    RUNTIME_CLASS,
    CLASS_ONLY,
    NVML_INSUFFICIENT,
    POD_SECURITY,
    NVML,
)
"""The rules for a pod that carries no decision, or one that is not kept."""

RECIPES: Mapping[str, Reason] = {
    f"{Verdict.BOOTSTRAP}/{reason}": reason for reason in (Reason.RUNTIME_CLASS, Reason.NVML)
}


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
        is_same = carries_nvml(without.containers, present, without.library, context.plugin.role)
    evidence = (f"the pod carries our annotation {now.verdict}/{now.reason}",)
    return RuleResult(now.verdict, now.reason, evidence=evidence, kept=True) if is_same else None


def _without_recipe(pod: Pod, recipe: Reason) -> tuple[Pod, AddedVolumes]:
    if recipe is Reason.NVML:
        return separate(pod, is_nvml_volume)
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
