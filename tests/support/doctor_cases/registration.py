"""Clusters spoilt for the checks of registrations, certificate and other webhooks."""

from certs.rotation import Schedule
from certs.rotation_steps import create
from support.doctor_cases.changes import webhook
from support.doctor_cases.table import spoils
from support.doctor_world import NAMES, NOW, Cluster
from webhook.doctor.check import State
from webhook.names import INJECT_KEY
from webhook.policy.model import Policy


@spoils("registered", "bootstrap.gpu-injector.io is not registered")
def entry_missing(cluster: Cluster) -> None:
    """An older version had fewer entries."""
    registration = cluster.of("MutatingWebhookConfiguration", "gpu-injector")
    registration["webhooks"] = [item for item in registration["webhooks"] if not item["name"].startswith("bootstrap")]


@spoils("registration-drift", "failurePolicy is Fail")
def fails_closed(cluster: Cluster) -> None:
    """An administrator made it strict."""
    cluster.entry("workloads")["failurePolicy"] = "Fail"


@spoils("registration-drift", "timeoutSeconds is 30")
def slow(cluster: Cluster) -> None:
    """Creating pods may take half a minute."""
    cluster.entry("bootstrap")["timeoutSeconds"] = 30


@spoils("registration-drift", "its matchConditions are not those of this version and policy")
def other_resources(cluster: Cluster) -> None:
    """The policy was changed and the registration was not."""
    cluster.policy = Policy(resources=("amd.example/gpu",))


@spoils("registration-drift", "templates.gpu-injector.io: its matchConditions are not those of this version")
def other_templates(cluster: Cluster) -> None:
    """Without the condition, the webhook is called for what controllers keep."""
    entry = cluster.of("ValidatingWebhookConfiguration", "gpu-injector")["webhooks"][0]
    entry["matchConditions"] = [item for item in entry["matchConditions"] if item["name"] != "no-controller"]


@spoils("registration-drift", f"its namespaceSelector lacks {INJECT_KEY} In dry-run, enabled")
def called_for_all(cluster: Cluster) -> None:
    """Every namespace's pods are sent."""
    cluster.entry("workloads")["namespaceSelector"] = {}


@spoils(
    "registration-drift", "bootstrap.gpu-injector.io: its namespaceSelector also has control-plane DoesNotExist (AKS's"
)
def aks_selector(cluster: Cluster) -> None:
    """AKS excludes kube-system from every webhook."""
    for name in ("workloads", "bootstrap", "ephemeral", "heartbeat"):
        added = {"key": "control-plane", "operator": "DoesNotExist"}
        cluster.entry(name)["namespaceSelector"]["matchExpressions"].append(added)


@spoils("registration-drift", "(GKE Autopilot adds this")
def autopilot_selector(cluster: Cluster) -> None:
    """GKE Autopilot excludes the namespaces that Google manages."""
    values = ["kube-system", "gke-gmp-system", "gke-managed-cim"]
    for name in ("workloads", "bootstrap", "ephemeral", "heartbeat"):
        added = {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": values}
        cluster.entry(name)["namespaceSelector"]["matchExpressions"].append(added)


FOREIGN = {"name": "steal.example.com", "clientConfig": {"url": "https://203.0.113.1/"}, "failurePolicy": "Ignore"}
REMOVAL = (
    """kubectl patch mutatingwebhookconfiguration gpu-injector --type=json -p '[{"op": "test", """
    """"path": "/webhooks/4/name", "value": "steal.example.com"}, {"op": "remove", "path": "/webhooks/4"}]'"""
)


@spoils("foreign-entries", REMOVAL)
def stolen_token(cluster: Cluster) -> None:
    """An attacker added an entry of their own. Applying the manifest again would keep it."""
    cluster.of("MutatingWebhookConfiguration", "gpu-injector")["webhooks"].append(FOREIGN)


@spoils("foreign-entries", "ephemeral.gpu-injector.io (mutating) leads elsewhere")
def entry_turned(cluster: Cluster) -> None:
    """An entry of ours leads to another Service."""
    cluster.entry("ephemeral")["clientConfig"]["service"]["namespace"] = "elsewhere"


@spoils("ca-bundle", "workloads.gpu-injector.io: no caBundle")
def no_bundle(cluster: Cluster) -> None:
    """A re-apply took it away."""
    del cluster.entry("workloads")["clientConfig"]["caBundle"]


@spoils("ca-bundle-served", "pod webhook-a: its certificate is refused by ")
def another_served(cluster: Cluster) -> None:
    """Secret and caBundle agree, and the replicas never took it over."""
    cluster.served = create(NAMES, NOW, Schedule())


@spoils("certificate", "Secret")
def no_secret(cluster: Cluster) -> None:
    """It was deleted, and no replica restores it."""
    cluster.remove("Secret", "gpu-injector")


@spoils("other-mutators", "HAMi changes GPU pods, too (hami-webhook", State.WARN)
def hami(cluster: Cluster) -> None:
    """Another webhook of GPU people."""
    cluster.add(webhook("hami-webhook", failurePolicy="Ignore"))


@spoils("other-mutators", "KAI-Scheduler changes GPU pods, too", State.WARN)
def kai(cluster: Cluster) -> None:
    """A scheduler that once set the class."""
    cluster.add(webhook("kai-admission", failurePolicy="Ignore"))


@spoils("strict-mutators", "strict/pods.example.com has failurePolicy Fail", State.WARN)
def strict(cluster: Cluster) -> None:
    """It refuses every pod while it is away."""
    cluster.add(webhook("strict", failurePolicy="Fail"))


@spoils("other-mutators", "(hami-webhook, called after ours: a GPU that it adds", State.WARN)
def later_hami(cluster: Cluster) -> None:
    """Webhooks are called in the order of their configurations' names."""
    hami(cluster)


@spoils("later-mutators", "LimitRange ml/gpus gives each container without resources 1 nvidia.com/gpu", State.WARN)
def limit_range(cluster: Cluster) -> None:
    """Everything in the namespace gets a GPU."""
    spec = {"limits": [{"type": "Container", "default": {"nvidia.com/gpu": "1", "cpu": "1"}}]}
    metadata = {"name": "gpus", "namespace": "ml"}
    cluster.add({"apiVersion": "v1", "kind": "LimitRange", "metadata": metadata, "spec": spec})
