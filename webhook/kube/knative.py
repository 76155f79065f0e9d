"""Knative Serving: it refuses a pod template with a RuntimeClass unless a feature flag allows it.

Source: https://knative.dev/docs/serving/configuration/feature-flags/
"""

from collections.abc import Iterable, Mapping
from typing import Any

from webhook.kube.metadata import full_name, metadata
from webhook.kube.object_rules import KNATIVE_GROUP, KSERVE_GROUP, ObjectKind, kind_of
from webhook.kube.values import mapping

FLAG = "kubernetes.podspec-runtimeclassname"
CONFIG_MAP_PATH = "/api/v1/namespaces/knative-serving/configmaps/config-features"
# As Knative reads its flags: only `disabled` refuses the field.
ALLOWING = frozenset({"enabled", "allowed"})
KSERVE_MODE = "serving.kserve.io/deploymentMode"
KNATIVE_MODES = frozenset({"Serverless", "Knative"})
REFUSES = (
    f"gpu-injector: Knative refuses runtimeClassName unless its feature flag {FLAG} is enabled "
    "(ConfigMap knative-serving/config-features); its pods are patched when they are created"
)
MAY_REFUSE = (
    f"gpu-injector: if KServe runs this in Knative mode, Knative needs the feature flag {FLAG} "
    "(ConfigMap knative-serving/config-features) for runtimeClassName"
)


def allows_runtime_class(objects: Iterable[Mapping[str, Any]]) -> bool:
    """Say whether the flag is set in a ConfigMap among some objects."""
    return any(
        kind_of(item) == ObjectKind("", "ConfigMap")
        and full_name(item) == "knative-serving/config-features"
        and str(mapping(item.get("data")).get(FLAG)).lower() in ALLOWING
        for item in objects
    )


def is_relevant(item: Mapping[str, Any]) -> bool:
    """Say whether the flag matters for an object."""
    kind = kind_of(item)
    return kind is not None and kind.group in (KNATIVE_GROUP, KSERVE_GROUP)


def kserve_mode(item: Mapping[str, Any]) -> str:
    """Return the mode in which KServe deploys an object, empty if the object does not say."""
    return str(mapping(metadata(item).get("annotations")).get(KSERVE_MODE) or "")
