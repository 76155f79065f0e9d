"""JSON values from the text of one YAML document, with bounded depth and bounded cost of aliases.

libyaml parses; this module builds the values from its events, several times faster than PyYAML's own constructor.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from webhook.kube.document_stream import start_after_bom
from webhook.kube.yaml_scalars import plain_value, tagged_value

if TYPE_CHECKING:
    import yaml

# Deeper than any Kubernetes object, and far from Python's own limit.
MAX_DEPTH = 128
# How many values all aliases of one document may stand for.
MAX_ALIASED_VALUES = 100_000
MERGE = object()


class YamlError(ValueError):
    """Text that is not one YAML document; ``line`` is counted from 0, within the text."""

    def __init__(self, problem: str, line: int) -> None:
        super().__init__(problem)
        self.problem = problem
        self.line = line


def yaml_value(text: str) -> tuple[Any, int] | None:
    """Return the value of a document and the line on which it begins; None for a text without a document.

    Raises YamlError, also for a second document.
    """
    import yaml  # noqa: PLC0415  only where files are read

    start = start_after_bom(text)
    parser, skipped = yaml.CSafeLoader(text[start:]), text.count("\n", 0, start)
    try:
        found = _Reader(parser).document()
        return found and (found[0], found[1] + skipped)
    except yaml.YAMLError as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        raise YamlError(problem or " ".join(str(error).split()), (mark.line if mark else 0) + skipped) from error
    finally:
        parser.dispose()


class _Reader:
    """Builds the value of the one document of a parser."""

    def __init__(self, parser: "yaml.CSafeLoader") -> None:
        self._parser = parser
        self._anchors: dict[str, Any] = {}
        self._budget = MAX_ALIASED_VALUES

    def document(self) -> tuple[Any, int] | None:
        import yaml  # noqa: PLC0415  as above

        found = None
        while (event := self._parser.get_event()) is not None:
            if isinstance(event, yaml.DocumentStartEvent):
                if found:
                    _fail("a second document without `---` before it", event)
                found = self._value()
        return found

    def _value(self) -> tuple[Any, int]:
        """Read one node, and all below it; iterative, as depth is up to the text."""
        import yaml  # noqa: PLC0415  as above

        get: Callable[[], Any] = self._parser.get_event
        scalar_event, end_events = yaml.ScalarEvent, (yaml.MappingEndEvent, yaml.SequenceEndEvent)
        root: list[Any] = []
        open_nodes: list[_Open] = []
        target, line = root, -1
        while True:
            event = get()
            kind = type(event)
            if line < 0:
                line = event.start_mark.line
            if kind is scalar_event:
                target.append(self._scalar(event))
            elif kind in end_events:
                done = open_nodes.pop()
                value = done.close()
                if done.anchor:
                    self._anchors[done.anchor] = value
                target = open_nodes[-1].values if open_nodes else root
                target.append(value)
            elif kind is yaml.AliasEvent:
                target.append(self._alias(event, len(open_nodes)))
            else:
                if len(open_nodes) >= MAX_DEPTH:
                    _fail(f"it is nested deeper than {MAX_DEPTH} levels", event)
                open_nodes.append(_Open(event, is_mapping=kind is yaml.MappingStartEvent))
                target = open_nodes[-1].values
            if not open_nodes:
                return root[0], line

    def _scalar(self, event: "yaml.ScalarEvent") -> Any:  # noqa: ANN401  any scalar, or MERGE
        text = event.value
        if event.implicit[0]:
            value = MERGE if text == "<<" else plain_value(text)
        elif event.implicit[1] or not event.tag:
            value = text
        else:
            try:
                value = tagged_value(event.tag, text)
            except ValueError as error:
                _fail(str(error), event)
        if event.anchor:
            self._anchors[event.anchor] = value
        return value

    def _alias(self, event: "yaml.AliasEvent", depth: int) -> Any:  # noqa: ANN401  any JSON
        if event.anchor not in self._anchors:
            _fail(f"the alias *{event.anchor} names no anchor before it", event)
        return self._copy(self._anchors[event.anchor], event, depth)

    def _copy(self, value: Any, event: "yaml.AliasEvent", depth: int) -> Any:  # noqa: ANN401  any JSON
        """Return a copy, so that a patch of one place does not change the other."""
        self._budget -= 1
        if self._budget < 0:
            _fail(f"its aliases stand for more than {MAX_ALIASED_VALUES} values", event)
        if depth > MAX_DEPTH:
            _fail(f"it is nested deeper than {MAX_DEPTH} levels", event)
        if isinstance(value, dict):
            return {key: self._copy(child, event, depth + 1) for key, child in value.items()}
        return [self._copy(child, event, depth + 1) for child in value] if isinstance(value, list) else value


class _Open:
    """A collection whose end has not been read; of a mapping, keys and values take turns."""

    __slots__ = ("anchor", "event", "is_mapping", "values")

    def __init__(self, event: "yaml.CollectionStartEvent", *, is_mapping: bool) -> None:
        self.event = event
        self.anchor = event.anchor
        self.is_mapping = is_mapping
        self.values: list[Any] = []

    def close(self) -> Any:  # noqa: ANN401  any JSON
        values = self.values
        if not self.is_mapping:
            return [None if value is MERGE else value for value in values] if MERGE in values else values
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key, value in zip(values[::2], values[1::2], strict=True):
            if type(key) is str:
                own[key] = "<<" if value is MERGE else value
            elif key is MERGE:
                for part in value if isinstance(value, list) else [value]:
                    if not isinstance(part, Mapping):
                        _fail("`<<` needs a mapping, or a list of mappings", self.event)
                    merged = {**part, **merged}
            else:
                own[key_text(key, self.event)] = value
        return {**merged, **own} if merged else own


def key_text(key: object, event: "yaml.Event") -> str:
    """Return a key as it is in JSON; raise YamlError for a key that is a collection."""
    if isinstance(key, bool):
        return "true" if key else "false"
    if key is None:
        return "null"
    if not isinstance(key, str | int | float):
        _fail("a key must be text, not a mapping or a list", event)
    return str(key)


def _fail(problem: str, event: "yaml.Event") -> NoReturn:
    raise YamlError(problem, event.start_mark.line if event.start_mark else 0)
