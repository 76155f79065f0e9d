"""What a user may not read, and who can help: for the end of an answer that is unknown."""

from collections.abc import Iterator, Mapping

from webhook.commands.shared.prediction import kind_word
from webhook.commands.shared.unread import POLICY
from webhook.view.node_facts_pods import NAME
from webhook.view.projections import FACTS_POD, KINDS

FORBIDDEN = "403"
VIEWERS_ROLE = "gpu-injector-viewers"


def rights_lines(unread: Mapping[str, str], instead: str, *, is_tried: bool) -> Iterator[str]:
    """Yield what to ask for; ``unread`` says of each kind why it could not be read. Nothing if no right is missing.

    ``instead`` is how a file of an administrator takes the place of the rights; ``is_tried`` says that a server-side
    dry-run was sent.
    """
    kinds = [kind for kind, why in unread.items() if FORBIDDEN in why.replace(":", " ").split()]
    if not kinds:
        return
    yield f"You may not read {', '.join(map(right_name, kinds))}. Ask an administrator for one of these:"
    yield f"  the ClusterRole {VIEWERS_ROLE} (Helm: viewerRole.create=true) and what docs/rbac.md lists with it"
    yield f"  {instead}"
    if not is_tried:
        yield "With the right to create pods in the namespace, the webhook itself answers, by a server-side dry-run."


def right_name(kind: str) -> str:
    """Return a kind of the view as RBAC and kubectl name it."""
    if kind == POLICY:
        return "configmap/gpu-injector of the installation"
    if kind == FACTS_POD.field:
        return f"daemonset/{NAME} and pods of the installation"
    names = dict.fromkeys(
        f"{resource.path.rpartition('/')[2]}{'.' + group if group else ''}"
        for (group, _), resource in KINDS.items()
        if resource.field == kind
    )
    return "|".join(names) or kind_word(kind)
