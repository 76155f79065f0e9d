"""The lists that the live view watches, and how many objects of each are read at a time."""

from collections.abc import Iterable, Iterator

from webhook.kube_client.resource import Resource
from webhook.nvidia.known_plugins import KNOWN_PLUGINS, KnownPlugin
from webhook.view.node_facts_pods import LABEL as FACTS_LABEL
from webhook.view.node_facts_pods import NAME as FACTS_NAME
from webhook.view.projections import ADMISSION, FACTS_DAEMON_SET, FACTS_POD, KINDS, kinds

GROUPS_PATH = "/apis"
# Measured with Nodes of 13 KB: a page of 25 keeps the loop busy for 4 ms, and its memory is small beside the view's.
NODES_PAGE_SIZE = 25
# Of plugins' pods, which with their managed fields are about as large, and of the smaller pods of node facts: a page of
# 50 of these kept the loop busy for up to 92 ms under load.
PODS_PAGE_SIZE = 25
# A ResourceSlice describes up to 128 devices, a configuration of Kyverno's or Kubewarden's has many webhooks.
LARGE_OBJECTS_PAGE_SIZE = 25
RESOURCES = (
    Resource(KINDS["node.k8s.io", "RuntimeClass"]),
    Resource(KINDS["", "Namespace"]),
    Resource(KINDS["", "Node"], page_size=NODES_PAGE_SIZE),
    *(Resource(KINDS[kind], optional=True) for kind in (("nvidia.com", "ClusterPolicy"), ("nvidia.com", "GPUCluster"))),
    Resource(KINDS["resource.k8s.io", "DeviceClass"], optional=True),
    Resource(KINDS["resource.k8s.io", "ResourceSlice"], optional=True, page_size=LARGE_OBJECTS_PAGE_SIZE),
    *(
        Resource(KINDS[ADMISSION, kind], optional=True, page_size=LARGE_OBJECTS_PAGE_SIZE)
        for kind in (
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding",
            "ValidatingWebhookConfiguration",
            "MutatingWebhookConfiguration",
        )
    ),
)


def facts_resources(namespace: str) -> Iterator[Resource]:
    """Yield the lists for node facts: the DaemonSet in the namespace of the webhook, and its pods.

    Without the right to read them, decisions are as without node facts.
    """
    by_name = {"fieldSelector": f"metadata.name={FACTS_NAME}"}
    yield Resource(FACTS_DAEMON_SET, may_be_refused=True, namespace=namespace, selectors=by_name)
    by_label = {"labelSelector": f"{FACTS_LABEL}={FACTS_NAME}"}
    yield Resource(FACTS_POD, may_be_refused=True, page_size=PODS_PAGE_SIZE, namespace=namespace, selectors=by_label)


def resources(
    namespaces: Iterable[str], known: tuple[KnownPlugin, ...] = KNOWN_PLUGINS, facts_namespace: str = ""
) -> Iterator[Resource]:
    """Yield the lists that the webhook watches; plugins in the namespaces in which they are trusted.

    One selector cannot say "any of these keys", so there is a list for each. ``facts_namespace`` is empty where node
    facts are off.
    """
    yield from RESOURCES
    if facts_namespace:
        yield from facts_resources(facts_namespace)
    of = kinds(known)
    values: dict[str, set[str]] = {}
    for plugin in known:
        values.setdefault(plugin.label, set()).add(plugin.value)
    selectors = [f"{key} in ({','.join(sorted(of_key))})" for key, of_key in sorted(values.items())]
    for namespace in namespaces:
        yield Resource(of["apps", "DaemonSet"], namespace=namespace)
        for selector in selectors:
            yield Resource(
                of["", "Pod"],
                page_size=PODS_PAGE_SIZE,
                namespace=namespace,
                selectors={"labelSelector": selector},
            )
