"""All checks, in order. To add one, add it to the table of its category."""

from webhook.doctor.check import Category
from webhook.doctor.checks import check_coverage as coverage
from webhook.doctor.checks import check_events as events
from webhook.doctor.checks import check_installation as installation
from webhook.doctor.checks import check_nodes as nodes
from webhook.doctor.checks import check_plugin as plugin
from webhook.doctor.checks import check_providers as providers
from webhook.doctor.checks import check_registration as registration
from webhook.doctor.checks import check_runtime_class as runtime_class
from webhook.doctor.checks import check_setbacks as setbacks
from webhook.doctor.checks import check_workloads as workloads

CATEGORIES: tuple[Category, ...] = (
    setbacks.CATEGORY,
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
