"""ClusterFacts that are in no API object (certificates, the dry run), written into an archive and read from it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from certs.report import EntryFacts, LeafFacts, Report
from certs.rotation import Action, RotationStep
from certs.tls_probe import PresentedCertificate
from webhook.doctor.cluster_facts import ClusterFacts
from webhook.doctor.fact import DryRun, TriedHeartbeat, Unread
from webhook.kube.values import elements, items, mapping, text
from webhook.view.recorded_time import parse_time

NOT_IN_FILE = Unread("the file does not have it")
KEYS = ("certificates", "presented", "dryRun", "heartbeat")


def to_json(facts: ClusterFacts) -> dict[str, Any]:
    """Return these facts as JSON; for an unread fact, the reason."""
    parts: dict[str, Callable[[Any], object]] = {
        "certificates": _report_to_json,
        "presented": _presented_to_json,
        "dryRun": lambda tried: tried and {"namespace": tried.namespace, "word": tried.word, "refusal": tried.refusal},
        "heartbeat": lambda tried: {
            "answeredBy": tried.answered_by,
            "error": tried.error,
            "seconds": tried.seconds,
        },
    }
    values = dict(zip(KEYS, (facts.certificates, facts.presented, facts.dry_run, facts.heartbeat), strict=True))
    return {
        key: {"unread": value.why} if isinstance(value, Unread) else parts[key](value) for key, value in values.items()
    }


def with_archived(facts: ClusterFacts, found: Mapping[str, Any]) -> ClusterFacts:
    """Return the facts, completed by those of an archive."""
    readers = (_report, _presented, _dry_run, _heartbeat)
    values = [_read(found, key, reader) for key, reader in zip(KEYS, readers, strict=True)]
    return replace(facts, certificates=values[0], presented=values[1], dry_run=values[2], heartbeat=values[3])


def _read(found: Mapping[str, Any], key: str, reader: Any) -> Any:  # noqa: ANN401 - the fact, or Unread
    if key not in found:
        return NOT_IN_FILE
    value = found[key]
    if isinstance(value, dict) and "unread" in value:
        return Unread(text(value["unread"]))
    return reader(value)


def _report_to_json(report: Report) -> dict[str, Any]:
    leaf = report.leaf
    return {
        "trouble": report.trouble,
        "leaf": leaf and {"fingerprint": leaf.fingerprint, "names": leaf.names, "expires": leaf.expires.isoformat()},
        "entries": [
            {
                "registration": entry.registration,
                "name": entry.name,
                "authorities": entry.authorities,
                "accepts": entry.accepts_leaf,
            }
            for entry in report.entries
        ],
    }


def _report(value: object) -> Report:
    found = mapping(value)
    leaf = mapping(found.get("leaf"))
    expires = parse_time(leaf.get("expires"))
    return Report(
        trouble=text(found.get("trouble")),
        leaf=LeafFacts(text(leaf.get("fingerprint")), _texts(leaf.get("names")), expires, None) if expires else None,
        authorities=(),
        entries=tuple(
            EntryFacts(
                text(entry.get("registration")),
                text(entry.get("name")),
                _texts(entry.get("authorities")),
                entry.get("accepts") is True,
            )
            for entry in items(found.get("entries"))
        ),
        injector="",
        mounted="",
        next_step=RotationStep(Action.WAIT, "", "a file does not change"),
        next_renewal=None,
    )


def _presented_to_json(looks: tuple[PresentedCertificate, ...]) -> list[dict[str, Any]]:
    return [
        {
            "where": one.where,
            "fingerprint": one.fingerprint,
            "expires": _iso(one.expires),
            "refusedBy": one.refused_by,
            "trouble": one.trouble,
        }
        for one in looks
    ]


def _presented(value: object) -> tuple[PresentedCertificate, ...]:
    return tuple(
        PresentedCertificate(
            text(one.get("where")),
            text(one.get("fingerprint")),
            parse_time(one.get("expires")),
            _texts(one.get("refusedBy")),
            text(one.get("trouble")),
        )
        for one in items(value)
    )


def _dry_run(value: object) -> DryRun | None:
    found = mapping(value)
    return DryRun(*(text(found.get(key)) for key in ("namespace", "word", "refusal"))) if found else None


def _heartbeat(value: object) -> TriedHeartbeat:
    found = mapping(value)
    seconds = found.get("seconds")
    return TriedHeartbeat(
        text(found.get("answeredBy")), text(found.get("error")), seconds if isinstance(seconds, int | float) else 0.0
    )


def _texts(value: object) -> tuple[str, ...]:
    return tuple(map(text, elements(value)))


def _iso(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""
