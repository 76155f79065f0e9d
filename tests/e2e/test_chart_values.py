"""Sets of values that administrators use: each passes `helm lint --strict`, and both API servers accept the objects."""

import json
import re
from collections.abc import Iterator

import pytest
import yaml
from support.chart import CHART, DESCRIPTION

from e2e.helm import NAMESPACE, Helm, Values, named
from e2e.kubectl import Kubectl, Manifest

PLUGINS = "nvidia-device-plugin"
SETS: dict[str, Values] = {
    "defaults": {},
    "registry": {"image": {"registry": "registry.example.com/tools", "tag": "1.2.3"}},
    "global-registry": {"global": {"imageRegistry": "mirror.example.com"}, "image": {"registry": "other.example.com"}},
    "loaded": {"image": {"registry": "localhost", "pullPolicy": "Never"}, "nodeFacts": {"enabled": True}},
    "digest": {"image": {"digest": "sha256:" + "0" * 64}},
    "pull-secrets": {"imagePullSecrets": [{"name": "registry"}]},
    "one-replica": {"replicas": 1},
    "no-budget": {"podDisruptionBudget": {"enabled": False}},
    "budget-minimum": {"replicas": 3, "podDisruptionBudget": {"minAvailable": 2}},
    "budget-percentage": {"replicas": 4, "podDisruptionBudget": {"maxUnavailable": "50%"}},
    "service-account": {"serviceAccount": {"name": "gpu", "annotations": {"example.com/role": "reader"}}},
    "own-service-account": {"serviceAccount": {"create": False, "name": "default"}},
    "common-labels": {"commonLabels": {"team": "platform"}},
    "webhook-annotations": {"webhookAnnotations": {"argocd.argoproj.io/sync-options": "ServerSideApply=true"}},
    "host-network": {"hostNetwork": True, "ports": {"webhook": 10443}},
    "control-plane-nodes": {
        "nodeSelector": {"node-role.kubernetes.io/control-plane": ""},
        "tolerations": [{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"}],
    },
    "network-policy": {"networkPolicy": {"enabled": True, "apiServerPorts": [6443]}},
    "runtime-class": {"runtimeClass": {"create": True, "handler": "nvidia"}},
    "fewer-rights": {"admissionControls": {"watch": False}, "resourceSlices": {"watch": False}},
    "viewers": {"viewerRole": {"create": True}},
    "node-facts": {"nodeFacts": {"enabled": True, "nodeSelector": {"gpu": "true"}}},
    "no-repair": {"policy": {"bootstrap": {"repair": "report"}}},
    "eviction": {"policy": {"bootstrap": {"repair": "evict"}}},
    "no-setbacks": {"policy": {"setbacks": {"plugins": False}}},
    "opt-out": {"policy": {"optOut": True, "hideGpus": False}},
    "other-plugins": {"policy": {"bootstrap": {"namespaces": ["kube-system", PLUGINS]}}},
    "no-plugins": {"policy": {"bootstrap": {"namespaces": []}}},
}


@pytest.fixture(scope="module")
def namespaces(kubectl: Kubectl) -> Iterator[None]:
    """Create the namespaces that objects are in."""
    wanted = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in (NAMESPACE, PLUGINS)]
    kubectl.apply(wanted)
    yield
    kubectl.run("delete", "namespace", PLUGINS)


@pytest.mark.parametrize("values", SETS.values(), ids=SETS.keys())
def test_lint_finds_no_fault(helm: Helm, values: Values) -> None:
    """Values, schema and templates fit each other."""
    helm.run("lint", "--strict", CHART, values=values)


@pytest.mark.usefixtures("namespaces")
@pytest.mark.parametrize("values", SETS.values(), ids=SETS.keys())
def test_the_api_server_accepts_the_objects(helm: Helm, kubectl: Kubectl, values: Values) -> None:
    """A server-side dry-run of everything that is rendered."""
    for rendered in helm.objects(values):
        kubectl.store_in_dry_run(rendered)


def test_the_registry_comes_first(helm: Helm) -> None:
    """A registry of the chart that contains this one counts more."""
    assert image_of(helm.objects(SETS["registry"])) == "registry.example.com/tools/gpu-injector:1.2.3"
    assert image_of(helm.objects(SETS["global-registry"])).startswith("mirror.example.com/gpu-injector:")


def test_a_loaded_image_is_never_pulled(helm: Helm) -> None:
    """Every container of the chart, also that of `helm test`, has the name that `make image` gives."""
    made = re.search(r"^IMAGE \?= (.*):\$\(VERSION\)$", (CHART.parents[1] / "Makefile").read_text(), re.MULTILINE)
    assert made
    values = json.dumps(SETS["loaded"])
    rendered = helm.run("template", "gpu-injector", CHART, f"--namespace={NAMESPACE}", f"--set-json={values}")
    version = yaml.safe_load(DESCRIPTION.read_text())["version"]
    assert set(re.findall(r"^ +(?:- )?image: (.*)$", rendered, re.MULTILINE)) == {f"{made[1]}:{version}"}
    assert set(re.findall(r"imagePullPolicy: (.*)$", rendered, re.MULTILINE)) == {"Never"}


def test_the_notes_say_what_is_missing(helm: Helm, kubectl: Kubectl) -> None:
    """A class that does not exist, with the command that creates it, and an image without a registry."""
    where = (f"--kubeconfig={kubectl.kubeconfig}", "--dry-run=server", f"--namespace={NAMESPACE}", "--create-namespace")
    install = ("install", "gpu-injector", CHART, "--take-ownership", *where)
    missing = "RuntimeClass never-created does not exist"
    policy: Values = {"policy": {"runtimeClass": "never-created"}}
    shown = helm.run(*install, values=policy)
    assert missing in shown
    assert "--set runtimeClass.create=true" in shown
    assert "gpu-injector:" in shown.partition("The image is ")[2]
    shown = helm.run(*install, values={**policy, **SETS["loaded"], "runtimeClass": {"create": True}})
    assert missing not in shown
    assert "The image is " not in shown


def image_of(objects: list[Manifest]) -> str:
    """Return the image of the webhook."""
    found: str = named(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]["image"]
    return found


def test_every_right_is_bound_to_the_service_account(helm: Helm) -> None:
    """With another name every binding, the pods, and the limit of deletions follow."""
    objects = helm.objects(SETS["service-account"])
    subjects = [subject["name"] for one in objects for subject in one.get("subjects", ())]
    assert set(subjects) == {"gpu"}
    assert named(objects, "Deployment")["spec"]["template"]["spec"]["serviceAccountName"] == "gpu"
    limit = named(objects, "ValidatingAdmissionPolicy", "gpu-injector-deletes")
    assert limit["spec"]["matchConditions"][0]["expression"].endswith(':gpu"')


def test_every_object_has_the_standard_labels(helm: Helm) -> None:
    """Those of Kubernetes and Helm, and the administrator's."""
    wanted = {
        "app.kubernetes.io/instance": NAMESPACE,
        "app.kubernetes.io/managed-by": "Helm",
        "app.kubernetes.io/part-of": "gpu-injector",
        "team": "platform",
    }
    for one in helm.objects({**SETS["common-labels"], **SETS["node-facts"]}):
        labels = one["metadata"]["labels"]
        assert wanted.items() <= labels.items(), one["metadata"]["name"]
        assert labels["helm.sh/chart"].startswith("gpu-injector-")


def test_a_namespace_that_does_not_exist_stops_nothing(helm: Helm, kubectl: Kubectl) -> None:
    """Its Roles come with the next upgrade, and the notes say so."""
    values: Values = {"policy": {"bootstrap": {"namespaces": ["kube-system", "comes-later"]}}}
    where = (f"--kubeconfig={kubectl.kubeconfig}", "--dry-run=server", f"--namespace={NAMESPACE}", "--create-namespace")
    # Other tests have installed the manifest, without Helm.
    shown = helm.run("install", "gpu-injector", CHART, "--take-ownership", *where, values=values)
    assert "namespace: kube-system" in shown
    assert "namespace: comes-later" not in shown
    assert "Namespace comes-later does not exist yet" in shown


def test_node_facts_without_a_value_are_off(helm: Helm) -> None:
    """A value of null removes the chart's default."""
    assert helm.objects({"nodeFacts": {"enabled": None}}) == helm.objects({})
