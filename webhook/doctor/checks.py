"""All checks, in the order in which they are read: a new one is a row of its category's table."""

from webhook.doctor import (
    coverage,
    events,
    installation,
    nodes,
    plugin,
    providers,
    registration,
    runtime_class,
    workloads,
)
from webhook.doctor.check import Category

CATEGORIES: tuple[Category, ...] = (
    installation.CATEGORY,
    registration.CATEGORY,
    nodes.CATEGORY,
    plugin.CATEGORY,
    providers.CATEGORY,
    runtime_class.CATEGORY,
    coverage.CATEGORY,
    workloads.CATEGORY,
    events.CATEGORY,
)
