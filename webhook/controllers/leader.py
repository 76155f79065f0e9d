"""The Lease that lets one replica at a time evict, and in which it records each eviction before it requests it.

The holder and the record are one write with the resourceVersion that was read. So nothing is evicted twice, even if
clocks differ or a replica crashes in between. Nothing is written while no eviction is due.
Source: https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/lease-v1/
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from certs.api import Installation
from webhook.controllers.release_history import History, read_history, write_history
from webhook.kube.metadata import metadata
from webhook.kube.values import mapping, text
from webhook.kube_client.api_error import ApiError
from webhook.kube_client.client import KubeClient
from webhook.kube_client.clock import Clock

LEASE_SECONDS = 60
HISTORY_KEY = "gpu-injector.io/evictions"


@dataclass(frozen=True, slots=True)
class Held:
    """The Lease as it was read (empty if there is none yet), and the history in it."""

    found: Mapping[str, Any]
    history: History


class Lease:
    """The Lease of one installation, as one replica (``who``) sees it."""

    def __init__(self, client: KubeClient, installation: Installation, who: str, clock: Clock) -> None:
        self._client, self._installation, self._who, self._clock = client, installation, who, clock
        self._seen: tuple[str, float] = ("", 0.0)

    async def read(self) -> Held | None:
        """Read the Lease; None while another replica holds it. Raises ApiError, OSError."""
        found = await self._client.find(self._path)
        if found is None:
            return Held({}, {})
        written = mapping(metadata(found).get("annotations")).get(HISTORY_KEY)
        return Held(found, read_history(text(written) or "{}")) if self._is_free(found) else None

    async def record(self, held: Held, history: History) -> bool:
        """Take or renew the Lease with a new history; False if another replica was faster. Raises as ``read``."""
        written = self._written(held, history)
        try:
            if held.found:
                await self._client.replace(self._path, written)
            else:
                await self._client.create(self._path.rpartition("/")[0], written)
        except ApiError as error:
            if error.is_conflict or error.is_absent:
                return False
            raise
        return True

    @property
    def _path(self) -> str:
        namespace, name = self._installation.namespace, self._installation.name
        return f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{name}-repair"

    def _is_free(self, found: Mapping[str, Any]) -> bool:
        """Return whether the Lease is held by us, unheld, or expired by our own clock."""
        version, now = text(metadata(found).get("resourceVersion")), self._clock.monotonic()
        if self._seen[0] != version:
            self._seen = (version, now)
        holder = text(mapping(found.get("spec")).get("holderIdentity"))
        return holder in ("", self._who) or now - self._seen[1] >= LEASE_SECONDS

    def _written(self, held: Held, history: History) -> dict[str, Any]:
        now = self._clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec, known = mapping(held.found.get("spec")), metadata(held.found)
        spec = {**spec, "holderIdentity": self._who, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": now}
        annotations = {**mapping(known.get("annotations")), HISTORY_KEY: write_history(history)}
        identity = {"name": f"{self._installation.name}-repair", "namespace": self._installation.namespace}
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {**known, **identity, "annotations": annotations},
            "spec": spec,
        }
