"""What the replicas remember of patches that failed: the first thing to look at, as these nodes are not helped now."""

from collections.abc import Iterator

from webhook.doctor.check import Category, Check, Result, fails_on, passes, warns_on
from webhook.doctor.checks.check_heartbeat import heartbeat
from webhook.doctor.checks.check_workload_setbacks import workload_setbacks
from webhook.doctor.cluster_facts import ClusterFacts
from webhook.doctor.fact import known
from webhook.observations.setback import Setback, holds_on
from webhook.policy.fingerprint import fingerprint

MOUNTED = (
    "the driver is not where it was mounted: name its directory under `drivers` in the policy, or configure NVIDIA's "
    "runtime on {node} and create the RuntimeClass"
)
# Recipe -> what helps. A changed policy, and a reboot of the node, end a setback at once.
FIXES = {
    "runtime-class": "on {node}: nvidia-smi, and nvidia-ctk cdi list; correct the runtime of the RuntimeClass there, "
    "or set `bootstrap.recipe: nvml` in the policy",
    "driver-root": MOUNTED,
    "nvml": MOUNTED,
}
AGAIN = "; a change of the policy or a reboot of {node} ends the setback"


def plugin_setbacks(facts: ClusterFacts) -> Result:
    """No patch of a device plugin failed lately on a node that is still as it was."""
    state = known(facts.state)
    found = sorted(_current(facts), key=lambda one: one.at, reverse=True)
    troubles = [_line(one) for one in found]
    fix = (_fix(one) for one in found[:1])
    if any(not _serves(facts, one.key.node) for one in found):
        return fails_on(troubles, *fix)
    if state is None:
        return passes("the replicas have stored nothing yet")
    return warns_on(troubles, *fix, otherwise="none")


def _current(facts: ClusterFacts) -> Iterator[Setback]:
    """Yield the setbacks that count now: of this policy, not expired, and of nodes that did not change since."""
    state = known(facts.state)
    if state is None:
        return
    for found in state.setbacks.under(fingerprint(facts.policy)).as_of(facts.now).current():
        node = facts.node_facts.get(found.key.node)
        if node is not None and holds_on(found, node):
            yield found


def _line(found: Setback) -> str:
    key = found.key
    times = f" {found.repetitions} times" if found.repetitions > 1 else ""
    said = f": {' '.join(found.text.split())}" if found.text else ""
    return (
        f"DaemonSet {key.namespace}/{key.daemon_set} on {key.node}: recipe {key.recipe} failed{times} "
        f"({found.kind}){said}; not applied there before {found.until:%Y-%m-%d %H:%M} UTC"
    )


def _fix(found: Setback) -> str:
    fix = FIXES.get(found.key.recipe, "kubectl describe node {node}")
    return (fix + AGAIN).replace("{node}", found.key.node)


def _serves(facts: ClusterFacts, name: str) -> bool:
    node = facts.node_facts.get(name)
    return node is not None and facts.offers_gpus(node)


CATEGORY = Category(
    "setbacks and heartbeat",
    (
        Check("heartbeat", "the API server calls the webhook", heartbeat),
        Check("setbacks", "no patch of a device plugin failed on a node", plugin_setbacks),
        Check("setbacks-workloads", "no patch of a GPU pod failed", workload_setbacks),
    ),
)
