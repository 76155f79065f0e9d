"""Print certificates: dates with the remaining time, fingerprints by their first digits."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from certs.report import AuthorityFacts, Report
from certs.rotation import Action
from certs.secret_content import Rotation
from certs.tls_probe import PresentedCertificate

DIGITS = 12
WIDTH = 240

LAST_STEPS: dict[Rotation, str] = {
    "graceful": "The former CA is removed when its last certificate has expired{expires}.",
    "revoke": "Within 5 more minutes the former CA is no longer trusted: a leaked key is then worthless.",
}


def console() -> Console:
    """Return a console that wraps lines only on a terminal: in a pipe each row stays one line."""
    return Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else WIDTH)


def print_report(report: Report, presented: Sequence[PresentedCertificate], out: Console) -> None:
    """Print the Secret, the registrations, the served certificates, and the next step."""
    _print_secret(report, out)
    entries = _table("REGISTERED", "TRUSTS", "ACCEPTS THE SECRET'S CERTIFICATE")
    for entry in report.entries:
        trusted = " ".join(map(_short, entry.authorities)) or "no CA"
        entries.add_row(entry.name, trusted, "yes" if entry.accepts_leaf else "[red]no[/red]")
    out.print(entries if report.entries else "No registration has an entry of this installation.")
    out.print()
    served = _table("SERVED BY", "CERTIFICATE", "EXPIRES", "ACCEPTED")
    for one in presented:
        served.add_row(one.where, *_seen(one))
    out.print(served if presented else "No replica could be asked for the certificate that it serves.")
    out.print(f"\nNext: {_next(report)}")


def print_rotation(rotation: Rotation, before: Report, out: Console) -> None:
    """Print the steps of a requested rotation."""
    expires = f" ({_date(before.leaf.expires)})" if before.leaf and rotation == "graceful" else ""
    out.print("The rotation is requested. The replicas do the rest, and no connection is dropped:")
    out.print(
        "  1. Within a minute the Secret and every caBundle contain a new CA. The old certificate is still served."
    )
    out.print("  2. When every API server has had a minute to load it, a certificate of the new CA is served.")
    out.print(f"  3. {LAST_STEPS[rotation].format(expires=expires)}")
    out.print("See the progress: gpu-injector certs show")


def _print_secret(report: Report, out: Console) -> None:
    if report.leaf:
        out.print(f"Certificate {_short(report.leaf.fingerprint)}  expires {_date(report.leaf.expires)}")
        out.print(f"  for {', '.join(report.leaf.names)}")
        issuer = _short(report.leaf.issued_by) if report.leaf.issued_by else "a CA that is not in the Secret"
        out.print(f"  issued by {issuer}")
    elif not (report.injector or report.mounted):
        out.print(f"No certificate: {report.trouble}.")
    for authority in report.authorities:
        out.print(f"CA {_short(authority.fingerprint)}  expires {_date(authority.expires)}  {_part(authority)}")
    out.print()


def _part(authority: AuthorityFacts) -> str:
    if authority.signs:
        return "signs"
    return f"former, removed {_date(authority.retires)}" if authority.retires else "trusted"


def _seen(one: PresentedCertificate) -> tuple[str, str, str]:
    if one.trouble or one.expires is None:
        return "?", "?", f"not reached: {one.trouble}"
    refused = f"[red]refused by {', '.join(one.refused_by)}[/red]" if one.refused_by else "yes"
    return _short(one.fingerprint), _date(one.expires), refused


def _next(report: Report) -> str:
    step = report.next_step
    if step.action is Action.WAIT:
        return f"{step.why} ({step.reason})"
    return f"{step.action}: {step.why}. A replica does it within a minute"


def _date(moment: datetime) -> str:
    left = moment - datetime.now(UTC)
    days = f"in {left.days} days" if left.days > 0 else "today" if left.total_seconds() > 0 else "expired"
    return f"{moment:%Y-%m-%d %H:%M}Z ({days})"


def _short(fingerprint: str) -> str:
    return fingerprint[:DIGITS]


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
