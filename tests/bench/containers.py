"""What one review costs when its pod has more containers."""

from collections.abc import Iterator

from .review import review_with_containers
from .review_costs import review_costs
from .rows import GO, OURS, Bench, Row
from .servers import SERVERS

COUNTS = (1, 10, 50)
COMPARED = {name: SERVERS[name] for name in (OURS, GO)}


def containers(bench: Bench) -> Iterator[Row]:
    """Measure processor time a request, ours and the Go webhook's. Raises ServerError, LoadError."""
    bodies = {count: review_with_containers(count) for count in COUNTS}
    for count, values in review_costs(bench, "containers", COMPARED, bodies).items():
        containers_word = "container" if count == 1 else "containers"
        yield Row(f"cpuMicrosecondsWith{count}Containers", f"CPU µs with {count} {containers_word}", values)
