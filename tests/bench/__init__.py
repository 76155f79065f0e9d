"""`make bench`: our webhook on one core, beside a controller-runtime webhook in Go and nginx's constant answer."""

import sys
from pathlib import Path

# `tests` is on pytest's path (pyproject.toml), where `e2e` is found; here that has to be said.
sys.path.insert(0, str(Path(__file__).parents[1]))
