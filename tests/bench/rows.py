"""The benchmark's one table: rows that the sections yield, columns that stand for what is compared."""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

OURS, GO, NGINX = "gpu-injector", "controller-runtime", "nginx"
# A webhook in Go that reads only the uid: what any webhook costs.
FLOOR = "uid only, in Go"
POLICY, NOTHING = "admission policy", "no webhook"
COLUMNS = (OURS, GO, FLOOR, NGINX, POLICY, NOTHING)


@dataclass(frozen=True, slots=True)
class Row:
    """A row: its key in JSON, its heading, how values are written, and each column's values, one a run."""

    key: str
    heading: str
    values: Mapping[str, Sequence[float]]
    form: str = "{:,.0f}"

    def median(self, column: str) -> float:
        """Return the median of a column's runs."""
        return statistics.median(self.values[column])

    def cell(self, column: str) -> str:
        """Write a column's median, and below it the range, with rich's markup; nothing where it was not measured."""
        values = self.values.get(column)
        if not values:
            return ""
        written = [self.form.format(value) for value in (statistics.median(values), min(values), max(values))]
        return "{}\n[dim]{} - {}[/]".format(*written)


@dataclass(frozen=True, slots=True)
class Bench:
    """The settings of every section: how often, for how long, on which cores (server, load), and where to speak."""

    runs: int
    seconds: int
    cores: tuple[int, int]
    requests: int
    say: Callable[[str], None]


Section = Callable[[Bench], Iterator[Row]]
