"""What `make hostile` measured: as JSON, as the text of docs/performance.md, and what of it breaks the contract."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# Of the contract: ms that a small review may wait beside a review of 1.5 MiB, and beside any body or sender; MiB.
LIMITS = {"review": 100, "body": 500, "scene": 500, "peakMiB": 220}
SHOWN = 8

Written = Mapping[str, Any]


def as_json(settings: Mapping[str, object], runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what is written to build/hostile.json."""
    return {"settings": settings, "runs": list(runs)}


def broken(written: Written) -> Iterator[str]:
    """Yield what breaks the contract. Other programs on the machine are left out: processor time counts."""
    for run in written["runs"]:
        for row in (*run["inputs"], *run["scenes"]):
            where = f"{run['nodes']} nodes, {run['verdict']}: {row['name']} ({row['kind']})"
            if row["busy_ms"] > LIMITS[row["kind"]]:
                yield f"{where}: a small review waited {row['busy_ms']:.0f} ms"
            if row["peak_mib"] > LIMITS["peakMiB"]:
                yield f"{where}: {row['peak_mib']:.0f} MiB"
            if "refused" in row["answer"] or (row["kind"] == "scene" and ": 200" not in row["answer"]):
                yield f"{where}: {row['answer']}"


def as_markdown(written: Written) -> str:
    """Return the table of docs/performance.md: for each server the worst of each kind, and then the worst inputs."""
    lines = [f"Python {written['settings']['python']}, {written['settings']['processor']}.", ""]
    lines += ["| server | beside | worst input | waited ms | of that processor time | MiB at most |"]
    lines += ["| --- | --- | --- | ---: | ---: | ---: |"]
    for run in written["runs"]:
        for kind, word in (("review", "any review of 1.5 MiB"), ("body", "any body"), ("scene", "many senders")):
            if rows := [row for row in (*run["inputs"], *run["scenes"]) if row["kind"] == kind]:
                lines.append(_worst(run, word, rows))
    lines += ["", "The inputs beside which a small review waited longest, of all servers:", ""]
    lines += ["| input | size | KiB | waited ms | of that processor time | MiB at most | answer |"]
    lines += ["| --- | ---: | ---: | ---: | ---: | ---: | --- |"]
    every = [row for run in written["runs"] for row in run["inputs"]]
    lines += [_line(row) for row in sorted(every, key=lambda row: -row["busy_ms"])[:SHOWN]]
    count = len({row["name"] for row in every})
    return "\n".join([*lines, "", f"{count} inputs, each grown from a few bytes to its path's limit."]) + "\n"


def _worst(run: Mapping[str, Any], word: str, rows: Sequence[Mapping[str, Any]]) -> str:
    row = max(rows, key=lambda one: one["busy_ms"])
    peak = max(one["peak_mib"] for one in rows)
    cells = (f"{run['nodes']:,} nodes, {run['verdict']}", word, row["name"])
    return f"| {' | '.join(cells)} | {row['wait_ms']:.0f} | {row['busy_ms']:.0f} | {peak:.0f} |"


def _line(row: Mapping[str, Any]) -> str:
    cost = f"{row['wait_ms']:.0f} | {row['busy_ms']:.0f} | {row['peak_mib']:.0f}"
    return f"| {row['name']} ({row['kind']}) | {row['size']:,} | {row['kib']:,} | {cost} | {row['answer']} |"
