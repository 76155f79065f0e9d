"""Placeholders in manifests that a tool replaces before they are applied, or a controller while it creates pods."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from webhook.kube.values import elements, items, mapping
from webhook.names import INJECT_KEY

# Of envsubst, Flux and OpenShift's templates.
VARIABLE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_.]*(:?[-=?+][^{}]*)?\}|\$\{\{[A-Za-z_][A-Za-z0-9_]*\}\}")
JINJA = re.compile(r"\{\{-?\s*[A-Za-z_][^{}]*\}\}|\{%[^{}]*%\}")
# The first words of what Argo, Kyverno and Katib replace themselves.
OWN_WORDS = re.compile(
    r"(\{\{-?\s*|\$\{)(inputs|outputs|workflow|steps|tasks|item|pod|node|retries|lastRetry|cronworkflow|loop"
    r"|request|element|images|trialParameters|trialSpec)\b"
)
PARAMETER = re.compile(r"\{\{|\$[({]")
SHOWN_LENGTH = 64
POD_FIELDS = ("runtimeClassName", "nodeSelector", "tolerations", "affinity", "hostUsers")
RESOURCE_LISTS = ("limits", "requests")
CONTAINERS = ("initContainers", "containers")


def is_parameter(quantity: object) -> bool:
    """Say whether a quantity is known only when something has replaced a placeholder."""
    return isinstance(quantity, str) and PARAMETER.search(quantity) is not None


def may_have_placeholders(text: str) -> bool:
    """Say whether a text has what placeholders begin with: most manifests have none."""
    return "${" in text or "{{" in text or "{%" in text


def without_variables(text: str) -> Iterator[str]:
    """Yield a text with words in place of its variables, then with nothing there; nothing for a text without any."""
    if VARIABLE.search(text):
        yield VARIABLE.sub("x", text)
        yield VARIABLE.sub("", text)


def unrendered(pod: Mapping[str, Any], namespace: str) -> str:
    """Return the first placeholder that a tool should have replaced where a decision reads it: in a pod, its namespace.

    Empty if there is none.
    """
    spec = mapping(pod.get("spec"))
    labels = mapping(mapping(pod.get("metadata")).get("labels"))
    read = [namespace, labels.get(INJECT_KEY), *(spec.get(word) for word in POD_FIELDS)]
    read += [mapping(one.get("resources")).get(word) for one in _containers(spec) for word in RESOURCE_LISTS]
    return next((found for text in _texts(read) if (found := _unrendered(text))), "")


def with_single_gpus(pod: Mapping[str, Any], is_gpu: Callable[[str], bool]) -> tuple[Mapping[str, Any], str]:
    """Return a pod with one GPU in place of each number of GPUs that is a parameter, and the first such parameter."""
    spec = mapping(pod.get("spec"))
    found = [
        quantity
        for one in _containers(spec)
        for word in RESOURCE_LISTS
        for name, quantity in mapping(mapping(one.get("resources")).get(word)).items()
        if is_gpu(name) and is_parameter(quantity)
    ]
    if not found:
        return pod, ""
    lists = {word: [_single(one, is_gpu) for one in elements(spec.get(word))] for word in CONTAINERS if spec.get(word)}
    return {**pod, "spec": {**spec, **lists}}, str(found[0])


def _containers(spec: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one for word in CONTAINERS for one in items(spec.get(word))]


def _single(container: Any, is_gpu: Callable[[str], bool]) -> Any:  # noqa: ANN401  any JSON
    resources = mapping(mapping(container).get("resources"))
    if not resources:
        return container
    lists = {
        word: {
            name: "1" if is_gpu(name) and is_parameter(quantity) else quantity
            for name, quantity in mapping(resources.get(word)).items()
        }
        for word in RESOURCE_LISTS
        if resources.get(word)
    }
    return {**container, "resources": {**resources, **lists}}


def _unrendered(text: str) -> str:
    found = VARIABLE.search(text) or JINJA.search(text)
    return " ".join(found[0].split())[:SHOWN_LENGTH] if found and not OWN_WORDS.match(found[0]) else ""


def _texts(values: Sequence[object]) -> Iterator[str]:
    """Yield all keys and texts in values."""
    waiting = list(reversed(values))
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, Mapping):
            waiting += [part for member in reversed(list(value.items())) for part in reversed(member)]
        elif isinstance(value, list):
            waiting += reversed(value)
