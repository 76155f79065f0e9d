"""Every object of a cluster, and the rollout of the webhook."""

from e2e.helm import NAMESPACE
from e2e.kubectl import Kubectl

# What clusters make by themselves, all the time.
PASSING = {"events", "events.events.k8s.io", "leases.coordination.k8s.io", "endpoints", "pods", "componentstatuses"}


def every_object(kubectl: Kubectl) -> set[str]:
    """Return every object of every kind that can be listed, as kind/namespace/name."""
    kinds = kubectl.run("api-resources", "--verbs=list", "-o", "name").stdout.split()
    wanted = ",".join(kind for kind in kinds if kind not in PASSING)
    columns = "K:.kind,S:.metadata.namespace,N:.metadata.name"
    listed = kubectl.run("get", wanted, "--all-namespaces", "--no-headers", "-o", f"custom-columns={columns}").stdout
    return {"/".join(line.split()) for line in listed.splitlines()}


def rolled_out(kubectl: Kubectl) -> None:
    """Wait until every replica of the webhook is the newest and ready."""
    kubectl.run("rollout", "status", f"--namespace={NAMESPACE}", "deployment/gpu-injector", "--timeout=55s")
