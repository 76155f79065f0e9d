"""Our memory in a cluster: the webhook beside a real control plane, which sends it what it watches."""

import base64
import tempfile
from collections.abc import Iterator
from pathlib import Path

from e2e.control_plane import ControlPlane
from e2e.installation import Webhook, running_webhook

from .load import measure
from .plane import installed
from .process import Running, usage
from .review import WrongAnswerError, check_answer
from .rows import OURS, Bench, Row


def cluster(bench: Bench) -> Iterator[Row]:
    """Run a control plane and the webhook as its ServiceAccount, load the webhook directly, and read its memory.

    Builds the control plane where the end-to-end tests have not done so. Raises ServerError, LoadError, and
    WrongAnswerError where the webhook does not answer from what the API server told it.
    """
    bench.say("memory in a cluster")
    with tempfile.TemporaryDirectory(prefix="gpu-injector-bench-") as temporary:
        resident, peak = _measure(Path(temporary), bench)
    yield Row("clusterResidentMiB", "MiB in a cluster, at rest", {OURS: [resident]})
    yield Row("clusterPeakMiB", "MiB in a cluster, at most", {OURS: [peak]})


def _measure(folder: Path, bench: Bench) -> tuple[float, float]:
    with installed(folder, bench) as (plane, port), running_webhook(plane, port) as webhook:
        webhook.process.wait_until(lambda: _answers_right(plane, webhook, port, folder), "knows the cluster")
        pid = webhook.process.process.pid
        resident = usage(pid).resident_mib
        measure(Running(pid, port, ready_seconds=0), core=bench.cores[1], seconds=bench.seconds, folder=folder)
        return resident, usage(pid).peak_mib


def _answers_right(plane: ControlPlane, webhook: Webhook, port: int, folder: Path) -> bool:
    if webhook.read("/readyz") != b"ok\n":
        return False
    registration = plane.kubectl.get("mutatingwebhookconfiguration", "gpu-injector")
    authority = folder / "registered-ca.crt"
    authority.write_bytes(base64.b64decode(registration["webhooks"][0]["clientConfig"]["caBundle"]))
    try:
        check_answer(port, authority)
    except WrongAnswerError:
        # A watch may be a moment behind the objects that were just made; the caller's time limit ends the wait.
        return False
    return True
