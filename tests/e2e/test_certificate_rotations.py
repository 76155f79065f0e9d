"""Rotations of the CA under constant pod creation: the API server never meets a leaf that its caBundle does not verify.

Two replicas of the real process are behind one address. They check and settle faster than by default (two options of
`serve`), which makes the handover harder, not easier: the API server gets 1.5 s to see a new caBundle, not a minute.
"""

import contextlib
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from certs.certificate import write_certificates
from certs.secret_content import Rotation, SecretContent
from e2e.conftest import FIGURES
from e2e.control_plane import ControlPlane
from e2e.pod_load import INJECTED, PodLoad, constant_load
from e2e.processes import until
from e2e.replicas import INSTALLATION, Replicas, two_replicas

pytestmark = pytest.mark.load

PODS_PER_SECOND = 60
# Differences between API servers show quickly; the newest version is tested longer.
ROTATIONS, REVOKED_EACH = {"1.33": 5, "1.37": 20}, 5
FAST = ("--look-seconds", "0.3", "--settle-seconds", "1.5", "--drain-seconds", "5")
# Long enough for a probe to fail and the EndpointSlices to follow: so many pods are created meanwhile.
PODS_UNNOTICED = 120

Report = Callable[[str], None]


@pytest.fixture
def report(record_property: Callable[[str, object], None]) -> Report:
    """Return what keeps a line of figures for the end of the run."""
    return partial(record_property, FIGURES)


@pytest.fixture
def scene(plane: ControlPlane, webhook_port: int) -> Iterator[Replicas]:
    """Run two replicas that look often."""
    with two_replicas(plane, webhook_port, *FAST) as running:
        yield running


@contextlib.contextmanager
def measured(scene: Replicas, report: Report, what: str) -> Iterator[tuple[PodLoad, dict[str, float]]]:
    """Run the load, and yield it with the failures that were counted meanwhile, filled in at the end."""
    before, failures = scene.failures(), dict[str, float]()
    with constant_load(scene.plane, scene.namespace, PODS_PER_SECOND) as load:
        yield load, failures
        rate = load.rate
    failures |= {name: count - before[name] for name, count in scene.failures().items()}
    counted = ", ".join(f"{name} {count:.0f}" for name, count in failures.items())
    report(f"{what}: {load.total} pods, {rate:.0f}/s, {dict(load.outcomes)}; {counted}")


NOTHING_FAILED = {
    "fail-open": 0,
    "rejected": 0,
    "certificates refused, by the API server": 0,
    "certificates refused, by the replicas": 0,
}


def test_rotations_of_the_ca_refuse_nobody(scene: Replicas, report: Report, minor: str, tmp_path: Path) -> None:
    """Every fifth revokes, so that the former authorities leave while pods are created; each pod is patched."""
    leaves = {scene.material().leaf.certificate}
    with measured(scene, report, f"{ROTATIONS[minor]} rotations") as (load, failures):
        for count in range(1, ROTATIONS[minor] + 1):
            rotate_once(scene, "graceful" if count % REVOKED_EACH else "revoke")
            leaves.add(scene.material().leaf.certificate)
    assert len(leaves) == ROTATIONS[minor] + 1
    assert set(load.outcomes) == {INJECTED}, load.refusals[:3]
    assert failures.pop("calls") >= load.total
    assert failures == NOTHING_FAILED
    assert_openssl_accepts(scene.material(), tmp_path)


def test_a_replica_that_ends_in_mid_rotation_refuses_nobody(scene: Replicas, report: Report) -> None:
    """SIGTERM between STAGE and SWITCH: it answers until its endpoint is gone, the other goes on with the rotation."""
    ending, other = scene.running
    with measured(scene, report, "SIGTERM in mid-rotation") as (load, failures):
        before = stage(scene)
        ending.process.process.terminate()
        until(lambda: b"draining" in ending.read("/readyz"), "it fails its probe")
        created = load.total
        until(lambda: load.total > created + PODS_PER_SECOND, "some pods are created before the endpoint is gone")
        scene.forwarder.endpoints.remove(ending.port)
        assert ending.process.process.wait(30) == 0
        until(lambda: scene.rotated(before, other), "the other replica ends the rotation")
    assert set(load.outcomes) == {INJECTED}, load.refusals[:3]
    assert failures.pop("calls") >= load.total
    assert failures == NOTHING_FAILED


def test_a_replica_that_is_killed_in_mid_rotation_costs_no_pod(scene: Replicas, report: Report) -> None:
    """Kill -9: what it had under way is created unpatched, which the API server counts, and nothing is rejected."""
    killed, other = scene.running
    with measured(scene, report, "kill -9 in mid-rotation") as (load, failures):
        before = stage(scene)
        killed.process.kill()
        created = load.total
        until(lambda: load.total > created + PODS_UNNOTICED, "some pods are created before the endpoint is gone")
        scene.forwarder.endpoints.remove(killed.port)
        until(lambda: scene.rotated(before, other), "the other replica ends the rotation")
        # From now on, everything is patched again.
        missed = load.outcomes["unpatched"]
        created = load.total
        until(lambda: load.total > created + PODS_PER_SECOND, "more pods are created")
        assert load.outcomes["unpatched"] == missed
    assert set(load.outcomes) <= {INJECTED, "unpatched"}, load.refusals[:3]
    assert failures["fail-open"] == load.outcomes["unpatched"]
    assert (failures["rejected"], failures["certificates refused, by the API server"]) == (0, 0)


def stage(scene: Replicas) -> SecretContent:
    """Ask for a rotation, wait for its first step, and return what the Secret held before."""
    before = scene.material()
    scene.ask("graceful")
    until(scene.staged, "the new authority is staged")
    return before


def rotate_once(scene: Replicas, rotation: Rotation) -> None:
    """Rotate, and wait until both replicas serve the new leaf; those that are revoked must leave, too."""
    before = scene.material()
    scene.ask(rotation)
    until(lambda: scene.rotated(before, *scene.running), "both replicas serve a leaf of the new authority")
    if rotation == "revoke":
        until(lambda: len(scene.material().bundle) == 1, "the former authorities left")


def assert_openssl_accepts(material: SecretContent, folder: Path) -> None:
    """Let OpenSSL judge what Go's verifier has judged all the while."""
    (folder / "ca.crt").write_bytes(write_certificates(material.bundle))
    (folder / "leaf.crt").write_bytes(material.leaf.certificate)
    strict = ("-x509_strict", "-purpose", "sslserver", "-verify_hostname", INSTALLATION.names[0])
    command: list[str | Path] = ["openssl", "verify", *strict, "-CAfile", folder / "ca.crt", folder / "leaf.crt"]
    subprocess.run(command, check=True, capture_output=True)
