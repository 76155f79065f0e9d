"""Secret and caBundle on a real API server: a replica that may write them repairs every change."""

import base64
import json
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from certs.api import Installation
from certs.certificate import write_certificates
from certs.rotation import Schedule
from certs.rotation_steps import create
from certs.secret_content import SecretContent, read_content, write_content
from e2e.control_plane import LOOPBACK, ControlPlane
from e2e.direct_api import MERGE_PATCH, DirectApi
from e2e.installation import NAME, Webhook, running_webhook
from e2e.kubectl import Kubectl
from e2e.pods import wait_for_decision
from e2e.processes import until

INSTALLATION = Installation(extra_names=(LOOPBACK,))
REGISTRATION = INSTALLATION.registration_path("mutatingwebhookconfigurations")
VALIDATING = INSTALLATION.registration_path("validatingwebhookconfigurations")
FAST = ("--look-seconds", "0.5", "--settle-seconds", "1.5")
INJECTED = "inject/runtime-class"
ACCOUNT = f"system:serviceaccount:{NAME}:{NAME}"


@pytest.fixture
def api(plane: ControlPlane, webhook_port: int) -> Iterator[DirectApi]:
    """Return a connection of the administrator's; entries that a test added are gone after it."""
    assert webhook_port
    with DirectApi(plane.kubectl.kubeconfig) as connection:
        before = [entry["name"] for entry in connection.get(REGISTRATION)["webhooks"]]
        yield connection
        entries = connection.get(REGISTRATION)["webhooks"]
        patch(connection, REGISTRATION, {"webhooks": [entry for entry in entries if entry["name"] in before]})


@pytest.fixture
def replica(plane: ControlPlane, webhook_port: int) -> Iterator[Webhook]:
    """Run a replica that looks twice a second, so that no test has to wait for a minute."""
    with running_webhook(plane, webhook_port, *FAST) as running:
        wait_for_decision(plane.kubectl, INJECTED)
        yield running


def foreign() -> SecretContent:
    """Return an authority and a leaf that another program made for our names."""
    return create(INSTALLATION.names, datetime.now(UTC), Schedule())


def overwrite(api: DirectApi, **data: bytes) -> None:
    """Overwrite keys of the Secret."""
    encoded = {name.replace("_", "."): base64.b64encode(content).decode() for name, content in data.items()}
    patch(api, INSTALLATION.secret_path, {"data": encoded})


def patch(api: DirectApi, path: str, change: object, content_type: str = MERGE_PATCH) -> None:
    """Change an object as its administrator."""
    status, answer = api.call("PATCH", path, change, content_type)
    assert status == 200, answer


def replace_secret(api: DirectApi) -> None:
    """Put another's whole key material in place of ours."""
    status, answer = api.call(
        "PUT", INSTALLATION.secret_path, write_content(foreign(), api.get(INSTALLATION.secret_path))
    )
    assert status == 200, answer


def clear_bundles(api: DirectApi) -> None:
    """Remove every caBundle, as applying a manifest without it does if it owns the field."""
    for path in (REGISTRATION, VALIDATING):
        count = len(api.get(path)["webhooks"])
        removals = [{"op": "remove", "path": f"/webhooks/{index}/clientConfig/caBundle"} for index in range(count)]
        patch(api, path, removals, "application/json-patch+json")


def add_entry(api: DirectApi) -> None:
    """Add an entry that calls us for a kind that no test creates."""
    first = api.get(REGISTRATION)["webhooks"][0]
    client = {"url": first["clientConfig"]["url"]}
    rule = {"apiGroups": ["example.com"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["nothings"]}
    added = {
        "name": "added.example.com",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Ignore",
        "clientConfig": client,
        "rules": [rule],
    }
    patch(api, REGISTRATION, [{"op": "add", "path": "/webhooks/-", "value": added}], "application/json-patch+json")


DAMAGES: dict[str, Callable[[DirectApi], Any]] = {
    "Secret deleted": lambda api: api.call("DELETE", INSTALLATION.secret_path),
    "Secret emptied": lambda api: patch(api, INSTALLATION.secret_path, {"data": None}),
    "Secret of garbage": lambda api: overwrite(api, tls_crt=b"garbage", ca_crt=b"garbage"),
    "Secret with another's key": lambda api: overwrite(api, tls_key=foreign().leaf.key),
    "Secret replaced": replace_secret,
    "caBundle cleared": clear_bundles,
    "entry added": add_entry,
}


def trusted(api: DirectApi) -> list[set[x509.Certificate]]:
    """Return the CAs that each entry of ours trusts."""
    entries = [entry for path in (REGISTRATION, VALIDATING) for entry in api.get(path)["webhooks"]]
    bundles = [base64.b64decode(entry["clientConfig"].get("caBundle", "")) for entry in entries]
    return [set(x509.load_pem_x509_certificates(bundle)) if bundle else set() for bundle in bundles]


def is_sound(api: DirectApi, replica: Webhook) -> bool:
    """Whether the Secret's leaf is served, and every entry trusts the Secret's authorities."""
    status, secret = api.call("GET", INSTALLATION.secret_path)
    try:
        material = read_content(secret)
    except ValueError:
        return False
    served = ssl.get_server_certificate((LOOPBACK, replica.port)).encode()
    is_served = x509.load_pem_x509_certificate(served) == material.leaf.parse()
    return status == 200 and is_served and all(set(material.bundle) <= bundle for bundle in trusted(api))


@pytest.mark.parametrize("damage", DAMAGES)
def test_whatever_is_done_to_secret_and_ca_bundle_is_healed(
    damage: str, api: DirectApi, replica: Webhook, kubectl: Kubectl
) -> None:
    """And the API server calls the webhook again, or still."""
    until(lambda: is_sound(api, replica), "all is sound before")
    DAMAGES[damage](api)
    until(lambda: is_sound(api, replica), "all is sound again")
    wait_for_decision(kubectl, INJECTED)


def test_a_mounted_certificate_is_served_and_nothing_is_written(
    plane: ControlPlane, webhook_port: int, api: DirectApi, tmp_path: Path
) -> None:
    """The provider `files`: the program that makes the pair writes the caBundle, and a renewed pair is loaded."""
    secret = api.get(INSTALLATION.secret_path)
    pairs = [foreign(), foreign()]
    mount(tmp_path, pairs[0])
    inject(api, pairs)
    written = [trusted(api), api.get(INSTALLATION.secret_path)["metadata"]["resourceVersion"]]
    with running_webhook(plane, webhook_port, "--cert-dir", tmp_path, name=f"{NAME}-files") as webhook:
        wait_for_decision(plane.kubectl, INJECTED)
        mount(tmp_path, pairs[1])
        until(lambda: serves(webhook, pairs[1]), "the renewed pair is served")
        wait_for_decision(plane.kubectl, INJECTED)
        expires = webhook.metric("gpu_injector_certificate_expiry_timestamp_seconds", certificate="ca")
        assert expires == pairs[1].bundle[0].not_valid_after_utc.timestamp()
    assert written == [trusted(api), secret["metadata"]["resourceVersion"]]


def mount(folder: Path, material: SecretContent) -> None:
    """Write a pair and its authority as a mounted Secret shows them."""
    contents = {"tls.crt": material.leaf.certificate, "tls.key": material.leaf.key}
    for name, content in (contents | {"ca.crt": write_certificates(material.bundle)}).items():
        (folder / name).write_bytes(content)


def inject(api: DirectApi, materials: list[SecretContent]) -> None:
    """Write the caBundle as cert-manager's injector does, both authorities at once."""
    bundle = b"".join(write_certificates(material.bundle) for material in materials)
    for path in (REGISTRATION, VALIDATING):
        places = [f"/webhooks/{index}/clientConfig/caBundle" for index in range(len(api.get(path)["webhooks"]))]
        value = base64.b64encode(bundle).decode()
        changes = [{"op": "add", "path": place, "value": value} for place in places]
        patch(api, path, changes, "application/json-patch+json")


def serves(webhook: Webhook, material: SecretContent) -> bool:
    """Whether a replica presents this leaf."""
    served = ssl.get_server_certificate((LOOPBACK, webhook.port)).encode()
    return x509.load_pem_x509_certificate(served) == material.leaf.parse()


@pytest.mark.parametrize("namespace", [NAME, "kube-system", "default"])
@pytest.mark.usefixtures("webhook_port")
def test_the_rights_to_secrets_and_registrations_are_these_and_no_others(kubectl: Kubectl, namespace: str) -> None:
    """Write the own Secret and the own registrations, by name; read all that may reject a patched pod.

    RBAC cannot name the object of a create or a list.
    """
    rules = rules_of(kubectl, namespace)
    named, unnamed = frozenset({NAME}), frozenset[str]()
    own = {("secrets", named, verb) for verb in ("get", "update")} | {("secrets", unnamed, "create")}
    kinds = ("mutatingwebhookconfigurations", "validatingwebhookconfigurations")
    everywhere = {(kind, named, verb) for kind in kinds for verb in ("get", "patch")}
    guards = (*kinds, "validatingadmissionpolicies", "validatingadmissionpolicybindings")
    everywhere |= {(kind, unnamed, verb) for kind in guards for verb in ("list", "watch")}
    # The policy that limits deletions, which is looked at before one.
    everywhere |= {
        (kind, frozenset({"gpu-injector-deletes"}), "get") for kind in guards if kind.startswith("validatingadm")
    }
    assert rules == everywhere | (own if namespace == NAME else set())


def rules_of(kubectl: Kubectl, namespace: str) -> set[tuple[str, frozenset[str], str]]:
    """Return resource, names and verb of each right of the webhook that reaches Secrets or registrations."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    asked = ("create", "-o", "json", "--validate=false", "--as", ACCOUNT, "-f", "-")
    rules = kubectl.run(*asked, stdin=json.dumps(review)).object["status"]["resourceRules"]
    return {
        (resource, frozenset(rule.get("resourceNames", ())), verb)
        for rule in rules
        for resource in rule["resources"]
        if resource in ("secrets", "*") or {"admissionregistration.k8s.io", "*"} & set(rule["apiGroups"])
        for verb in rule["verbs"]
    }
