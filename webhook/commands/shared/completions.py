"""What the shell completes: names of the kubeconfig and the cluster, reasons, and files; nothing after a failure."""

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from webhook.commands.shared.cluster import Target

NAMES_AT_MOST = 500
# After a key is pressed, no answer is better than a long wait. A plugin ends before the limit for everything.
SECONDS, LOGIN_SECONDS = 2.0, 1.5


def namespaces(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the namespaces of the cluster."""
    return _starting(_listed(_target(ctx), "/api/v1/namespaces"), incomplete)


def contexts(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the contexts of the kubeconfig."""
    from webhook.kube_client.kubeconfig import context_names

    file = ctx.params.get("kubeconfig")
    try:
        return _starting(context_names(str(file) if file else None), incomplete)
    except OSError:
        return []


def pods(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the pods of the namespace, as the word begins: NAME or pod/NAME."""
    before, slash, begun = incomplete.rpartition("/")
    words = list(ctx.params.get("words") or ())
    kind = words[0] if len(words) == 1 and not slash else before if slash else "pod"
    if kind not in ("pod", "pods", "po") or len(words) > 1:
        return []
    target = _target(ctx)
    try:
        namespace = ctx.params.get("namespace") or target.namespace()
    except click.ClickException:
        return []
    return [before + slash + name for name in _starting(_listed(target, f"/api/v1/namespaces/{namespace}/pods"), begun)]


def reasons(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the reasons of decisions."""
    from webhook.decide.decision import Reason

    return _starting(Reason, incomplete)


def verdicts(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the verdicts."""
    from webhook.decide.decision import Verdict

    return _starting(Verdict, incomplete)


def files(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Let the shell complete a file."""
    return [CompletionItem(incomplete, type="file")]


def _starting(names: Iterable[str], begun: str) -> list[str]:
    return sorted(str(name) for name in names if name.startswith(begun))


def _target(ctx: click.Context) -> "Target":
    from webhook.commands.shared.cluster import Target
    from webhook.kube_client.exec_plugin import Unattended

    given = ctx.params
    groups = tuple(given.get("as_groups") or ())
    user = given.get("as_user")
    return Target(given.get("kubeconfig"), given.get("context"), user, groups, Unattended(LOGIN_SECONDS))


def _listed(target: "Target", path: str) -> list[str]:
    from webhook.commands.shared.cluster import api_server
    from webhook.kube.metadata import name_of
    from webhook.kube.values import items

    async def names() -> list[str]:
        async with asyncio.timeout(SECONDS), api_server(target) as client:
            page = await client.get(f"{path}?limit={NAMES_AT_MOST}", timeout_seconds=SECONDS)
            return [name_of(item) for item in items(page.get("items"))]

    try:
        return asyncio.run(names())
    except (click.ClickException, TimeoutError):
        return []
