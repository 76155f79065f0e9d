"""The ConfigMap of the policy in an archive: the policy in one form, and whether the chart has node facts."""

from collections.abc import Mapping
from typing import Any

from webhook.kube.values import mapping, text
from webhook.view.facts_daemon_set import DISABLED, SETTING_KEY

POLICY_NAME, POLICY_KEY = "gpu-injector", "policy.yaml"


def keep_policy(item: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the ConfigMap of the policy, without comments and in one form; of others nothing."""
    from webhook.policy.load import PolicyError, parse_policy  # noqa: PLC0415 - reads YAML

    written = mapping(item.get("data")).get(POLICY_KEY)
    about = mapping(item.get("metadata"))
    if about.get("name") != POLICY_NAME or written is None:
        return None
    try:
        policy = parse_policy(text(written), POLICY_KEY)
    except PolicyError:
        return None
    plain = policy.model_dump_json(by_alias=True, exclude_defaults=True)
    kept = {"name": POLICY_NAME, "namespace": text(about.get("namespace"))}
    setting = {SETTING_KEY: DISABLED} if mapping(item["data"]).get(SETTING_KEY) == DISABLED else {}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": kept, "data": {POLICY_KEY: plain, **setting}}
