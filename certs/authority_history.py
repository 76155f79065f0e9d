"""Since when one replica has seen authorities registered, and the leaf that the Secret holds.

Times are a monotonic clock's seconds: they are never compared between replicas, whose clocks differ.
"""

from collections.abc import Sequence
from datetime import timedelta

from cryptography import x509

from certs.certificate import fingerprint


class Sightings:
    """What this replica saw: authorities in every entry, and the Secret's leaf, and since when."""

    def __init__(self) -> None:
        self._registered: dict[str, float] = {}
        self._leaf: tuple[bytes, float] | None = None

    def see_registered(self, registered: Sequence[Sequence[x509.Certificate]], at: float) -> None:
        """Note the authorities that all entries carry; one that is missing somewhere begins anew."""
        entries = [{fingerprint(authority) for authority in authorities} for authorities in registered]
        everywhere = set.intersection(*entries) if entries else set()
        self._registered = {authority: self._registered.get(authority, at) for authority in everywhere}

    def settled(self, at: float, settle: timedelta) -> frozenset[str]:
        """Fingerprints of the authorities that have been in every entry for the settling time."""
        since = at - settle.total_seconds()
        return frozenset(authority for authority, seen in self._registered.items() if seen <= since)

    def leaf_age(self, leaf: bytes, at: float) -> timedelta:
        """For how long the Secret has held this leaf, as far as this replica saw."""
        if self._leaf is None or self._leaf[0] != leaf:
            self._leaf = (leaf, at)
        return timedelta(seconds=at - self._leaf[1])
