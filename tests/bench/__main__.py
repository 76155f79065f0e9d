"""The command line of the benchmark: `make bench`, or `python -m tests.bench --help`."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import click
from rich.console import Console
from rich.progress import track

from .cluster import ClusterMemory, measure_in_cluster
from .load import CONNECTIONS, LoadError, measure
from .machine import RequirementError, describe_machine, require_programs, two_cores
from .process import ServerError, running, usage
from .report import Results, Run, as_json, print_report
from .review import WrongAnswerError, check_answer, compact_review
from .servers import SERVERS

WARM_UP_SECONDS = 1
CLUSTER = "cluster"

say = partial(click.echo, err=True)


@click.command(context_settings={"show_default": True})
@click.option("--runs", default=5, type=click.IntRange(min=1), help="Starts of each server; the table shows medians.")
@click.option("--seconds", default=5, type=click.IntRange(min=1), help="Load of each start, after a second to warm up.")
@click.option("--only", "wanted", multiple=True, type=click.Choice([*SERVERS, CLUSTER]), help="Leave out the others.")
@click.option("--json", "path", default="build/bench.json", type=click.Path(path_type=Path), help="Where figures go.")
def main(runs: int, seconds: int, wanted: Sequence[str], path: Path) -> None:
    """Measure the webhook on one core, beside a controller-runtime webhook in Go and nginx answering a constant.

    Then measure its memory in a cluster, beside a real control plane.
    """
    chosen = wanted or [*SERVERS, CLUSTER]
    try:
        require_programs()
        cores = two_cores()
        measured = run_all([name for name in SERVERS if name in chosen], cores, runs=runs, seconds=seconds)
        cluster = run_cluster(cores, seconds) if CLUSTER in chosen else None
    except (RequirementError, ServerError, WrongAnswerError, LoadError) as error:
        raise click.ClickException(str(error)) from error
    load = {"runs": runs, "seconds": seconds, "connections": CONNECTIONS, "body bytes": len(compact_review())}
    results = Results({**load, **describe_machine()}, measured, cluster)
    print_report(Console(), results)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(as_json(results), indent=2, ensure_ascii=False) + "\n")
    click.echo(f"written to {path}")


def run_all(names: Sequence[str], cores: tuple[int, int], *, runs: int, seconds: int) -> Mapping[str, Sequence[Run]]:
    """Measure every server as often as asked, in turns: what else the machine does meets all of them alike."""
    measured: dict[str, list[Run]] = {name: [] for name in names}
    turns = [name for _ in range(runs) for name in names]
    for name in track(turns, description="measuring", console=Console(stderr=True), transient=True):
        measured[name].append(run_once(name, cores, seconds))
    return measured


def run_once(name: str, cores: tuple[int, int], seconds: int) -> Run:
    """Start a server, see that it answers right, warm it up, load it, and end it.

    Raises ServerError, WrongAnswerError and LoadError, each with the server's name.
    """
    server_core, load_core = cores
    with tempfile.TemporaryDirectory(prefix="gpu-injector-bench-") as temporary:
        folder = Path(temporary)
        launch = SERVERS[name](folder)
        with running(launch, folder, core=server_core) as server:
            check_answer(server.port, launch.authority)
            at_rest = usage(server.pid).resident_mib
            measure(server.port, server.pid, core=load_core, seconds=WARM_UP_SECONDS, folder=folder)
            figures = measure(server.port, server.pid, core=load_core, seconds=seconds, folder=folder)
            return Run(server.ready_seconds, at_rest, usage(server.pid).peak_mib, figures)


def run_cluster(cores: tuple[int, int], seconds: int) -> ClusterMemory:
    """Measure our memory in a cluster. Raises ServerError, WrongAnswerError and LoadError."""
    say("measuring in a cluster")
    with tempfile.TemporaryDirectory(prefix="gpu-injector-bench-") as temporary:
        return measure_in_cluster(Path(temporary), core=cores[1], seconds=seconds, say=say)


main()
