"""Rule one over generated clusters: a pod that is admitted without us is admitted with us, and still finds a node."""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import yaml
from support.admission_model import has_node

from e2e.control_plane import ControlPlane
from e2e.direct_api import DirectApi
from e2e.generated_clusters import CLUSTER_LABEL, GeneratedCluster, generated_clusters, probe
from e2e.installation import Webhook, running_webhook
from e2e.kubectl import Kubectl, as_list
from e2e.pods import decision_of
from e2e.processes import until
from webhook.decide.decision import RequestInfo
from webhook.decide.workload.decide import decide
from webhook.policy.load import parse_policy
from webhook.view.projections import view_of

CLUSTERS, PODS = 16, 20
# The mounts of the fallback, too: those are what PodSecurity judges.
POLICY = "fallback: on\nlibraries: [libcuda.so.1, libnvidia-ml.so.1, libnvidia-ptxjitcompiler.so.1]\n"
NVIDIA = {
    "apiVersion": "node.k8s.io/v1",
    "kind": "RuntimeClass",
    "metadata": {"name": "nvidia"},
    "handler": "nvidia",
}
SAMPLE = generated_clusters(CLUSTERS, PODS)
Answer = tuple[int, dict[str, Any]]


@pytest.fixture(scope="module")
def webhook(plane: ControlPlane, webhook_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webhook]:
    """Run the webhook with the fallback on."""
    file = tmp_path_factory.mktemp("policy-") / "policy.yaml"
    file.write_text(POLICY)
    with running_webhook(plane, webhook_port, "--policy", str(file)) as running:
        yield running


@pytest.fixture(scope="module")
def api(plane: ControlPlane, webhook: Webhook) -> Iterator[DirectApi]:
    """Have the namespaces of all clusters, with what judges their pods, in effect."""
    assert webhook.port
    rules = [rule for cluster in SAMPLE for rule in cluster.rules()]
    plane.kubectl.apply([rule for rule in rules if rule["kind"] == "Namespace"])
    plane.kubectl.apply([rule for rule in rules if rule["kind"] != "Namespace"])
    with DirectApi(plane.kubectl.kubeconfig) as ready:
        until(partial(accounts_exist, ready), "the namespaces have their ServiceAccounts")
        until(partial(quotas_count, plane.kubectl, rules), "the quotas are computed")
        until(partial(policies_judge, ready), "the policies judge pods")
        yield ready
    for kind in ("ValidatingAdmissionPolicyBinding", "ValidatingAdmissionPolicy", "Namespace"):
        doomed = [rule for rule in rules if rule["kind"] == kind]
        if doomed:
            plane.kubectl.run("delete", "--wait=false", "-f", "-", stdin=as_list(doomed))


def accounts_exist(api: DirectApi) -> bool:
    """Say whether pods can be created in each namespace."""
    found: set[str] = {item["metadata"]["namespace"] for item in api.get("/api/v1/serviceaccounts")["items"]}
    wanted = {name for cluster in SAMPLE for name in (cluster.with_us, cluster.without_us)}
    return wanted <= found


def quotas_count(kubectl: Kubectl, rules: list[dict[str, Any]]) -> bool:
    """Say whether the API server enforces every quota."""
    found: list[dict[str, Any]] = kubectl.get("resourcequotas", "--all-namespaces")["items"]
    counted = [item for item in found if item.get("status", {}).get("hard")]
    return len(counted) >= len([rule for rule in rules if rule["kind"] == "ResourceQuota"])


def policies_judge(api: DirectApi) -> bool:
    """Say whether each policy refuses a pod that has its field and nothing else that is refused."""
    for cluster in SAMPLE:
        for name, field in cluster.judging():
            status, answer = created(api, probe(field), cluster.without_us)
            if status == 201 or name not in str(answer["message"]):
                return False
    return True


def created(api: DirectApi, pod: dict[str, Any], namespace: str) -> Answer:
    """Return the API server's answer to a pod that is not stored."""
    return api.call("POST", f"/api/v1/namespaces/{namespace}/pods?dryRun=All", pod)


@pytest.mark.parametrize("number", range(CLUSTERS))
def test_what_is_admitted_without_us_is_admitted_with_us(
    number: int, plane: ControlPlane, api: DirectApi, verdicts: Counter[str]
) -> None:
    """Quota, overhead, PodSecurity, policies and taints judge the patched pod; each pod says what was decided."""
    cluster = SAMPLE[number]
    put(plane.kubectl, cluster)
    wanted = expected(api, cluster)
    answers: list[Answer] = []

    def is_current() -> bool:
        answers[:] = [created(api, pod, cluster.with_us) for pod in cluster.pods]
        return [decision_of(answer) for status, answer in answers if status == 201] == [
            word for word, (status, _) in zip(wanted, answers, strict=True) if status == 201
        ]

    until(is_current, f"the webhook knows cluster {number}:\n{shown(cluster)}")
    for pod, (status, answer), word in zip(cluster.pods, answers, wanted, strict=True):
        alone, bare = created(api, pod, cluster.without_us)
        if alone == 201:
            assert status == 201, f"{word}: {answer['message']}\n{yaml.safe_dump(pod)}\n{shown(cluster)}"
            view = cluster.around.view
            assert has_node(answer, view) or not has_node(bare, view), shown(cluster)
            verdicts[word] += 1


@pytest.fixture(scope="module")
def verdicts() -> Counter[str]:
    """Return how often each decision was met."""
    return Counter()


def test_every_kind_of_decision_was_met(verdicts: Counter[str]) -> None:
    """Pods that get the class and pods that get mounts were admitted, and some were left alone for each guard."""
    assert verdicts["inject/runtime-class"] > 0
    assert sum(count for word, count in verdicts.items() if word.startswith("mount/")) > 0
    assert {"leave/admission-policy", "leave/class-overhead"} <= verdicts.keys()
    assert verdicts.total() > CLUSTERS * PODS // 4


def put(kubectl: Kubectl, cluster: GeneratedCluster) -> None:
    """Bring class and nodes into the state of a cluster."""
    kubectl.run("delete", "nodes", "--selector", CLUSTER_LABEL, "--ignore-not-found")
    kubectl.run("delete", "runtimeclass", "nvidia", "--ignore-not-found")
    objects = [*cluster.nodes(), *([cluster.runtime_class] if cluster.runtime_class else [])]
    if objects:
        kubectl.run("create", "-f", "-", stdin=as_list(objects))


@pytest.fixture(scope="module", autouse=True)
def class_as_before(plane: ControlPlane, api: DirectApi) -> Iterator[None]:
    """Leave class and nodes as other tests expect them."""
    assert api.get("/api/v1/nodes")
    yield
    plane.kubectl.run("delete", "nodes", "--selector", CLUSTER_LABEL, "--ignore-not-found")
    plane.kubectl.run("delete", "runtimeclass", "nvidia", "--ignore-not-found")
    plane.kubectl.apply([NVIDIA])


def expected(api: DirectApi, cluster: GeneratedCluster) -> list[str]:
    """Return what is decided about each pod as the API server stores it, by a view of the same objects."""
    policy = parse_policy(POLICY, "policy")
    groups = {"kind": "APIGroupList", "groups": api.get("/apis")["groups"]}
    lists = [{"apiVersion": version, "kind": f"{kind}List"} for version, kind in EMPTY]
    head = {"apiVersion": "v1", "kind": "Node"}
    nodes = [{**head, **item} for item in api.get("/api/v1/nodes")["items"]]
    classes = [cluster.runtime_class] if cluster.runtime_class else []
    view = view_of([groups, *lists, *cluster.rules(), *nodes, *classes])
    words = []
    for pod in cluster.pods:
        decision = decide(pod, RequestInfo(cluster.with_us), policy, view)
        words.append(decision.word)
    return words


ADMISSION = "admissionregistration.k8s.io/v1"
EMPTY = (
    ("v1", "Node"),
    ("v1", "Pod"),
    ("apps/v1", "DaemonSet"),
    ("node.k8s.io/v1", "RuntimeClass"),
    (ADMISSION, "ValidatingAdmissionPolicy"),
    (ADMISSION, "ValidatingAdmissionPolicyBinding"),
    (ADMISSION, "ValidatingWebhookConfiguration"),
)


def shown(cluster: GeneratedCluster) -> str:
    """Return a cluster for people, to create it again."""
    objects = [*cluster.rules(), *cluster.nodes(), *([cluster.runtime_class] if cluster.runtime_class else [])]
    return yaml.safe_dump_all(objects, sort_keys=False)
