"""`export mutating-admission-policy` on the real API server: for many pods its result is ours.

Where it is not, the comments of the output say so (tests/e2e/exported_pods.py).
"""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jsonpatch
import pytest
import yaml

from e2e.control_plane import ControlPlane
from e2e.direct_api import DirectApi
from e2e.exported_pods import CORPUS, STATED
from e2e.kubectl import Kubectl
from e2e.namespaces import DRY_RUN, ENABLED, INJECT, UNLABELLED
from e2e.pods import decision_of
from e2e.processes import until
from webhook.decide.decision import RequestInfo, Verdict
from webhook.decide.workload.decide import decide
from webhook.policy.load import parse_policy
from webhook.policy.model import Policy
from webhook.view.view import ClusterView, RuntimeClass

# 1.33 knows the kind only as an alpha that is off. The API server of 1.36.3 panics on the exported JSONPatch: its cel-go
# (0.26.0) cannot convert a list in a patch.
pytestmark = pytest.mark.parametrize("minor", ["1.37"], indirect=True, scope="session")
