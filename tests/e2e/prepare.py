"""Build and install before the first test: no test's timeout runs yet, and the progress is shown."""

from collections.abc import Callable

import pytest

from e2e.binaries import BuildError, Report
from e2e.node.packages import PackagesError


def prepare(session: pytest.Session, provide: Callable[[Report], None]) -> None:
    """Let ``provide`` build or install, with a line to the terminal for each; end the run where that fails."""
    terminal = session.config.get_terminal_writer()

    def report(line: str) -> None:
        terminal.line(line)
        terminal.flush()

    try:
        provide(report)
    except (BuildError, PackagesError) as error:
        pytest.exit(str(error), returncode=pytest.ExitCode.INTERNAL_ERROR)
