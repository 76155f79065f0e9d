"""Decisions in the API server's audit log."""

from e2e.control_plane import ControlPlane
from e2e.processes import until


def audited_decision(plane: ControlPlane, entry: str, pod: str, *, verb: str = "create") -> str:
    """Wait for an entry's decision on one request for a pod in the audit log, and return it."""
    key = f"{entry}/decision"

    def told() -> str:
        requests = (event for event in plane.audit_events() if event["verb"] == verb)
        for_pod = (event for event in requests if event["objectRef"].get("name") == pod)
        return next((event["annotations"][key] for event in for_pod if key in event["annotations"]), "")

    return until(told, f"audit annotation {key} on {verb} of pod {pod}")
