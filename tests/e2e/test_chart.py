"""The chart, rendered by Helm: the manifest that is made from it, its conditions, and every option."""

import re
from collections.abc import Iterable

import pytest
import yaml
from support.chart import CHART, MANIFEST
from support.rights_page import RightText, rules, texts

from e2e.helm import Helm, HelmError, Values, named
from e2e.kubectl import Manifest
from webhook.policy.load import parse_policy
from webhook.policy.model import Policy
from webhook.registration.conditions import (
    changed_template_condition,
    gpu_pods_condition,
    gpu_templates_condition,
    injected_pods_condition,
    no_controller_condition,
    plugin_pods_condition,
)
from webhook.registration.drift import entry_drift, missing_entries
from webhook.registration.heartbeat_object import heartbeat_condition

ODD_POLICY = {
    "runtimeClass": "nvidia-cdi",
    "resources": ["example.com/gpu", "example.com/slice-*", "nvidia.com/gpu"],
    "fallback": False,
    "bootstrap": {
        "namespaces": ["kube-system", "nvidia-device-plugin"],
        "recipe": False,
        "plugins": [
            {"label": "k8s-app", "value": "own-plugin", "container": "plugin"},
            {"label": "name", "value": "nvidia-device-plugin-ds", "container": "renamed"},
        ],
    },
}
SWITCHES = ("certManager", "networkPolicy", "podMonitor", "serviceMonitor", "prometheusRule", "dashboard")
EVERYTHING: Values = {
    "hostNetwork": True,
    "imagePullSecrets": [{"name": "registry"}],
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "podAnnotations": {"a": "b"},
    "podLabels": {"c": "d"},
    "image": {"digest": "sha256:" + "0" * 64},
    **{key: {"enabled": True} for key in SWITCHES},
    "runtimeClass": {"create": True},
    "policy": {"optOut": True, **ODD_POLICY},
}
CERT_MANAGERS = {"Certificate", "Issuer"}
# `lookup` is used once: `helm template` shows no cluster, so GitOps renders the same each time.
CHANCE = re.compile(r"\b(rand\w+|uuidv4|now|genCA|genSelfSignedCert|genSignedCert|htpasswd|caBundle:)")


def test_the_manifest_is_the_chart_rendered(helm: Helm, update_golden: bool) -> None:  # noqa: FBT001
    """Where it is not: `make manifest`."""
    rendered = helm.manifest()
    if update_golden:
        MANIFEST.write_text(rendered)
    assert MANIFEST.read_text() == rendered


@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["defaults", "everything"])
def test_helm_finds_no_fault(helm: Helm, values: Values) -> None:
    """Values, schema and templates fit each other."""
    helm.run("lint", "--strict", CHART, values=values)


@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["defaults", "everything"])
def test_two_renders_are_equal(helm: Helm, values: Values) -> None:
    """GitOps compares what it rendered with what is there: nothing may depend on chance, time or the cluster."""
    assert helm.template(values) == helm.template(values)


def test_the_rights_to_evict_come_with_the_policy_that_uses_them(helm: Helm) -> None:
    """By default they are not granted; for the plain manifest they are a file of their own, with the same content."""
    evicting = helm.objects({"policy": {"bootstrap": {"repair": "evict"}}})
    beside = yaml.safe_load_all(MANIFEST.with_name("repair-evict.yaml").read_text())
    assert rights_to_evict(evicting) == rights_to_evict(beside) != []
    assert rights_to_evict(helm.objects({})) == []


def rights_to_evict(objects: Iterable[Manifest]) -> list[dict[str, object]]:
    """Return the objects that grant the rights to evict, by kind and name, without their labels."""
    rights = (item for item in objects if item["metadata"]["name"].startswith("gpu-injector-repair"))
    ordered = sorted(rights, key=lambda item: (item["kind"], item["metadata"]["name"]))
    return [{**item, "metadata": {**item["metadata"], "labels": None}} for item in ordered]


@pytest.mark.parametrize(
    ("switch", "resource"),
    [("admissionControls", "validatingadmissionpolicies"), ("resourceSlices", "resourceslices")],
)
def test_a_right_can_be_switched_off(helm: Helm, switch: str, resource: str) -> None:
    """A cluster's security may not want it granted; the facts are unknown then."""
    role = named(helm.objects({}), "ClusterRole")
    without = named(helm.objects({switch: {"watch": False}}), "ClusterRole")
    missing = [rule for rule in role["rules"] if rule not in without["rules"]]
    assert [resource in rule["resources"] for rule in missing] == [True]
    assert without["rules"] == [rule for rule in role["rules"] if rule not in missing]


def test_nothing_in_the_chart_asks_chance_or_the_cluster() -> None:
    """Two renders in one second on one machine would not tell."""
    found = {path.name: CHANCE.findall(path.read_text()) for path in (CHART / "templates").rglob("*") if path.is_file()}
    assert {name: words for name, words in found.items() if words} == {}


@pytest.mark.parametrize("own", [{}, ODD_POLICY], ids=["defaults", "odd"])
def test_the_conditions_are_the_policys(helm: Helm, own: Values) -> None:
    """The API server filters by what the webhook decides by; the policy is read as the webhook reads it."""
    objects = helm.objects({"policy": own})
    policy = parse_policy(named(objects, "ConfigMap")["data"]["policy.yaml"], "policy.yaml")
    assert policy == Policy() or own
    registrations = [one for one in objects if one["kind"].endswith("WebhookConfiguration")]
    entries = {entry["name"].partition(".")[0]: entry for one in registrations for entry in one["webhooks"]}
    conditions = {
        name: {one["name"]: one["expression"] for one in entry["matchConditions"]} for name, entry in entries.items()
    }
    assert conditions == {
        "workloads": {"requests-gpu": gpu_pods_condition(policy)},
        "bootstrap": {"is-plugin": plugin_pods_condition(policy)},
        "ephemeral": {"injected": injected_pods_condition()},
        "heartbeat": {"heartbeat": heartbeat_condition()},
        "templates": {
            "no-controller": no_controller_condition(),
            "template-changed": changed_template_condition(),
            "requests-gpu": gpu_templates_condition(policy),
        },
    }
    (selector,) = entries["bootstrap"]["namespaceSelector"]["matchExpressions"]
    assert selector["values"] == list(policy.bootstrap.namespaces)


@pytest.mark.parametrize(
    "own",
    [{}, ODD_POLICY, {"optOut": True}, {"bootstrap": {"namespaces": []}}],
    ids=["defaults", "odd", "opt-out", "no plugins"],
)
@pytest.mark.parametrize("home", ["gpu-injector", "elsewhere"])
def test_the_webhook_finds_no_difference_to_what_the_chart_renders(helm: Helm, own: Values, home: str) -> None:
    """Otherwise every installation with such values would be reported as changed."""
    rendered = helm.run("template", "gpu-injector", CHART, f"--namespace={home}", values={"policy": own})
    objects = [item for item in yaml.safe_load_all(rendered) if item]
    (policy,) = (item["data"]["policy.yaml"] for item in objects if "policy.yaml" in item.get("data", {}))
    entries = [entry for item in objects if "webhooks" in item for entry in item["webhooks"]]
    found = [change for entry in entries for change in entry_drift(entry, parse_policy(policy, "policy.yaml"), home)]
    assert (found, missing_entries(entry["name"] for entry in entries)) == ([], ())


@pytest.mark.parametrize("text", texts(), ids=lambda one: "-".join((one.key.role, *sorted(one.key.resources))))
def test_each_right_has_its_switch(helm: Helm, text: RightText) -> None:
    """What docs/rbac.md calls its switch removes it, or adds it."""
    by_default = {key for key, _, _ in rules(helm.objects({}))}
    assert (text.key in by_default) == (text.on is None)
    if text.off is not None:
        assert text.key not in {key for key, _, _ in rules(helm.objects(text.off))}
    if text.on is not None:
        granted = {key: rule for key, _, rule in rules(helm.objects(text.on))}
        assert text.key in granted
        assert text.rule in (None, granted[text.key])


def test_annotations_of_the_registrations_join_cert_managers(helm: Helm) -> None:
    """AKS reads one of them."""
    off = {"admissions.enforcer/disabled": "true"}
    for enabled in (False, True):
        objects = helm.objects({"certManager": {"enabled": enabled}, "webhookAnnotations": off})
        for kind in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"):
            annotations = named(objects, kind)["metadata"]["annotations"]
            injector = {"cert-manager.io/inject-ca-from": "gpu-injector/gpu-injector"} if enabled else {}
            assert annotations == injector | off


def test_without_a_heartbeat_its_rights_are_gone(helm: Helm) -> None:
    """And no replica sends one. What setbacks need stays."""
    objects = helm.objects({"heartbeat": {"enabled": False}})
    role = named(objects, "Role", "gpu-injector-state")
    assert "events" not in [resource for rule in role["rules"] for resource in rule["resources"]]
    container = named(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]
    assert "--heartbeat-seconds=0" in container["args"]
    neither = helm.objects({"heartbeat": {"enabled": False}, "policy": {"setbacks": {"plugins": False}}})
    assert [one for one in neither if one["metadata"]["name"] in ("gpu-injector-state", "gpu-injector-leader")] == []
    alone = helm.objects({"policy": {"setbacks": {"plugins": False}}})
    assert {
        one["kind"]
        for one in alone
        if one["metadata"]["name"].startswith(("gpu-injector-state", "gpu-injector-leader"))
    } == {
        "Role",
        "RoleBinding",
        "Lease",
    }


def test_the_network_policy_allows_the_heartbeat(helm: Helm) -> None:
    """It goes to the API server only; the API server's call comes in on the webhook's port."""
    spec = named(helm.objects({"networkPolicy": {"enabled": True}}), "NetworkPolicy")["spec"]
    assert spec["egress"] == [{"ports": [{"protocol": "TCP", "port": port} for port in (443, 6443)]}]
    assert {"protocol": "TCP", "port": 8443} in spec["ingress"][0]["ports"]


def test_every_namespace_of_plugins_has_its_rights(helm: Helm) -> None:
    """What the policy names, the webhook may read."""
    objects = helm.objects({"policy": ODD_POLICY})
    places = [(one["metadata"]["namespace"], one["metadata"]["name"]) for one in objects if one["kind"] == "Role"]
    own = {("gpu-injector", "gpu-injector-own"), ("gpu-injector", "gpu-injector-state")}
    names = ("gpu-injector", "gpu-injector-setbacks")
    assert len(places) == len(set(places))
    assert set(places) == own | {(place, name) for place in ("kube-system", "nvidia-device-plugin") for name in names}


def test_no_namespace_of_plugins_is_none(helm: Helm) -> None:
    """The API server refuses a selector with an empty list; one that names a namespace twice is no trouble either."""
    objects = helm.objects({"policy": {"bootstrap": {"namespaces": []}}})
    bootstrap = named(objects, "MutatingWebhookConfiguration")["webhooks"][1]
    assert bootstrap["namespaceSelector"]["matchExpressions"] == [
        {"key": "kubernetes.io/metadata.name", "operator": "DoesNotExist"}
    ]
    twice = helm.objects({"policy": {"bootstrap": {"namespaces": ["gpu", "gpu"]}}})
    roles = [(one["metadata"]["namespace"], one["metadata"]["name"]) for one in twice if one["kind"] == "Role"]
    assert [name for place, name in roles if place == "gpu"] == ["gpu-injector", "gpu-injector-setbacks"]


@pytest.mark.parametrize(
    ("policy", "deletes", "remembers"),
    [
        ({}, True, True),
        ({"bootstrap": {"repair": "evict"}}, True, True),
        ({"bootstrap": {"repair": "report"}}, False, True),
        ({"setbacks": {"plugins": False}}, False, False),
        ({"setbacks": {"plugins": False}, "bootstrap": {"repair": "evict"}}, False, True),
    ],
)
def test_the_right_to_delete_comes_with_its_limit(
    helm: Helm,
    policy: Values,
    deletes: bool,  # noqa: FBT001
    remembers: bool,  # noqa: FBT001
) -> None:
    """The policy may take both away."""
    objects = helm.objects({"policy": policy})
    limits = [one["kind"] for one in objects if one["metadata"]["name"] == "gpu-injector-deletes"]
    assert limits == (["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"] if deletes else [])
    rules = [rule for one in objects if one["kind"] == "Role" for rule in one["rules"]]
    assert any("delete" in rule["verbs"] for rule in rules) == deletes
    assert any("gpu-injector-state" in rule.get("resourceNames", ()) for rule in rules) == remembers


@pytest.mark.parametrize(
    ("policy", "places"),
    [
        ({}, [""]),
        ({"setbacks": {"plugins": False}}, [""]),
        ({"bootstrap": {"repair": "report"}}, [""]),
        ({"setbacks": {"workloads": False}}, ["kube-system"]),
        ({"setbacks": {"workloads": False}, "bootstrap": {"repair": "report"}}, ["kube-system"]),
        ({"setbacks": {"workloads": False, "plugins": False}}, []),
    ],
)
def test_events_are_read_where_the_policy_needs_them(helm: Helm, policy: Values, places: list[str]) -> None:
    """In all namespaces for workloads, else in those of plugins; they are listed, never watched."""
    roles = [one for one in helm.objects({"policy": policy}) if one["kind"] in ("Role", "ClusterRole")]
    reading = [
        (one["metadata"].get("namespace", ""), rule["verbs"])
        for one in roles
        for rule in one["rules"]
        if rule["apiGroups"] == [""] and "events" in rule["resources"]
    ]
    assert reading == [(place, ["list"]) for place in places]
    assert all(one["rules"] for one in roles)


def test_the_network_policy_lets_the_evictor_try_its_service(helm: Helm) -> None:
    """A policy counts after the Service's address was translated: what it tries is a replica's own port."""
    values = {"networkPolicy": {"enabled": True}, "ports": {"webhook": 10250}}
    plain, evicting = (
        named(helm.objects({**values, "policy": {"bootstrap": {"repair": repair}}}), "NetworkPolicy")["spec"]["egress"]
        for repair in ("report", "evict")
    )
    selector = {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "gpu-injector"}}}
    assert evicting == [*plain, {"to": [selector], "ports": [{"protocol": "TCP", "port": 10250}]}]


def test_opting_out_asks_for_every_namespace_but_the_disabled(helm: Helm) -> None:
    """And never for our own. Those of the system the webhook leaves alone by itself."""
    registration = named(helm.objects({"policy": {"optOut": True}}), "MutatingWebhookConfiguration")
    assert registration["webhooks"][0]["namespaceSelector"]["matchExpressions"] == [
        {"key": "gpu-injector.io/inject", "operator": "NotIn", "values": ["disabled"]},
        {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["gpu-injector"]},
    ]


def test_a_changed_policy_restarts_the_replicas(helm: Helm) -> None:
    """They read it at their start."""
    before, after = (
        named(helm.objects({"policy": {"dryRun": dry_run}}), "Deployment")["spec"]["template"]["metadata"]
        for dry_run in (False, True)
    )
    assert before["annotations"] != after["annotations"]
    assert before["labels"] == after["labels"]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"policy": {"dryrun": True}}, "dryrun"),
        ({"policy": {"resources": ["nvidia.com/*"]}}, "resources"),
        ({"policy": {"bootstrap": {"recipe": "always"}}}, "recipe"),
        ({"replica": 3}, "replica"),
        ({"image": {"pullPolicy": "Sometimes"}}, "pullPolicy"),
        ({"image": {"digest": "latest"}}, "digest"),
        ({"image": {"digest": "sha256:12"}}, "digest"),
        ({"imagePullSecrets": ["registry"]}, "imagePullSecrets"),
        ({"replicas": 0}, "replicas"),
        ({"replicaCount": 3}, "the key is replicas"),
        ({"fullnameOverride": "gpu"}, "the names of objects are fixed"),
        ({"failurePolicy": "Fail"}, "it is always Ignore"),
        ({"metrics": {"enabled": True}}, "podMonitor, serviceMonitor and prometheusRule"),
        ({"rbac": {"create": False}}, "docs/rbac.md"),
        ({"drainSeconds": 30}, "terminationGracePeriodSeconds must be longer than drainSeconds"),
    ],
)
def test_a_mistake_is_told_before_anything_is_installed(helm: Helm, values: Values, told: str) -> None:
    """The value is named, by the schema or by the template."""
    with pytest.raises(HelmError, match=told):
        helm.template(values)


def test_every_option_makes_its_object(helm: Helm) -> None:
    """Off they are not there."""
    kinds = {one["kind"] for one in helm.objects(EVERYTHING)} - {one["kind"] for one in helm.objects({})}
    assert kinds == {*CERT_MANAGERS, "NetworkPolicy", "PodMonitor", "ServiceMonitor", "PrometheusRule", "RuntimeClass"}


def test_cert_manager_takes_rights_off_the_webhook(helm: Helm) -> None:
    """Its certificate comes as files, and cert-manager writes the caBundle: what is left is to read."""
    objects = helm.objects({"certManager": {"enabled": True}})
    assert {one["kind"] for one in objects} >= CERT_MANAGERS
    rules = [rule for one in objects if one["kind"].endswith("Role") for rule in one["rules"]]
    verbs = {name: set(rule["verbs"]) for rule in rules for name in rule["resources"]}
    assert "secrets" not in verbs
    assert verbs["mutatingwebhookconfigurations"] == {"get"}
    assert "patch" not in {verb for rule in rules for verb in rule["verbs"]}


def test_the_test_of_the_release_has_a_namespace_of_its_own(helm: Helm) -> None:
    """The release's own is excluded from the registrations, so a pod there would prove nothing."""
    rendered = helm.run("template", "gpu-injector", CHART, "--namespace=elsewhere")
    test = [one for one in yaml.safe_load_all(rendered) if one and "helm.sh/hook" in str(one["metadata"])]
    namespace = named(test, "Namespace", "gpu-injector-helm-test")
    assert namespace["metadata"]["labels"]["gpu-injector.io/inject"] == "enabled"
    # Helm deletes it first: one with another owner must stay.
    assert "elsewhere-" not in rendered
