"""Our registrations and certificate in the API server, and other webhooks that change GPU pods."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from shlex import quote

from certs.report import Report
from webhook.doctor.check import Category, Check, Result, fails_on, warns_on
from webhook.doctor.checks import check_mutators as mutators
from webhook.doctor.cluster_facts import ClusterFacts
from webhook.doctor.fact import ApiObject, CannotTellError, Unread, known
from webhook.doctor.install_fixes import install_again
from webhook.kube.values import elements, items, mapping, text
from webhook.names import MUTATING_ENTRIES, VALIDATING_ENTRIES
from webhook.registration.drift import entry_drift, missing_entries

STOLEN = "then find out who could add them: a stolen ServiceAccount token can (docs/security.md)"
SOON = timedelta(days=7)
LONGEST_SECONDS = 10


def registered(facts: ClusterFacts) -> Result:
    """Every entry is registered with the API server."""
    there = set(_entries(facts))
    return fails_on(
        (f"{name} is not registered" for name in missing_entries(there)),
        install_again(facts),
        otherwise=f"{len(there)} entries",
    )


def drift(facts: ClusterFacts) -> Result:
    """The registrations are those that this version renders for the policy."""
    troubles = (
        f"{name}: {trouble}"
        for name, entry in _entries(facts).items()
        # Entries of others are reported by another check.
        if _is_ours(entry, facts.home)
        for trouble in entry_drift(entry, facts.policy, facts.home)
    )
    return fails_on(troubles, install_again(facts))


def foreign_entries(facts: ClusterFacts) -> Result:
    """Every entry of our registrations leads to our Service."""
    found = {
        kind: [(index, text(entry.get("name"))) for index, entry in _indexed(item) if not _is_ours(entry, facts.home)]
        for kind, item in (("mutating", facts.registration), ("validating", known(facts.validating)))
    }
    troubles = [f"{name} ({kind}) leads elsewhere" for kind, entries in found.items() for _, name in entries]
    fix = [_removal(kind, entries) for kind, entries in found.items() if entries]
    return fails_on(troubles, *fix, *((STOLEN, install_again(facts)) if fix else ()))


def _indexed(item: ApiObject | None) -> Iterator[tuple[int, ApiObject]]:
    return ((index, mapping(entry)) for index, entry in enumerate(elements(mapping(item).get("webhooks"))))


def _is_ours(entry: ApiObject, home: str) -> bool:
    client = mapping(entry.get("clientConfig"))
    if "service" not in client:
        # An administrator may give our own entries a URL: webhook-answers and ca-bundle check those.
        return text(entry.get("name")) in (*MUTATING_ENTRIES, *VALIDATING_ENTRIES)
    service = mapping(client.get("service"))
    return (service.get("namespace"), service.get("name")) == (home, "gpu-injector")


def _removal(kind: str, entries: Sequence[tuple[int, str]]) -> str:
    """Return the command that removes entries. ``kubectl apply`` merges entries by name, and keeps those of others."""
    # From the last one, so that the others keep their indices. The test operations fail if entries have moved.
    operations = [
        operation
        for index, name in sorted(entries, reverse=True)
        for operation in (
            {"op": "test", "path": f"/webhooks/{index}/name", "value": name},
            {"op": "remove", "path": f"/webhooks/{index}"},
        )
    ]
    return f"kubectl patch {kind}webhookconfiguration gpu-injector --type=json -p {quote(json.dumps(operations))}"


def _own_certificate(facts: ClusterFacts) -> Report:
    """Return what is known of our own certificate. A mounted certificate is in a Secret that we do not read."""
    deployment = None if isinstance(facts.deployment, Unread) else facts.deployment
    template = mapping(mapping(mapping(deployment).get("spec")).get("template"))
    for container in items(mapping(template.get("spec")).get("containers")):
        if any(text(word).startswith("--cert-dir") for word in elements(container.get("args"))):
            raise CannotTellError("the certificate is mounted (--cert-dir): see its Secret, and webhook-answers")
    return known(facts.certificates)


def trusted(facts: ClusterFacts) -> Result:
    """Each entry's caBundle accepts the certificate that the replicas are to serve."""
    report = _own_certificate(facts)
    troubles = [
        f"{entry.name}: {'its caBundle does not accept the Secret' if entry.authorities else 'no caBundle'}"
        for entry in report.entries
        if not entry.accepts_leaf
    ]
    if not _entries(facts):
        raise CannotTellError("no entry is registered")
    if not report.entries:
        raise CannotTellError(
            "no entry calls our Service: an administrator wrote their URL, and manages their caBundle"
        )
    return fails_on(troubles, _restart(facts), otherwise="all entries")


def served(facts: ClusterFacts) -> Result:
    """Each entry's caBundle accepts what each replica presents over TLS."""
    looks = known(facts.presented)
    refused = [
        f"{one.where}: its certificate is refused by {', '.join(one.refused_by)}" for one in looks if one.refused_by
    ]
    unseen = [f"{one.where}: {one.trouble}" for one in looks if one.trouble]
    if not refused and (unseen or not looks):
        raise CannotTellError("; ".join(unseen) or "no entry calls our Service")
    return fails_on(refused, _restart(facts), otherwise=f"{len(looks)} replicas")


def _restart(facts: ClusterFacts) -> str:
    return f"kubectl -n {facts.home} rollout restart deployment/gpu-injector"


def certificate(facts: ClusterFacts) -> Result:
    """There is a certificate, and it does not expire soon."""
    report = _own_certificate(facts)
    look = f"kubectl -n {facts.home} logs -l app.kubernetes.io/name=gpu-injector | grep -i cert"
    if report.leaf is None:
        return fails_on([report.trouble or f"Secret {facts.home}/gpu-injector has no certificate"], look)
    left = report.leaf.expires - facts.now
    when = f"the certificate expires on {report.leaf.expires:%Y-%m-%d %H:%M} UTC"
    if left <= timedelta(0):
        return fails_on([when.replace("expires", "expired")], look)
    return warns_on([when] if left < SOON else [], look, otherwise=when)


def _entries(facts: ClusterFacts) -> Mapping[str, ApiObject]:
    found = (facts.registration, facts.validating)
    return {text(entry.get("name")): entry for item in found if item for entry in items(item.get("webhooks"))}


CATEGORY = Category(
    "registration and certificate",
    (
        Check("registered", "every entry is registered", registered),
        Check("registration-drift", "the registrations are those of this version and policy", drift),
        Check("foreign-entries", "every entry of the registrations leads to our Service", foreign_entries),
        Check("ca-bundle", "each caBundle accepts the certificate of the Secret", trusted),
        Check("ca-bundle-served", "each caBundle accepts what each replica serves", served),
        Check("certificate", "the certificate is good for a week at least", certificate),
        Check("other-mutators", "no other webhook changes GPU pods", mutators.other_mutators),
        Check("later-mutators", "no LimitRange adds GPUs to pods", mutators.later_mutators),
        Check("strict-mutators", "no other webhook stops all pods when it is away", mutators.strict_mutators),
    ),
)
