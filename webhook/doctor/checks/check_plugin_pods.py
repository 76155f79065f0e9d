"""The pods of device plugins: whether they run, and what a pod that does not run waits for."""

from collections.abc import Mapping
from typing import Any

from webhook.doctor.api_reads import is_ready
from webhook.doctor.check import Result, fails_on, warns_on
from webhook.doctor.checks.check_plugin_log import matters
from webhook.doctor.checks.check_support import unwell_support
from webhook.doctor.cluster_facts import ClusterFacts
from webhook.doctor.fact import Unread
from webhook.doctor.failure_fixes import fix_for
from webhook.doctor.plugin_fixes import if_it_has_a_gpu
from webhook.doctor.pod_trouble import cause_of, running_init, trouble_of
from webhook.kube.metadata import full_name, name_of, namespace_of
from webhook.nvidia.failure_messages import failure_of


def running(facts: ClusterFacts) -> Result:
    """The plugin's pods run and are ready."""
    found = [(item, node, why) for item, node in facts.talking if (why := _unwell(item))]
    troubles = [f"{full_name(item)} on {node or 'no node'}: {why}" for item, node, why in found]
    # The static manifest runs on every node, and newer plugins end on one without a GPU.
    if found and not matters(facts, {node for _, node, _ in found}):
        return warns_on(troubles, if_it_has_a_gpu(found[0][1]))
    fix = (_fix_of_unwell(facts, item, node) for item, node, _ in found[:1])
    return fails_on(troubles, *fix, otherwise=f"{len(facts.talking)} pods")


def _unwell(item: Mapping[str, Any]) -> str:
    return trouble_of(item) or ("" if is_ready(item) else "not ready")


def _fix_of_unwell(facts: ClusterFacts, pod: Mapping[str, Any], node: str) -> str:
    """Return what helps a plugin pod: what its state names, or the pod that it waits for."""
    failure = failure_of(*cause_of(pod))
    if failure and (fix := fix_for(failure, namespace_of(pod))):
        return fix
    init = running_init(pod)
    if init and not isinstance(facts.support_pods, Unread):
        first = next((one for one in unwell_support(facts) if one.node == node), None)
        if first:
            return f"kubectl -n {namespace_of(first.pod)} logs {name_of(first.pod)} --all-containers   (see gpu-stack)"
    if init:
        return f"kubectl -n {namespace_of(pod)} logs {name_of(pod)} -c {init}"
    return f"kubectl -n {namespace_of(pod)} describe pod {name_of(pod)}"
