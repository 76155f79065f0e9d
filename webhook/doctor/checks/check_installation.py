"""Our own installation: whether the webhook runs, is reached, and answers."""

import re
from collections.abc import Iterator

from webhook.doctor.check import Category, Check, Result, fails_on, passes, warns_on
from webhook.doctor.checks.check_pod_starts import IMAGE
from webhook.doctor.cluster_facts import ClusterFacts
from webhook.doctor.fact import ApiObject, CannotTellError, Unread, known
from webhook.doctor.install_fixes import install_again
from webhook.kube.containers import waiting_state
from webhook.kube.metadata import labels_of, name_of, namespace_of
from webhook.kube.values import elements, items, mapping, text
from webhook.names import INJECT_KEY
from webhook.status_words import problems_in_log

MINOR_WITH_CONDITIONS = 30
# Some providers write "33+".
NUMBER = re.compile(r"[0-9]{1,4}")


def server_version(facts: ClusterFacts) -> Result:
    """Older API servers ignore matchConditions and would call us for every pod."""
    found = known(facts.server)
    numbers = [NUMBER.match(text(found.get(key))) for key in ("major", "minor")]
    if None in numbers:
        raise CannotTellError("the version could not be read: the answer has no major and minor number")
    major, minor = (int(number[0]) for number in numbers if number)
    old = (major, minor) < (1, MINOR_WITH_CONDITIONS)
    version = text(found.get("gitVersion")) or f"{major}.{minor}"
    troubles = (
        [f"the API server is {version}; it calls the webhook for every pod of labelled namespaces"] if old else []
    )
    return fails_on(troubles, "upgrade Kubernetes to 1.30 or newer", otherwise=version)


def webhook_pods(facts: ClusterFacts) -> Result:
    """The Deployment has all its replicas ready."""
    deployment = known(facts.deployment)
    if deployment is None:
        return fails_on([f"there is no Deployment gpu-injector in {facts.home}"], install_again(facts))
    # The API server sets the default of `replicas`, and leaves `readyReplicas` out where none is ready.
    wanted = _count(mapping(deployment.get("spec")).get("replicas", 1))
    ready = _count(mapping(deployment.get("status")).get("readyReplicas", 0))
    if not wanted:
        scale = f"kubectl -n {facts.home} scale deployment/gpu-injector --replicas=2"
        return fails_on(["the Deployment is scaled to 0: no replica answers"], scale)
    if ready >= wanted:
        return passes(f"{ready} of {wanted} ready")
    waiting = list(_waiting(facts))
    troubles = [f"{ready} of {wanted} replicas are ready", *waiting]
    look = f"kubectl -n {facts.home} describe pods -l app.kubernetes.io/name=gpu-injector"
    if any(reason in line for line in waiting for reason in IMAGE):
        look += "   (how the image reaches the nodes: docs/image.md)"
    return fails_on(troubles, look) if not ready else warns_on(troubles, look)


def _count(value: object) -> int:
    if not isinstance(value, int):
        raise CannotTellError("the Deployment could not be read: a number of replicas is no number")
    return value


def _waiting(facts: ClusterFacts) -> Iterator[str]:
    if isinstance(facts.own_pods, Unread):
        return
    for pod in facts.own_pods:
        for status in items(mapping(pod.get("status")).get("containerStatuses")):
            if waiting := waiting_state(status):
                yield f"{name_of(pod)}: {text(waiting.get('reason'))} {text(waiting.get('message'))}".rstrip()


def endpoints(facts: ClusterFacts) -> Result:
    """The Service has a ready address."""
    ready = endpoints_of(facts)
    troubles = [] if ready else [f"Service {facts.home}/gpu-injector has no endpoint that is ready"]
    look = f"kubectl -n {facts.home} get pods,endpointslices"
    return fails_on(troubles, look, otherwise=f"{len(ready)} ready")


def endpoints_of(facts: ClusterFacts) -> list[str]:
    """Return the ready addresses of our Service. Raises CannotTellError."""
    return [
        text(address)
        for part in known(facts.endpoint_slices)
        for endpoint in items(part.get("endpoints"))
        if mapping(endpoint.get("conditions")).get("ready") is not False
        for address in elements(endpoint.get("addresses"))
    ]


def webhook_answers(facts: ClusterFacts) -> Result:
    """A GPU pod, sent as a server-side dry-run, comes back with our annotation."""
    tried = known(facts.dry_run)
    if tried is None:
        raise CannotTellError("no namespace is opted in, so that no pod would show it")
    if tried.word:
        return passes(f"a GPU pod in {tried.namespace}: {tried.word}")
    said = tried.refusal or "it came back without the annotation: the webhook was not called, or failed"
    troubles = [f"a GPU pod in {tried.namespace}, as a server-side dry-run: {said}"]
    look = f"kubectl -n {facts.home} logs -l app.kubernetes.io/name=gpu-injector --tail=50"
    return fails_on(troubles, look)


def opted_in(facts: ClusterFacts) -> Result:
    """At least one namespace is labelled."""
    chosen = sorted(name_of(item) for item in known(facts.namespaces) if _setting(item) in ("enabled", "dry-run"))
    troubles = [] if chosen or facts.policy.opt_out else [f"no namespace is labelled {INJECT_KEY}"]
    summary = ", ".join(chosen[:5]) + (f" and {len(chosen) - 5} more" if len(chosen) > 5 else "")  # noqa: PLR2004  a line
    # The first namespace with GPU pods; without any, the user has to choose one.
    pods = () if isinstance(facts.gpu_pods, Unread) else facts.gpu_pods
    first = min(map(namespace_of, pods), default="NAME")
    return warns_on(troubles, f"kubectl label namespace {first} {INJECT_KEY}=dry-run", otherwise=summary)


def label_values(facts: ClusterFacts) -> Result:
    """No label has an unknown value: it is treated as no label, which surprises users."""
    found = [
        (name_of(item), setting)
        for item in known(facts.namespaces)
        if (setting := _setting(item)) not in ("", "enabled", "dry-run", "disabled")
    ]
    troubles = [f"namespace {name}: {INJECT_KEY}={setting}" for name, setting in found]
    first = found[0][0] if found else ""
    return warns_on(troubles, f"kubectl label namespace {first} {INJECT_KEY}=enabled --overwrite")


def webhook_log(facts: ClusterFacts) -> Result:
    """The last lines of the webhook's log contain no problem."""
    # A container that has not started has an empty log.
    logs = {pod: said for pod, log in known(facts.own_logs).items() if (said := known(log))}
    if not logs:
        raise CannotTellError("there is no webhook pod whose log could be read")
    troubles = [f"{pod}: {event}" for pod, log in sorted(logs.items()) for event in problems_in_log(log)]
    look = f"kubectl -n {facts.home} logs -l app.kubernetes.io/name=gpu-injector --tail=50"
    return warns_on(troubles, look, otherwise=f"{len(logs)} read")


def _setting(namespace: ApiObject) -> str:
    return labels_of(namespace).get(INJECT_KEY, "")


CATEGORY = Category(
    "the webhook",
    (
        Check("server-version", "the API server is 1.30 or newer", server_version),
        Check("webhook-pods", "all replicas of the webhook are ready", webhook_pods),
        Check("webhook-endpoints", "its Service has ready endpoints", endpoints),
        Check("webhook-answers", "a GPU pod that is only tried comes back annotated", webhook_answers),
        Check("webhook-log", "its log tells of no trouble", webhook_log),
        Check("namespaces-opted-in", "some namespace is opted in", opted_in),
        Check("namespace-labels", "the namespaces' labels have values that are known", label_values),
    ),
)
