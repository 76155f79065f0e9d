"""The DaemonSet of node facts as the chart renders it: off by default, small, and without rights or traffic."""

from typing import Any

import pytest
from support.chart import CHART

from e2e.helm import Helm, Values
from webhook.view.node_facts_pods import FOLLOW, LABEL, NAME, REPORT

ON: Values = {"nodeFacts": {"enabled": True, "nodeSelector": {"gpu": "true"}}}
READS = {("", "pods", ""), ("apps", "daemonsets", NAME)}


@pytest.fixture(scope="module")
def objects(helm: Helm) -> dict[str, dict[str, Any]]:
    """Return the objects with the name of node facts, by their kind."""
    found = helm.objects(ON)
    return {str(one["kind"]): dict(one) for one in found if one["metadata"]["name"] == NAME}


@pytest.fixture(scope="module")
def spec(objects: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the spec of the pods."""
    found: dict[str, Any] = objects["DaemonSet"]["spec"]["template"]["spec"]
    return found


def containers(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all containers."""
    return [*spec["initContainers"], *spec["containers"]]


def test_they_are_off_by_default(helm: Helm) -> None:
    """No object, no right, and the webhook does not ask for reports; the ConfigMap tells users so."""
    found = helm.objects({})
    assert [one for one in found if one["metadata"]["name"] == NAME] == []
    assert "--node-facts" not in str(found)
    (settings,) = [one["data"]["nodeFacts"] for one in found if "policy.yaml" in one.get("data", {})]
    assert settings == "disabled"


def test_with_them_the_webhook_and_its_users_know(helm: Helm) -> None:
    """The replicas read the reports, and the ConfigMap says that there are some."""
    found = helm.objects(ON)
    (deployment,) = [one for one in found if one["kind"] == "Deployment"]
    assert "--node-facts" in deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    (settings,) = [one["data"]["nodeFacts"] for one in found if "policy.yaml" in one.get("data", {})]
    assert settings == "enabled"


def test_the_image_is_the_webhooks_own(helm: Helm, spec: dict[str, Any]) -> None:
    """Nothing else is pulled."""
    (deployment,) = [one for one in helm.objects(ON) if one["kind"] == "Deployment"]
    own = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    assert {one["image"] for one in containers(spec)} == {own}


def test_the_pods_have_no_rights(spec: dict[str, Any]) -> None:
    """No token, no host, no privilege; as PodSecurity ``restricted`` wants it."""
    assert spec["automountServiceAccountToken"] is False
    assert "serviceAccountName" not in spec
    assert not {"hostNetwork", "hostPID", "hostIPC", "runtimeClassName"} & spec.keys()
    assert [set(volume) for volume in spec["volumes"]] == [{"name", "emptyDir"}]
    assert (spec["securityContext"]["runAsNonRoot"], spec["securityContext"]["seccompProfile"]["type"]) == (
        True,
        "RuntimeDefault",
    )
    for one in containers(spec):
        security = one["securityContext"]
        assert security["allowPrivilegeEscalation"] is False
        assert (security["capabilities"], security.get("privileged", False)) == ({"drop": ["ALL"]}, False)


def test_the_pods_are_small(spec: dict[str, Any]) -> None:
    """10m of a processor, at most 64 MiB, and no GPU: it would take one from a workload."""
    for one in containers(spec):
        assert one["resources"]["requests"]["cpu"] == "10m"
        assert one["resources"]["limits"]["memory"] == "64Mi"
        assert not any("nvidia" in name for part in one["resources"].values() for name in part)


def test_only_the_init_container_asks_for_gpus(spec: dict[str, Any]) -> None:
    """It shows what the default runtime adds; the container that stays hides them from itself."""
    visible = {
        one["name"]: {item["name"]: item["value"] for item in one["env"]}["NVIDIA_VISIBLE_DEVICES"]
        for one in containers(spec)
    }
    assert visible == {REPORT: "all", FOLLOW: "void"}


def test_the_pods_run_where_gpus_are(objects: dict[str, dict[str, Any]], spec: dict[str, Any]) -> None:
    """On Linux nodes that the values select, also with a GPU's taint; all are replaced at once."""
    assert spec["nodeSelector"] == {"kubernetes.io/os": "linux", "gpu": "true"}
    assert {"key": "nvidia.com/gpu", "operator": "Exists"} in spec["tolerations"]
    strategy = objects["DaemonSet"]["spec"]["updateStrategy"]
    assert strategy["rollingUpdate"] == {"maxUnavailable": "100%"}


def test_no_traffic_is_allowed(objects: dict[str, dict[str, Any]]) -> None:
    """The NetworkPolicy selects these pods, names both directions, and allows nothing."""
    assert objects["NetworkPolicy"]["spec"] == {
        "podSelector": {"matchLabels": {LABEL: NAME}},
        "policyTypes": ["Ingress", "Egress"],
    }


def test_the_webhook_may_only_read_them(objects: dict[str, dict[str, Any]]) -> None:
    """In its own namespace, with ``list`` and ``watch``; of DaemonSets the one that owns the pods."""
    rules = objects["Role"]["rules"]
    assert {verb for rule in rules for verb in rule["verbs"]} == {"list", "watch"}
    assert {
        (group, resource, name)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", [""])
    } == READS
    assert {one["kind"] for one in objects.values()} == {"DaemonSet", "NetworkPolicy", "Role", "RoleBinding"}


@pytest.mark.parametrize(
    ("values", "said"),
    [({}, "--set nodeFacts.enabled=true (docs/node-facts.md)"), (ON, "Nodes report their GPUs by themselves")],
    ids=["off", "on"],
)
def test_the_notes_say_it_in_one_line(helm: Helm, values: Values, said: str) -> None:
    """When to enable them, or that no label is needed."""
    notes = helm.run("install", "gpu-injector", CHART, "--dry-run=client", values=values)
    assert [line for line in notes.splitlines() if said in line] != []
