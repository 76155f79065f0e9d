"""What the replicas have stored of plugin pods, for commands: these show the decision that the webhook would make."""

from dataclasses import replace
from datetime import datetime

from webhook.controllers.state_store import current_state
from webhook.kube_client.api_error import ApiError
from webhook.kube_client.client import KubeClient
from webhook.observations.plugin_observation import Moment
from webhook.observations.stored_state import NO_STATE, StoredState, state_of, state_path
from webhook.policy.fingerprint import fingerprint
from webhook.policy.model import Policy
from webhook.view.plugin_watch import with_setbacks
from webhook.view.view import ClusterView


async def with_stored(client: KubeClient, home: str, view: ClusterView, policy: Policy, now: datetime) -> ClusterView:
    """Return a view with what is stored, and with the setbacks that plugin pods show now.

    A caller who may not read the state gets the second alone. Raises UnauthorizedError, OSError.
    """
    if not policy.setbacks.plugins:
        return view
    state = current_state(await _read(client, home), fingerprint(policy), now)
    observations = state.observations.updated(view.observations)
    known = replace(view, observations=observations, setbacks=state.setbacks)
    return with_setbacks(known, (), Moment(now, policy.is_gpu_resource))


async def _read(client: KubeClient, home: str) -> StoredState:
    try:
        found = await client.find(state_path(home))
    except ApiError:
        return NO_STATE
    return state_of(found) if found else NO_STATE
