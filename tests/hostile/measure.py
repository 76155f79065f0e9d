"""One input against one server: the wait of a small review beside it, the peak memory, and the answer."""

import statistics
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace

from hostile.corpus import MIB, REVIEW_BYTES, Input
from hostile.server import Probe, Server, post, status_of

BODY_BYTES = 7 * MIB
REPEATS = 3
# Of the largest size, and the limits themselves: worse inputs are often those that are just within one.
SHARES = (1.0, 0.3)
LIMITS = (240, 490, 990, 4900, 9900)
# Of the worst size that was found so.
NEAR = (0.7, 1.4)


@dataclass(frozen=True, slots=True)
class Measured:
    """The worst of one input: its size and bytes, the wait in ms (median of the repeats), MiB at most, the answer."""

    name: str
    kind: str
    size: int
    kib: int
    wait_ms: float
    busy_ms: float
    peak_mib: float
    answer: str

    def line(self) -> str:
        """Return it as a line."""
        cost = f"{self.wait_ms:>7.1f} ms {self.busy_ms:>7.1f} ms  {self.peak_mib:>6.1f} MiB"
        return f"{self.name:<50} {self.kind:<7} n={self.size:<8} {self.kib:>6} KiB  {cost}  {self.answer}"

    def to_json(self) -> dict[str, object]:
        """Return it as JSON."""
        return asdict(self)


def send(server: Server, probe: Probe, path: str, body: bytes) -> tuple[float, float, str]:
    """Send a body, and return the longest wait of a small review (in time, in processor time), and the answer."""
    connection = server.connect()
    since = time.perf_counter()
    with suppress(OSError):
        connection.sendall(post(path, body))
    answer = status_of(connection)
    connection.close()
    time.sleep(0.02)
    return *probe.longest_ms(since), answer


def measure(  # noqa: PLR0913 - each is another thing
    server: Server, probe: Probe, item: Input, size: int, kind: str, *, repeats: int = REPEATS
) -> Measured:
    """Measure one size of one input."""
    body = item.make(size)
    server.reset_peak()
    found = [send(server, probe, item.path, body) for _ in range(repeats)]
    wait = statistics.median(wait for wait, _, _ in found)
    busy = statistics.median(busy for _, busy, _ in found)
    return Measured(item.name, kind, size, len(body) // 1024, wait, busy, server.peak_mib(), found[-1][2])


def largest(server: Server, probe: Probe, item: Input) -> Iterator[Measured]:
    """Measure an input at its largest, as a review and as a body."""
    for kind, limit_bytes in (("review", REVIEW_BYTES), ("body", BODY_BYTES)):
        yield measure(server, probe, item, item.largest(limit_bytes), kind)


def worst(server: Server, probe: Probe, item: Input) -> Iterator[Measured]:
    """Grow an input, and yield the worst of it as a review of 1.5 MiB at most; then it at its largest."""
    most = item.largest(REVIEW_BYTES)
    sizes = {max(1, int(most * share)) for share in SHARES} | {limit for limit in LIMITS if limit < most}
    tried = [measure(server, probe, item, size, "review", repeats=1) for size in sorted(sizes)]
    # By processor time: what other programs took meanwhile says nothing about an input.
    top = max(tried, key=lambda one: one.busy_ms).size
    near = {max(1, min(most, int(top * share))) for share in NEAR} - sizes
    tried += [measure(server, probe, item, size, "review", repeats=1) for size in sorted(near)]
    result = measure(server, probe, item, max(tried, key=lambda one: one.busy_ms).size, "review")
    yield replace(result, peak_mib=max(one.peak_mib for one in (*tried, result)))
    yield measure(server, probe, item, item.largest(BODY_BYTES), "body")
