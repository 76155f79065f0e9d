"""Changes to JSON that leave it JSON: blind changes of bytes hardly ever get past the parser."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import orjson

ODD: tuple[object, ...] = (
    *(None, True, 0, -1, 1e308, 2**63, [], {}, [[]], [None], [{}], {"": {}}, {"name": None}),
    *("", "0", "1k", "nvidia", "nvidia.com/gpu", "privileged", "a/b~c", "\u202e", "x" * 300),
    *("/usr/lib/x86_64-linux-gnu", "NVIDIA_VISIBLE_DEVICES", "inject/runtime-class", "mount/handler-missing"),
    *({"nvidia.com/gpu": "1"}, {"path": "/dev"}),
)


def mutated(data: bytes, limit: int, seed: int, blindly: Callable[[bytes, int], bytes]) -> bytes:
    """Return JSON with some places changed, within a limit of bytes; ``blindly`` changes what is no JSON."""
    chance = random.Random(seed)  # noqa: S311 - the fuzzer's
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError:
        return blindly(data, limit)
    if chance.random() < 0.05 or not isinstance(document, dict | list):
        return blindly(data, limit)
    for _ in range(chance.randint(1, 3)):
        _change(document, chance)
    try:
        changed = orjson.dumps(document)
    except orjson.JSONEncodeError:
        return data
    return changed if len(changed) <= limit else data


def _change(document: Any, chance: random.Random) -> None:  # noqa: ANN401 - JSON
    places = list(_places(document))
    if not places:
        return
    parent, key = chance.choice(places)
    match chance.randrange(5):
        case 0:
            # A copy: the next change may be made in it.
            parent[key] = orjson.loads(orjson.dumps(chance.choice(ODD)))
        case 1:
            del parent[key]
        case 2 if isinstance(parent, list):
            parent.append(orjson.loads(orjson.dumps(parent[key])))
        case 3:
            other, name = chance.choice(places)
            parent[key] = orjson.loads(orjson.dumps(other[name]))
        case _ if isinstance(parent, dict):
            parent[str(chance.choice(ODD))] = parent.pop(key)


def _places(document: Any) -> Iterator[tuple[Any, Any]]:  # noqa: ANN401 - JSON
    # A stack, since the fuzzer soon nests deeper than Python's calls.
    waiting = [document]
    while waiting:
        parent = waiting.pop()
        items = parent.items() if isinstance(parent, dict) else enumerate(parent)
        for key, child in items:
            yield parent, key
            if isinstance(child, dict | list):
                waiting.append(child)
