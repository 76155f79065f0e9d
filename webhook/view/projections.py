"""API objects projected to what the view keeps of them; everything else is dropped at this edge."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from webhook.kube.metadata import full_name, labels_of, metadata, name_of
from webhook.kube.values import items, mapping, text, text_map
from webhook.names import DEFAULT_NAMESPACE, REGISTRATION_NAME
from webhook.nvidia.known_plugins import KNOWN_PLUGINS, KnownPlugin
from webhook.policy.model import Policy
from webhook.view import admission_controls as controls
from webhook.view.dynamic_resources import project_device_class, project_resource_slice
from webhook.view.gpu_operator import project_cluster_policy, project_gpu_cluster
from webhook.view.node_facts_pods import is_facts_object, project_facts_daemon_set, project_facts_pod
from webhook.view.node_projection import project_node
from webhook.view.plugin_projections import PluginProjection
from webhook.view.recorded_events import with_events
from webhook.view.recorded_time import latest, recorded_times
from webhook.view.toleration_limits import has_usual_size, project_namespace
from webhook.view.view import ClusterView, RuntimeClass

ApiObject = Mapping[str, Any]
DEFAULT_POLICY = Policy()

# k3s and RKE2 mark what they create for every cluster.
DISTRIBUTION_PREFIX = "objectset.rio.cattle.io/"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind that the view keeps: the view's field, the API path of its list, and how an object is projected.

    ``keeps`` says which objects are of interest; ``key`` names an object in the view. ``older_versions`` are the
    versions of the API in which the same list may be served instead, the newest first.
    """

    field: str
    path: str
    project: Callable[[ApiObject], Any]
    key: Callable[[ApiObject], str] = name_of
    keeps: Callable[[ApiObject], bool] = lambda _: True
    older_versions: tuple[str, ...] = ()


def view_of(
    objects: Iterable[ApiObject],
    known: tuple[KnownPlugin, ...] = KNOWN_PLUGINS,
    is_gpu_resource: Callable[[str], bool] = DEFAULT_POLICY.is_gpu_resource,
) -> ClusterView:
    """Return the view that API objects give, as ``kubectl get -o yaml`` prints them; other kinds are ignored.

    A kind of which there is neither an object nor a list (``RuntimeClassList``, as ``kubectl get --raw`` prints it) is
    unknown. So are API groups where neither CustomResourceDefinitions nor an APIGroupList show them. Plugin pods are
    observed as of the newest time that the objects record. Events explain why they failed, and show why workloads did.
    """
    found: dict[str, dict[str, Any]] = {}
    groups: set[str] = set()
    home = DEFAULT_NAMESPACE
    events: list[ApiObject] = []
    now: datetime | None = None
    of = kinds(known)
    for item in objects:
        groups |= _groups(item)
        name = str(item.get("kind"))
        if name == "Event":
            events.append(item)
        kind = of.get((group_of(item), name.removesuffix("List")))
        if kind:
            now = latest(now, *recorded_times(item))
            of_kind = found.setdefault(kind.field, {})
            if not name.endswith("List") and kind.keeps(item):
                of_kind[kind.key(item)] = kind.project(item)
        home = _home(item) or home
        of_facts = _FACTS_KINDS.get((group_of(item), name))
        if of_facts and of_facts.keeps(item):
            found.setdefault(of_facts.field, {})[of_facts.key(item)] = of_facts.project(item)
    for kind in _FACTS_KINDS.values():
        # Anyone may have a DaemonSet with this label in another namespace, and have it report anything.
        reports = found.pop(kind.field, {})
        found[kind.field] = {key: one for key, one in reports.items() if key.startswith(f"{home}/")}
    values: dict[str, Any] = {field: MappingProxyType(kept) for field, kept in found.items()}
    view = ClusterView(**values, api_groups=frozenset(groups) if groups else None)
    return with_events(view, events, now, is_gpu_resource)


def _home(item: ApiObject) -> str:
    """Return the namespace of the webhook if an object is its registration, which only administrators can write."""
    if item.get("kind") != "MutatingWebhookConfiguration" or name_of(item) != REGISTRATION_NAME:
        return ""
    services = (mapping(mapping(entry.get("clientConfig")).get("service")) for entry in items(item.get("webhooks")))
    return next((text(service["namespace"]) for service in services if service.get("namespace")), "")


def _groups(item: ApiObject) -> set[str]:
    """Return the API groups that an object tells about: those of all CustomResourceDefinitions, or of all APIs."""
    if item.get("kind") == "APIGroupList":
        return {text(group.get("name")) for group in items(item.get("groups"))}
    if item.get("kind") == "CustomResourceDefinitionList":
        return {group_of(item)}
    if item.get("kind") == "CustomResourceDefinition":
        return {group_of(item), text(mapping(item.get("spec")).get("group"))}
    return set()


def project_runtime_class(item: ApiObject) -> RuntimeClass:
    """Keep a RuntimeClass's handler, scheduling and overhead, and whether a distribution made it."""
    scheduling = mapping(item.get("scheduling"))
    marks = (*mapping(metadata(item).get("annotations")), *labels_of(item))
    return RuntimeClass(
        name=name_of(item),
        handler=text(item.get("handler")),
        node_selector=text_map(scheduling.get("nodeSelector")),
        tolerations=tuple(items(scheduling.get("tolerations"))),
        of_distribution=any(mark.startswith(DISTRIBUTION_PREFIX) for mark in marks),
        overhead=text_map(mapping(item.get("overhead")).get("podFixed")),
    )


def group_of(item: ApiObject) -> str:
    """Return the API group of an object, empty for the core group."""
    group, slash, _ = str(item.get("apiVersion")).partition("/")
    return group if slash else ""


ADMISSION = "admissionregistration.k8s.io"
_CLUSTER_KINDS = MappingProxyType(
    {
        ("node.k8s.io", "RuntimeClass"): Kind(
            "runtime_classes", "/apis/node.k8s.io/v1/runtimeclasses", project_runtime_class
        ),
        ("", "Namespace"): Kind("namespaces", "/api/v1/namespaces", project_namespace, keeps=has_usual_size),
        ("", "Node"): Kind("nodes", "/api/v1/nodes", project_node),
        ("nvidia.com", "ClusterPolicy"): Kind(
            "cluster_policies", "/apis/nvidia.com/v1/clusterpolicies", project_cluster_policy
        ),
        ("nvidia.com", "GPUCluster"): Kind(
            "gpu_clusters",
            "/apis/nvidia.com/v1/gpuclusters",
            project_gpu_cluster,
            older_versions=("v1beta1", "v1alpha1"),
        ),
        ("resource.k8s.io", "DeviceClass"): Kind(
            "device_classes",
            "/apis/resource.k8s.io/v1/deviceclasses",
            project_device_class,
            older_versions=("v1beta2", "v1beta1"),
        ),
        ("resource.k8s.io", "ResourceSlice"): Kind(
            "resource_slices",
            "/apis/resource.k8s.io/v1/resourceslices",
            project_resource_slice,
            older_versions=("v1beta2", "v1beta1"),
        ),
        (ADMISSION, "ValidatingAdmissionPolicy"): Kind(
            "admission_policies",
            f"/apis/{ADMISSION}/v1/validatingadmissionpolicies",
            controls.project_policy,
            keeps=controls.judges_pods,
            older_versions=("v1beta1",),
        ),
        (ADMISSION, "ValidatingAdmissionPolicyBinding"): Kind(
            "policy_bindings",
            f"/apis/{ADMISSION}/v1/validatingadmissionpolicybindings",
            controls.project_binding,
            keeps=controls.denies_pods,
            older_versions=("v1beta1",),
        ),
        (ADMISSION, "ValidatingWebhookConfiguration"): Kind(
            "engine_webhooks",
            f"/apis/{ADMISSION}/v1/validatingwebhookconfigurations",
            controls.project_engine_webhook,
            # The items of a list carry no kind.
            key=lambda item: f"validating/{name_of(item)}",
            keeps=controls.is_of_engine,
        ),
        (ADMISSION, "MutatingWebhookConfiguration"): Kind(
            "engine_webhooks",
            f"/apis/{ADMISSION}/v1/mutatingwebhookconfigurations",
            controls.project_engine_webhook,
            key=lambda item: f"mutating/{name_of(item)}",
            keeps=controls.is_of_engine,
        ),
    }
)


FACTS_POD = Kind("facts_pods", "/api/v1/pods", project_facts_pod, full_name, is_facts_object)
FACTS_DAEMON_SET = Kind(
    "facts_daemon_sets", "/apis/apps/v1/daemonsets", project_facts_daemon_set, full_name, is_facts_object
)
# In files these objects differ from the plugins' by their labels.
_FACTS_KINDS = MappingProxyType({("", "Pod"): FACTS_POD, ("apps", "DaemonSet"): FACTS_DAEMON_SET})


def kinds(known: tuple[KnownPlugin, ...] = KNOWN_PLUGINS) -> Mapping[tuple[str, str], Kind]:
    """Return the kinds that the view keeps, by API group and kind."""
    plugins = PluginProjection(known)
    return MappingProxyType(
        {
            **_CLUSTER_KINDS,
            ("", "Pod"): Kind("plugin_pods", "/api/v1/pods", plugins.pod, full_name, plugins.keeps),
            ("apps", "DaemonSet"): Kind(
                "daemon_sets", "/apis/apps/v1/daemonsets", plugins.daemon_set, full_name, plugins.keeps
            ),
        }
    )


KINDS = kinds()
