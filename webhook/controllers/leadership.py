"""The Lease under which one replica at a time writes the shared state, and deletes or evicts plugin pods.

It is taken and renewed by a write over the version that was read, so that two replicas never take it at once. The own
clock alone says whether it has expired: clocks of replicas may differ.
Source: https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/lease-v1/
"""

import asyncio
import math
from collections.abc import Mapping
from typing import Any

from certs.api import Installation
from webhook.kube.metadata import metadata
from webhook.kube.values import mapping, text
from webhook.kube_client.api_error import ApiError
from webhook.kube_client.client import KubeClient
from webhook.kube_client.clock import Clock

LEASE_SECONDS = 60
RENEW_SECONDS = 20


class Leadership:
    """The Lease of one installation, as one replica (``who``) sees it."""

    def __init__(self, client: KubeClient, installation: Installation, who: str, clock: Clock) -> None:
        self._client, self._who, self._clock = client, who, clock
        self._namespace, self._name = installation.namespace, f"{installation.name}-leader"
        self._leases = f"/apis/coordination.k8s.io/v1/namespaces/{self._namespace}/leases"
        self._seen: tuple[str, float] = ("", -math.inf)
        self._held_at = -math.inf
        # Several loops of this replica ask; one of them writes.
        self._lock = asyncio.Lock()

    async def hold(self) -> bool:
        """Take or renew the Lease; False while another replica holds it. Raises ApiError, UnauthorizedError, OSError.

        Between two renewals it is held without a request.
        """
        async with self._lock:
            return await self._take_or_renew()

    async def _take_or_renew(self) -> bool:
        now = self._clock.monotonic()
        if now - self._held_at < RENEW_SECONDS:
            return True
        found = await self._client.find(f"{self._leases}/{self._name}")
        if found and not self._is_free(found):
            self._held_at = -math.inf
            return False
        is_held = await self._write(found or {})
        self._held_at = now if is_held else -math.inf
        return is_held

    def _is_free(self, found: Mapping[str, Any]) -> bool:
        """Say whether the Lease is held by us, by no replica, or has expired by our own clock."""
        version, now = text(metadata(found).get("resourceVersion")), self._clock.monotonic()
        if self._seen[0] != version:
            self._seen = (version, now)
        holder = text(mapping(found.get("spec")).get("holderIdentity"))
        return holder in ("", self._who) or now - self._seen[1] >= LEASE_SECONDS

    async def _write(self, found: Mapping[str, Any]) -> bool:
        item = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {**metadata(found), "name": self._name, "namespace": self._namespace},
            "spec": {
                **mapping(found.get("spec")),
                "holderIdentity": self._who,
                "leaseDurationSeconds": LEASE_SECONDS,
                "renewTime": self._clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            },
        }
        try:
            if found:
                await self._client.replace(f"{self._leases}/{self._name}", item)
            else:
                await self._client.create(self._leases, item)
        except ApiError as error:
            if error.is_conflict or error.is_absent:
                return False
            raise
        return True
