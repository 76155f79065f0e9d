"""Objects of the API server, reduced to the fields that decisions and checks read, without secrets."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from webhook.archive.free_text import HIDDEN, scrub, words_of
from webhook.archive.kept_fields import (
    CONTAINER_LISTS,
    KINDS,
    SHARED_METADATA,
    WORKLOAD,
    WORKLOAD_SPEC,
    WORKLOADS,
    Keep,
    Shape,
)
from webhook.archive.kept_policy import POLICY_NAME, keep_policy
from webhook.archive.kept_reports import keep_reports
from webhook.archive.settings import paths_of, reduce_env, reduce_words
from webhook.kube.metadata import name_of, namespace_of
from webhook.kube.values import elements, items, mapping, text
from webhook.names import DECISION_KEY, ENTRY_SUFFIX, INJECT_KEY
from webhook.observations.stored_state import DATA_KEY, NAME_SUFFIX, state_of, write_state
from webhook.view.admission_controls import mentioned_fields
from webhook.view.default_runtime import ARGUMENT_ANNOTATIONS, FLAG, default_runtime
from webhook.view.dynamic_resources import required_drivers
from webhook.view.gpu_operator import SET_AS_DEFAULT
from webhook.view.toleration_limits import DEFAULTS_ANNOTATION, WHITELIST_ANNOTATION

Json = dict[str, Any]
DECISION = re.compile(r"[a-z]{1,20}/[a-z-]{1,60}")
DISTRIBUTION_PREFIX = "objectset.rio.cattle.io/"
MOST_HIDDEN = 200_000
LONGEST_SCALAR = 1024


@dataclass(slots=True)
class Reducer:
    """Reduces objects, and remembers the words that it took out: a message may repeat them."""

    hidden: set[str] = field(default_factory=set)

    def __call__(self, item: Mapping[str, Any]) -> Json | None:
        """Return what is kept of an object, None for a kind of which nothing is kept (Secrets, ConfigMaps)."""
        kind = text(item.get("kind"))
        if kind == "ConfigMap":
            return self._state(item) if DATA_KEY in mapping(item.get("data")) else keep_policy(item)
        shape = WORKLOAD if kind in WORKLOADS else {} if kind == "CronJob" else KINDS.get(kind)
        if shape is None:
            return None
        found: Json = {"apiVersion": text(item.get("apiVersion")), "kind": kind}
        if about := self._metadata(mapping(item.get("metadata"))):
            found["metadata"] = about
        kept: Json = self._kept(item, shape)
        keep_reports(kept, item)
        return found | kept | self._special(kind, item)

    def _state(self, item: Mapping[str, Any]) -> Json | None:
        """Return what the replicas remember together, of which each text is scrubbed; of other ConfigMaps nothing."""
        name, namespace = name_of(item), namespace_of(item)
        if name != f"{POLICY_NAME}{NAME_SUFFIX}":
            return None
        found = state_of(item)
        kept = {key: replace(one, text=self.text(one.text)) for key, one in found.setbacks.entries.items()}
        state = replace(found, setbacks=replace(found.setbacks, entries=kept))
        head = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}}
        return {**head, "data": {DATA_KEY: write_state(state)}}

    def text(self, value: str) -> str:
        """Return a text without credentials and without the words that were taken out."""
        return scrub(value, self.hidden)

    def hide(self, value: str) -> None:
        """Remember a value that was taken out."""
        if value != HIDDEN and len(self.hidden) < MOST_HIDDEN:
            self.hidden |= words_of(value)

    def _kept(self, value: object, shape: Shape) -> Any:  # noqa: ANN401 - any JSON
        if isinstance(shape, Mapping):
            known = mapping(value)
            parts = {key: self._kept(known[key], part) for key, part in shape.items() if known.get(key) is not None}
            return {key: part for key, part in parts.items() if part is not None}
        if isinstance(shape, list):
            return [self._kept(each, shape[0]) for each in elements(value)]
        match shape:
            case Keep.TEXT:
                return self.text(text(value))
            case Keep.MAP:
                return {key: _scalar(part) for key, part in mapping(value).items() if _scalar(part) is not None}
            case Keep.PRESENCE:
                return {}
            case _:
                return _scalar(value)

    def _metadata(self, about: Mapping[str, Any]) -> Json:
        found: Json = self._kept(about, SHARED_METADATA)
        if annotations := dict(_annotations(mapping(about.get("annotations")))):
            found["annotations"] = annotations
        if owners := list(_label_times(about)):
            found["managedFields"] = owners
        return found

    def _special(self, kind: str, item: Mapping[str, Any]) -> Json:
        """Return the top-level fields that need more than a shape, whole."""
        spec = mapping(item.get("spec"))
        if kind == "Pod":
            return {"spec": self._pod_spec(spec)}
        if kind in WORKLOADS:
            kept = self._kept(spec, WORKLOAD_SPEC)
            return {"spec": kept | {"template": self._template(spec.get("template"))}}
        if kind == "CronJob":
            template = mapping(mapping(spec.get("jobTemplate")).get("spec")).get("template")
            return {"spec": {"jobTemplate": {"spec": {"template": self._template(template)}}}}
        if kind.endswith("WebhookConfiguration"):
            return {"webhooks": [self._webhook(entry) for entry in items(item.get("webhooks"))]}
        if kind == "EndpointSlice":
            return {"endpoints": [self._endpoint(entry) for entry in items(item.get("endpoints"))]}
        rules = {
            "ClusterPolicy": _cluster_policy,
            "DeviceClass": _device_class,
            "ValidatingAdmissionPolicy": _admission_policy,
        }
        return {"spec": self._kept(spec, KINDS[kind]["spec"]) | rules[kind](spec)} if kind in rules else {}

    def _template(self, template: object) -> Json:
        found = mapping(template)
        about = self._metadata(mapping(found.get("metadata")))
        return {"metadata": about, "spec": self._pod_spec(mapping(found.get("spec")))}

    def _pod_spec(self, spec: Mapping[str, Any]) -> Json:
        found: Json = self._kept(spec, KINDS["Pod"]["spec"])
        paths = paths_of(spec)
        for name in CONTAINER_LISTS:
            for kept, container in zip(found.get(name, ()), elements(spec.get(name)), strict=False):
                kept.update(self._container(mapping(container), paths))
        return found

    def _container(self, container: Mapping[str, Any], paths: Collection[str]) -> Json:
        found: Json = {"image": self.text(text(container.get("image")))} if container.get("image") else {}
        if "env" in container:
            found["env"] = reduce_env(container["env"], paths, self.hide)
        for name in ("command", "args"):
            if name in container:
                found[name] = reduce_words(container[name], paths, self.hide)
        return found

    def _webhook(self, entry: Mapping[str, Any]) -> Json:
        found: Json = self._kept(entry, KINDS["MutatingWebhookConfiguration"]["webhooks"][0])
        if url := text(mapping(entry.get("clientConfig")).get("url")):
            found["clientConfig"] = found.get("clientConfig", {}) | {"url": _host_of(url)}
        ours = text(entry.get("name")).endswith(ENTRY_SUFFIX)
        conditions = [
            {"name": text(one.get("name")), "expression": text(one.get("expression")) if ours else HIDDEN}
            for one in items(entry.get("matchConditions"))
        ]
        return found | ({"matchConditions": conditions} if conditions else {})

    def _endpoint(self, entry: Mapping[str, Any]) -> Json:
        found: Json = self._kept(entry, {"conditions": {"ready": Keep.SCALAR}})
        return found | {"addresses": [HIDDEN for _ in elements(entry.get("addresses"))]}


def _scalar(value: object) -> object:
    if isinstance(value, str):
        return value[:LONGEST_SCALAR]
    return value if isinstance(value, bool | int | float) else None


def _annotations(annotations: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the annotations that a decision reads, rewritten to what it reads of them."""
    if DECISION.fullmatch(decision := text(annotations.get(DECISION_KEY))):
        yield DECISION_KEY, decision
    yield from ((key, "") for key in annotations if key.startswith(DISTRIBUTION_PREFIX))
    if runtime := default_runtime(annotations):
        words = reduce_words([FLAG, runtime], (), lambda _: None)
        yield next(key for key in ARGUMENT_ANNOTATIONS if key in annotations), json.dumps(words)
    for key in (WHITELIST_ANNOTATION, DEFAULTS_ANNOTATION):
        if key in annotations:
            yield key, _tolerations(text(annotations[key]))


def _tolerations(annotation: str) -> str:
    try:
        found = json.loads(annotation)
    except (ValueError, RecursionError):
        return HIDDEN
    names = ("key", "operator", "value", "effect")
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        return HIDDEN
    return json.dumps([{name: text(one[name]) for name in names if name in one} for one in found])


def _label_times(about: Mapping[str, Any]) -> Iterator[Json]:
    """Yield since when our label is on an object, as the managed fields tell."""
    for owner in items(about.get("managedFields")):
        labels = mapping(mapping(mapping(owner.get("fieldsV1")).get("f:metadata")).get("f:labels"))
        if f"f:{INJECT_KEY}" in labels:
            fields: Json = {"f:metadata": {"f:labels": {f"f:{INJECT_KEY}": {}}}}
            yield {"time": text(owner.get("time"))[:40], "fieldsV1": fields}


def _host_of(url: str) -> str:
    found = re.match(r"https?://(?:[^/@]{0,512}@)?([^/?#@]{1,253})", url)
    return f"https://{found[1]}" if found else HIDDEN


def _cluster_policy(spec: Mapping[str, Any]) -> Json:
    toolkit = mapping(spec.get("toolkit"))
    named = [entry for entry in items(toolkit.get("env")) if entry.get("name") in SET_AS_DEFAULT]
    enabled = {"enabled": toolkit["enabled"]} if isinstance(toolkit.get("enabled"), bool) else {}
    return {"toolkit": enabled | {"env": reduce_env(named, (), lambda _: None)}} if toolkit else {}


def _device_class(spec: Mapping[str, Any]) -> Json:
    """Keep of the selectors the driver that each of them requires."""
    expressions = [text(mapping(one.get("cel")).get("expression")) for one in items(spec.get("selectors"))]
    drivers = [driver for expression in expressions for driver in required_drivers(expression)]
    return {"selectors": [{"cel": {"expression": f"device.driver == {json.dumps(driver)}"}} for driver in drivers]}


def _admission_policy(spec: Mapping[str, Any]) -> Json:
    """Keep of the expressions which fields of a pod they mention."""
    found: Json = {}
    for name in ("validations", "variables", "matchConditions"):
        expressions = [text(one.get("expression")) for one in items(spec.get(name))]
        if expressions:
            found[name] = [
                {"expression": " ".join(f".{word}" for word in mentioned_fields(one))} for one in expressions
            ]
    return found
