"""The command line of the benchmark: `make bench`, or `python -m tests.bench --help`."""

import json
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import click
from e2e.installation import PROGRAM
from rich.console import Console

from .chart import draw
from .cluster import cluster
from .containers import containers
from .creation import creation
from .endurance import endurance
from .facts_cost import node_reports
from .image import image
from .image_python import use_image
from .load import CONNECTIONS, LoadError
from .machine import RequirementError, describe_machine, require_programs, two_cores
from .process import ServerError
from .rates import rates
from .report import Results, as_json, print_report
from .review import WrongAnswerError, compact_review
from .rows import Bench, Section
from .scale import scale
from .sizes import sizes
from .throughput import throughput

SECTIONS: Mapping[str, Section] = {
    "throughput": throughput,
    "rates": rates,
    "containers": containers,
    "sizes": sizes,
    "creation": creation,
    "cluster": cluster,
    "scale": scale,
    "node-facts": node_reports,
    "image": image,
    "endurance": endurance,
}


@click.command(context_settings={"show_default": True})
@click.option("--runs", default=5, type=click.IntRange(min=1), help="Runs of everything; the table shows medians.")
@click.option("--seconds", default=5, type=click.IntRange(min=1), help="Load of each run, after a second to warm up.")
@click.option("--requests", default=1_000_000, type=click.IntRange(min=1), help="Requests of the endurance section.")
@click.option("--only", "wanted", multiple=True, type=click.Choice([*SECTIONS]), help="Leave out the others.")
@click.option("--output", default="build", type=click.Path(path_type=Path), help="Folder for bench.json and bench.svg.")
def main(runs: int, seconds: int, requests: int, wanted: Sequence[str], output: Path) -> None:
    """Measure the webhook on one core, beside a controller-runtime webhook in Go and nginx answering a constant.

    Then measure what each adds to the creation of pods on a real API server, and our memory beside it. Ours runs with
    the Python of the released image; GPU_INJECTOR_PROGRAM names another program.
    """
    try:
        require_programs()
        bench = Bench(runs, seconds, two_cores(), requests, say=partial(click.echo, err=True))
        python = {} if PROGRAM in os.environ else {"python": use_image(bench.say)}
        load = {"runs": runs, "seconds": seconds, "connections": CONNECTIONS, "body bytes": len(compact_review())}
        results = Results({**load, **describe_machine(), **python}, {})
        for name in wanted or SECTIONS:
            results.rows.update({row.key: row for row in SECTIONS[name](bench)})
            # It takes half an hour in all: what was measured outlives what fails later.
            _write(results, output)
    except (RequirementError, ServerError, WrongAnswerError, LoadError) as error:
        raise click.ClickException(str(error)) from error
    print_report(Console(), results)
    click.echo(f"written to {output}/bench.json and {output}/bench.svg")


def _write(results: Results, output: Path) -> None:
    output.mkdir(parents=True, exist_ok=True)
    (output / "bench.json").write_text(json.dumps(as_json(results), indent=2, ensure_ascii=False) + "\n")
    draw(results, output / "bench.svg")


main()
