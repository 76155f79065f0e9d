"""Helm values that make the webhook unnecessary, as far as values can: which keys a chart has, only the chart knows."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from webhook.commands.eject.plan import Ejection
from webhook.commands.shared.prediction import PodVerdict
from webhook.commands.shared.yaml_text import yaml_text
from webhook.kube.metadata import labels_of, metadata
from webhook.kube.values import EMPTY, elements, mapping, text
from webhook.nvidia.known_plugins import CHART_LABEL, PLUGIN_COMMAND

RELEASE, RELEASE_NAMESPACE = "meta.helm.sh/release-name", "meta.helm.sh/release-namespace"
CLASS = "runtimeClassName"
HEAD = """\
# Made by `gpu-injector eject -o helm-values`: a document for each object, to be taken over into your values.
# Charts agree on no keys: `runtimeClassName` at the top is by convention, and the rest is for you to place.
# `helm show values CHART` lists what a chart has. Helm says nothing of a key that the chart does not know, so prove it,
# which must end with exit code 0:
#   helm template RELEASE CHART -f values.yaml | gpu-injector preview -f - -n NAMESPACE -o table
# A chart without such keys: `gpu-injector eject -o kustomize`, applied to what `helm template` prints.
"""
OF_PLUGIN = "NVIDIA's device plugin chart has the key `runtimeClassName`; it counts for all DaemonSets of the chart."
NOT_OF_PLUGIN = "NVIDIA's device plugin chart has no key for volumes, so values cannot say this. Take `-o kustomize`."
BY_CONVENTION = "By convention; see whether the chart has this key."
TO_PLACE = "Where the chart has a place for it (often extraEnv, extraVolumes, extraVolumeMounts, securityContext):"


def helm_values(ejections: Sequence[Ejection], notes: str) -> str:
    """Return the values of all objects; ``notes`` are comment lines that stand above them."""
    return HEAD + notes + "".join(f"---\n{''.join(_document(one))}" for one in ejections)


def _document(one: Ejection) -> Iterator[str]:
    yield f"# {one.summary}\n{_release(one.item)}"
    of_plugin = labels_of(one.item).get(CHART_LABEL) == PLUGIN_COMMAND
    parts: dict[str, Any] = {}
    for verdict in one.verdicts:
        parts |= _parts(verdict)
    if CLASS in parts:
        yield f"# {OF_PLUGIN if of_plugin else BY_CONVENTION}\n{yaml_text({CLASS: parts.pop(CLASS)})}"
    if parts:
        yield f"# {NOT_OF_PLUGIN if of_plugin else TO_PLACE}\n"
        yield "".join(f"#   {line}\n" for line in yaml_text(parts).splitlines())


def _release(item: Mapping[str, Any]) -> str:
    annotations = mapping(metadata(item).get("annotations"))
    name, namespace = text(annotations.get(RELEASE)), text(annotations.get(RELEASE_NAMESPACE))
    if not name:
        return "# No Helm release is known to have made it.\n"
    return " ".join(f"# Helm release {name}, namespace {namespace}".split()) + "\n"


def _parts(verdict: PodVerdict) -> dict[str, Any]:
    """Return what the pod's spec gains, by field; that of containers by the container's name."""
    spec = mapping(verdict.question.pod.get("spec"))
    parts: dict[str, Any] = {}
    for operation in verdict.decision.operations:
        _, _, *words = operation["path"].split("/")
        target, container = parts, EMPTY
        if words[0] in ("containers", "initContainers"):
            field, index, *words = words
            container = mapping(elements(spec.get(field))[int(index)])
            target = parts.setdefault(f"{field} {text(container.get('name'))}", {})
        _put(target, words, operation.get("value"), container)
    return parts


def _put(target: dict[str, Any], words: Sequence[str], value: object, container: Mapping[str, Any]) -> None:
    """Write down what one operation leaves in a spec; a field that it removes is null, which Helm takes for that."""
    match words:
        case [field, "-"]:
            target.setdefault(field, []).append(value)
        case ["env", index, "value"]:
            name = mapping(elements(container.get("env"))[int(index)]).get("name")
            target.setdefault("env", []).append({"name": name, "value": value})
        case [field, inner]:
            target.setdefault(field, {})[inner] = value
        case [field]:
            target[field] = value
