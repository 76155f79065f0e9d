"""The order of the rules that choose a plugin pod's recipe: the RuntimeClass, the driver root, or NVML alone."""

from webhook.decide.plugin.class_rules import (
    CLASS_ONLY,
    CLASS_SETBACK,
    NO_GPU_EVIDENCE,
    RUNTIME_CLASS,
    USER_NAMESPACES,
)
from webhook.decide.plugin.context import PluginContext
from webhook.decide.plugin.driver_root_rules import DRIVER_ROOT, ROOT_ONLY
from webhook.decide.plugin.need_rules import AUTHOR_PROVIDES, CLASS_MISMATCH, NODE_UNKNOWN, NOT_NEEDED, RECIPE_OFF
from webhook.decide.plugin.nvml_rules import NVML, NVML_INSUFFICIENT, POD_SECURITY
from webhook.decide.rule import Rule

FOLLOWING: tuple[Rule[PluginContext], ...] = (
    AUTHOR_PROVIDES,
    RECIPE_OFF,
    NODE_UNKNOWN,
    NOT_NEEDED,
    CLASS_MISMATCH,
    NO_GPU_EVIDENCE,
    USER_NAMESPACES,
    CLASS_SETBACK,
    RUNTIME_CLASS,
    CLASS_ONLY,
    NVML_INSUFFICIENT,
    POD_SECURITY,
    DRIVER_ROOT,
    ROOT_ONLY,
    NVML,
)
"""The rules for a pod that carries no decision, or one that is not kept."""
