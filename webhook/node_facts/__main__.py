"""What runs in the pods of the DaemonSet: ``python -m webhook.node_facts report`` and ``... follow``.

``report`` is the init container, and ends with a report. It asks for all GPUs, so it shows what the node's
default runtime adds. ``follow`` ends as soon as the facts differ from those last reported, with the new ones.
"""

import argparse
import signal
import sys
import time
from pathlib import Path

from webhook.node_facts.facts_report import NodeFacts
from webhook.node_facts.host_files import read_added, read_facts

LOOK_SECONDS = 20.0


def main(arguments: list[str] | None = None) -> None:
    """Run one of the two. Raises OSError where the report cannot be written."""
    parser = argparse.ArgumentParser(prog="python -m webhook.node_facts", description=__doc__)
    parser.add_argument("what", choices=("report", "follow"))
    parser.add_argument(
        "--root", type=Path, default=Path("/"), help="for tests: the folder to read in place of the host's /"
    )
    parser.add_argument("--container", type=Path, default=Path("/"), help="for tests: the same for the container's /")
    parser.add_argument("--message", type=Path, default=Path("/dev/termination-log"), help="the termination message")
    parser.add_argument("--last", type=Path, default=Path("/facts/last"), help="where the last report is kept")
    options = parser.parse_args(arguments)
    # The first process of a container ignores signals that it does not handle.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    facts = read_facts(options.root)
    if options.what == "report":
        write_report(facts.with_runtime(added=read_added(options.container)), options.message, options.last)
        return
    while not has_changed(facts, options.last):
        time.sleep(LOOK_SECONDS)
        facts = read_facts(options.root)
    write_report(facts, options.message, options.last)


def has_changed(facts: NodeFacts, last: Path) -> bool:
    """Say whether the facts differ from those last reported. Without a last report they do."""
    try:
        before = NodeFacts.parse(last.read_text(encoding="utf-8"))
    except OSError:
        return True
    return before is None or before.with_runtime(added=None) != facts


def write_report(facts: NodeFacts, message: Path, last: Path) -> None:
    """Write a report as the termination message, and keep it for the next look."""
    text = facts.to_text()
    last.write_text(text, encoding="utf-8")
    message.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
