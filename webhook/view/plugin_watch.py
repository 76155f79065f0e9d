"""The observations of the plugin pods in a view, and the setbacks of our recipes."""

from collections.abc import Iterable
from dataclasses import replace

from webhook.observations.plugin_observation import Moment, observe
from webhook.observations.pod_start import PodEvent
from webhook.observations.setback_tracking import look_at_pods
from webhook.view.view import ClusterView, PluginPod


def with_observations(view: ClusterView, moment: Moment) -> ClusterView:
    """Return the view with what its plugin pods show at a moment; the same view if nothing is new."""
    observations = observe(view.observations, owned_pods(view), view.nodes or {}, moment)
    return view if observations is view.observations else replace(view, observations=observations)


def with_setbacks(view: ClusterView, events: Iterable[PodEvent], moment: Moment) -> ClusterView:
    """Return the view with the setbacks that its plugin pods show at a moment; the same view if nothing is new."""
    setbacks = look_at_pods(view.setbacks, owned_pods(view), view.nodes, events, moment)
    return view if setbacks is view.setbacks else replace(view, setbacks=setbacks)


def owned_pods(view: ClusterView) -> dict[str, PluginPod]:
    """Return the plugin pods of DaemonSets that exist: a user who may create pods may invent an owner."""
    owners = {(item.plugin.namespace, item.plugin.name, item.uid) for item in (view.daemon_sets or {}).values()}
    return {
        name: pod
        for name, pod in (view.plugin_pods or {}).items()
        if pod.owner and (pod.plugin.namespace, pod.owner_name, pod.owner) in owners
    }
