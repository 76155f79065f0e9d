"""Ask the API server what a new pod would get, by a server-side dry-run, where the user may not read the cluster.

Only pods whose verdict is unknown are tried, and only where the user may create pods. Nothing is stored
(``dryRun=All``). Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#dry-run
"""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import click

from webhook.commands.shared.prediction import DryRunAnswer, PodVerdict
from webhook.decide.decision import Decision, Reason, Verdict
from webhook.decide.pod import annotations
from webhook.decide.warning_text import WARNING_PREFIX
from webhook.kube.metadata import labels_of, metadata, name_of
from webhook.kube.values import items, mapping, text
from webhook.kube_client.api_error import ApiError
from webhook.kube_client.client import KubeClient
from webhook.names import DECISION_KEY

REVIEWS_PATH = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
NAME_PREFIX = "gpu-injector-preview-"
TRIED_AT_MOST, TRIED_AT_ONCE, TRIAL_SECONDS = 20, 4, 15
NO_PATCH = "a server-side dry-run shows the decision, not its patch"


async def with_tries(client: KubeClient, found: Sequence[PodVerdict]) -> list[PodVerdict]:
    """Return the verdicts; those that are unknown get the webhook's own answer, where the user may create pods."""
    bodies = {index: _new_pod(one) for index, one in enumerate(found) if _can_be_tried(one)}
    namespaces = {found[index].question.facts.namespace for index in bodies}
    allowed = {name for name in sorted(namespaces)[:TRIED_AT_MOST] if await _may_create_pods(client, name)}
    pods: dict[str, tuple[str, Mapping[str, Any]]] = {}
    keys: dict[int, str] = {}
    for index, body in bodies.items():
        namespace = found[index].question.facts.namespace
        if namespace in allowed:
            keys[index] = f"{namespace} {json.dumps(body, sort_keys=True)}"
            pods[keys[index]] = (namespace, body)
    limit = asyncio.Semaphore(TRIED_AT_ONCE)
    tried = list(pods)[:TRIED_AT_MOST]
    answers = dict(zip(tried, await asyncio.gather(*(_try(client, limit, *pods[key]) for key in tried)), strict=True))
    if len(pods) > len(tried):
        click.echo(f"Tried by a server-side dry-run: {len(tried)} of {len(pods)} pods", err=True)
    return [
        _answered(one, answers[key]) if (key := keys.get(index, "")) in answers else one
        for index, one in enumerate(found)
    ]


def _can_be_tried(one: PodVerdict) -> bool:
    """Say whether a new pod would get the same decision: an existing pod may have our patch already."""
    is_patched = not one.template and DECISION_KEY in annotations(one.question.pod)
    is_plugin = one.question.is_plugin
    return bool(one.unread) and one.is_whole_pod and one.question.concerns_gpus and not is_plugin and not is_patched


async def _may_create_pods(client: KubeClient, namespace: str) -> bool:
    """Ask for the right itself: a refused creation looks the same whether a right or a quota is missing."""
    wanted = {"namespace": namespace, "verb": "create", "resource": "pods"}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": wanted},
    }
    try:
        answer = await client.create(REVIEWS_PATH, body)
    except ApiError:
        return False
    return mapping(answer.get("status")).get("allowed") is True


async def _try(client: KubeClient, limit: asyncio.Semaphore, namespace: str, pod: Mapping[str, Any]) -> DryRunAnswer:
    path = f"/api/v1/namespaces/{quote(namespace, safe='')}/pods"
    async with limit:
        try:
            created, warnings = await client.try_create(path, pod, timeout_seconds=TRIAL_SECONDS)
        except ApiError as error:
            return DryRunAnswer(refusal=error.for_people)
        except TimeoutError:
            return DryRunAnswer(refusal=f"no answer within {TRIAL_SECONDS} seconds")
    ours = tuple(_unquoted(warning) for warning in warnings if WARNING_PREFIX in warning)
    return DryRunAnswer(text(annotations(created).get(DECISION_KEY)), warnings=ours)


def _unquoted(header: str) -> str:
    """Return the text of a Warning header, which is ``299 - "text"``."""
    return WARNING_PREFIX + header.partition(WARNING_PREFIX)[2].removesuffix('"').replace('\\"', '"')


def _answered(one: PodVerdict, answer: DryRunAnswer) -> PodVerdict:
    """Return the verdict with the answer; it stays unknown where the answer is no decision."""
    verdict, _, reason = answer.word.partition("/")
    try:
        decision = Decision(Verdict(verdict), Reason(reason), warnings=answer.warnings)
    except ValueError:
        return replace(one, dry_run=answer)
    changes = decision.verdict is not Verdict.LEAVE
    obstacle = NO_PATCH if changes else ""
    return replace(one, decision=decision, unread=(), steps=(), dry_run=answer, obstacle=obstacle, if_opted_in=None)


def _new_pod(one: PodVerdict) -> dict[str, Any]:
    """Return the pod that would be created, without what only an existing pod has."""
    pod = one.question.pod
    kept = {key: value for key, value in annotations(pod).items() if key != DECISION_KEY}
    spec = {key: value for key, value in mapping(pod.get("spec")).items() if key not in SET_LATER}
    volumes = [*items(spec.get("volumes")), *_claims(one.item)]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": NAME_PREFIX, "labels": dict(labels_of(pod)), "annotations": kept},
        "spec": {**spec, **({"volumes": volumes} if volumes else {})},
    }


# The scheduler sets the node; containers of `kubectl debug` cannot be created with the pod.
SET_LATER = ("nodeName", "ephemeralContainers")


def _claims(item: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    """Yield the volumes that the StatefulSet controller adds to the pods of a template."""
    if item.get("kind") != "StatefulSet":
        return
    for claim in items(mapping(item.get("spec")).get("volumeClaimTemplates")):
        name = text(metadata(claim).get("name"))
        yield {"name": name, "persistentVolumeClaim": {"claimName": f"{name}-{name_of(item)}-0"}}
