"""What one review costs by the size of its body: 3, 11 and 50 KiB."""

from collections.abc import Iterator

from .review import review_of_size
from .review_costs import review_costs
from .rows import FLOOR, GO, OURS, Bench, Row
from .servers import SERVERS, floor

KIB = (3, 11, 50)
COMPARED = {OURS: SERVERS[OURS], GO: SERVERS[GO], FLOOR: floor}


def sizes(bench: Bench) -> Iterator[Row]:
    """Measure processor time a request. Raises ServerError, LoadError."""
    for kib, values in review_costs(bench, "sizes", COMPARED, {kib: review_of_size(kib) for kib in KIB}).items():
        yield Row(f"cpuMicrosecondsOf{kib}KiB", f"CPU µs of a review of {kib} KiB", values)
