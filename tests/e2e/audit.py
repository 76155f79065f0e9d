"""What the API server's audit log tells about a decision."""

from e2e.control_plane import ControlPlane
from e2e.processes import until


def audited_decision(plane: ControlPlane, entry: str, pod: str, *, verb: str = "create") -> str:
    """Wait until the audit log tells what an entry decided about one request for a pod, and return that."""
    key = f"{entry}/decision"

    def told() -> str:
        requests = (event for event in plane.audit_events() if event["verb"] == verb)
        for_pod = (event for event in requests if event["objectRef"].get("name") == pod)
        return next((event["annotations"][key] for event in for_pod if key in event["annotations"]), "")

    return until(told, f"audit annotation {key} on {verb} of pod {pod}")
