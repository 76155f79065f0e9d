"""Our registration in the API server: the namespace of the Service in its entries."""

from collections.abc import Mapping
from typing import Any

from webhook.kube.values import EMPTY, items, mapping, text
from webhook.names import DEFAULT_NAMESPACE


def home_of(registration: Mapping[str, Any] | None) -> str:
    """Return the namespace of the Service in our registration; the default one if it names none."""
    entries = items((registration or EMPTY).get("webhooks"))
    services = (mapping(mapping(entry.get("clientConfig")).get("service")) for entry in entries)
    return next((text(service["namespace"]) for service in services if service.get("namespace")), DEFAULT_NAMESPACE)
