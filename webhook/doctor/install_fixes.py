"""The command that installs gpu-injector, or restores what was installed, with an image that the nodes have.

The image of deploy/install.yaml names no registry, so no node can pull it. The manifest is never proposed as it is.
"""

import re
from collections.abc import Iterator

from webhook.doctor.cluster_facts import ClusterFacts
from webhook.doctor.fact import ApiObject, Unread
from webhook.kube.metadata import labels_of, name_of
from webhook.kube.values import items, mapping, text
from webhook.names import DEFAULT_NAMESPACE, REGISTRATION_NAME
from webhook.policy.model import Policy

INSTALL = (
    "helm install gpu-injector deploy/chart -n gpu-injector --create-namespace --set image.registry=REGISTRY   "
    "(from which your nodes pull the image; without a registry: docs/image.md)"
)
AGAIN = "apply again what you installed: the chart by helm upgrade, or the manifest with your image"
OWN_POLICY = "   (first put your policy into the manifest's ConfigMap)"
MANAGED_BY = "app.kubernetes.io/managed-by"
# Names and images fit this. A file of `collect` may contain anything: it must not become part of a command.
PLAIN = re.compile(r"[\w.:/@+-]+")


def install_again(facts: ClusterFacts) -> str:
    """Return the command that restores what is missing of the installation, or that installs it."""
    ours = list(_ours(facts))
    if not ours:
        return INSTALL
    release = next((_release(item) for item in ours if labels_of(item).get(MANAGED_BY) == "Helm"), "")
    if _is_plain(release) and _is_plain(facts.home):
        return f"helm -n {facts.home} upgrade {release} deploy/chart --reset-then-reuse-values{_of_version(ours)}"
    return _manifest_again(facts) or AGAIN


def _ours(facts: ClusterFacts) -> Iterator[ApiObject]:
    """Yield what is known to exist of the installation, the Deployment first."""
    if facts.deployment and not isinstance(facts.deployment, Unread):
        yield facts.deployment
    for found in (facts.webhooks, facts.validating_webhooks):
        if not isinstance(found, Unread):
            yield from (item for item in found if name_of(item) == REGISTRATION_NAME)


def _release(item: ApiObject) -> str:
    return labels_of(item).get("app.kubernetes.io/instance", "")


def _of_version(ours: list[ApiObject]) -> str:
    # The chart of another version has another image, which may not be in the registry.
    version = labels_of(ours[0]).get("app.kubernetes.io/version", "")
    return f"   (the chart of version {version})" if _is_plain(version) else ""


def _manifest_again(facts: ClusterFacts) -> str:
    """Return the command that applies the manifest with the image of the Deployment; empty if it is unknown."""
    if not facts.deployment or isinstance(facts.deployment, Unread) or facts.home != DEFAULT_NAMESPACE:
        return ""
    template = mapping(mapping(facts.deployment.get("spec")).get("template"))
    container = next(items(mapping(template.get("spec")).get("containers")), {})
    image = text(container.get("image"))
    if not _is_plain(image):
        return ""
    never = "; s#imagePullPolicy: .*#imagePullPolicy: Never#" if container.get("imagePullPolicy") == "Never" else ""
    note = "" if facts.policy == Policy() else OWN_POLICY
    return f"sed 's#image: .*#image: {image}#{never}' deploy/install.yaml | kubectl apply -f -{note}"


def _is_plain(word: str) -> bool:
    return PLAIN.fullmatch(word) is not None
