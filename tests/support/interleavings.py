"""Every order in which replicas' requests can reach the API server, a crash between any two requests included.

Orders that differ only in requests that do not touch each other (two reads, two objects) are one: of these, one is gone
through. So is a crash after a read, which is a crash before it. The means are sleep sets (P. Godefroid, "Partial-Order
Methods for the Verification of Concurrent Systems", 1996): what was tried at a state need not be tried again after
something that does not touch it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from support.rotation_world import World

Choice = tuple[str, str]
# Method and path; empty for what reaches no server: a crash, and the end of a tick.
Request = tuple[str, str]
NOTHING: Request = ("", "")


@dataclass
class Run:
    """One order of events in one world: each replica ticks once; one of them may crash, and ticks again at the end."""

    world: World
    going: dict[str, Request] = field(default_factory=dict)
    crashed: bool = False
    sent: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.going = dict.fromkeys(self.world.replicas, NOTHING)
        self.world.listeners.append(lambda method, path: self.sent.append((method, path)))

    def choices(self) -> list[Choice]:
        """Return what may happen next, crashes first: they end soon."""
        changed = [name for name, (method, _) in self.going.items() if method != "GET" and not self.crashed]
        return [("crash", name) for name in changed] + [("step", name) for name in self.going]

    def do(self, choice: Choice) -> Request:
        """Let it happen; return the request that it sent."""
        what, name = choice
        before = len(self.sent)
        if what == "crash":
            self.crashed = True
            self.world.start(name)
            if self.going[name] != NOTHING:
                del self.going[name]
        elif self.world.step(name):
            del self.going[name]
        else:
            self.going[name] = self.sent[before]
            return self.sent[before]
        return NOTHING


@dataclass
class Node:
    """A state: how to get there, what need not be tried there, and what was tried, each with its request."""

    path: list[Choice]
    asleep: Mapping[Choice, Request]
    tried: dict[Choice, Request] = field(default_factory=dict)


def explore(prepare: Callable[[], World], conclude: Callable[[World], None]) -> int:
    """Go through every order from a prepared world, conclude each, and return how many there were."""
    orders = 0
    todo: list[tuple[Node, Choice]] = []
    run, node = Run(prepare()), Node([], {})
    while True:
        awake = [choice for choice in run.choices() if choice not in node.asleep]
        # The last is taken up first, and each knows what was tried before it.
        todo.extend((node, choice) for choice in reversed(awake))
        if not run.going:
            orders += 1
            conclude(run.world)
        if not todo:
            return orders
        parent, choice = todo.pop()
        if parent is not node:
            run = Run(prepare())
            for past in parent.path:
                run.do(past)
        node = _child(parent, choice, run.do(choice))


def _child(parent: Node, choice: Choice, request: Request) -> Node:
    asleep = {
        other: sent
        for other, sent in {**parent.asleep, **parent.tried}.items()
        if not _touch(choice, request, other, sent)
    }
    parent.tried[choice] = request
    return Node([*parent.path, choice], asleep)


def _touch(one: Choice, request: Request, other: Choice, sent: Request) -> bool:
    if one[1] == other[1] or one[0] == other[0] == "crash":
        return True
    (method, path), (other_method, other_path) = request, sent
    if "" in (method, other_method) or method == other_method == "GET":
        return False
    # A POST goes to the collection that the object is in.
    return path.startswith(other_path) or other_path.startswith(path)
