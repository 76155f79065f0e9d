"""The figures as a picture for the README: four of the rows, as bars."""

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")

from matplotlib import pyplot as plt

from .report import Results
from .rows import COLUMNS, OURS, Row

PANELS = (
    ("requestsPerSecond", "requests a second, one core (more is better)"),
    ("p99MillisecondsAt200", "p99 at 200/s, ms (less is better)"),
    ("addedMilliseconds", "added to a pod's creation, p50 ms (less is better)"),
    ("peakMiB", "memory at most, MiB (less is better)"),
)
OWN_COLOUR, PEER_COLOUR = "#76b900", "#8a94a6"

# The same figures make the same file: no date, no random names.
mpl.rcParams.update({"svg.hashsalt": "gpu-injector", "font.size": 9, "svg.fonttype": "none"})


def draw(results: Results, path: Path) -> None:
    """Write the chart as SVG; a row that was not measured is left out."""
    rows = [(results.rows[key], title) for key, title in PANELS if key in results.rows]
    if not rows:
        return
    figure, panels = plt.subplots(len(rows), 1, figsize=(7, 1.5 * len(rows)), layout="constrained", squeeze=False)
    for panel, (row, title) in zip(panels.flat, rows, strict=True):
        _bars(panel, row, title)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="svg", metadata={"Date": None})
    plt.close(figure)


def _bars(panel: Any, row: Row, title: str) -> None:  # noqa: ANN401 - matplotlib's Axes, which has no types here
    names = [column for column in reversed(COLUMNS) if row.values.get(column)]
    medians = [row.median(name) for name in names]
    spread = [[median - min(row.values[name]) for name, median in zip(names, medians, strict=True)]]
    spread += [[max(row.values[name]) - median for name, median in zip(names, medians, strict=True)]]
    colours = [OWN_COLOUR if name == OURS else PEER_COLOUR for name in names]
    bars = panel.barh(names, medians, xerr=spread, color=colours, height=0.6, ecolor="#444")
    panel.bar_label(bars, labels=[row.form.format(median) for median in medians], padding=8)
    panel.set_title(title, loc="left", fontsize=9)
    panel.spines[["top", "right"]].set_visible(False)
    panel.margins(x=0.2)
