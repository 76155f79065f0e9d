"""500 generated pods: the API server accepts with the webhook what it accepts without."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from e2e.installation import Webhook
from e2e.kubectl import Kubectl, as_list
from e2e.namespaces import ENABLED, UNLABELLED
from e2e.pods import decision_of
from e2e.valid_pods import sample

PODS = 500
AT_ONCE = 100


def created(kubectl: Kubectl, pods: Sequence[dict[str, Any]], namespace: str) -> Iterator[dict[str, Any]]:
    """Create pods for nothing but the answer, and yield them as they would have been stored; none may be refused."""
    named = [
        {**pod, "metadata": {**pod["metadata"], "namespace": namespace, "name": f"generated-{number}"}}
        for number, pod in enumerate(pods)
    ]
    for start in range(0, len(named), AT_ONCE):
        some = as_list(named[start : start + AT_ONCE])
        yield from documents(kubectl.run("create", "--dry-run=server", "-o", "json", "-f", "-", stdin=some).stdout)


def documents(text: str) -> Iterator[dict[str, Any]]:
    """Yield the objects that kubectl printed one after the other."""
    decoder, rest = json.JSONDecoder(), text.lstrip()
    while rest:
        found, end = decoder.raw_decode(rest)
        yield found
        rest = rest[end:].lstrip()


def test_what_is_accepted_without_us_is_accepted_with_us(kubectl: Kubectl, webhook: Webhook) -> None:
    """And every one of them says what was decided."""
    pods = sample(PODS)
    assert len(pods) == PODS
    without = list(created(kubectl, pods, UNLABELLED))
    assert {decision_of(pod) for pod in without} == {None}
    before = webhook.calls()
    with_us = list(created(kubectl, pods, ENABLED))
    assert webhook.calls() >= before + PODS
    verdicts = Counter(str(decision_of(pod)) for pod in with_us)
    assert verdicts["inject/runtime-class"] > PODS // 10
    assert "None" not in verdicts
    # Pods with the author's own choice stay unchanged, except for the annotation.
    for mine, theirs in zip(with_us, without, strict=True):
        if decision_of(mine) == "leave/author-chose":
            assert _spec(mine) == _spec(theirs)


def _spec(pod: dict[str, Any]) -> dict[str, Any]:
    """Return a spec without the token's volume, whose name is chosen by chance."""
    spec: dict[str, Any] = pod["spec"]
    return {key: value for key, value in spec.items() if key not in ("volumes", "containers", "initContainers")}
