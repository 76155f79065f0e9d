"""``export``: its output. tests/e2e shows that the API server accepts it and does the same."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from e2e.exported_pods import CORPUS, STATED

from webhook.__main__ import main
from webhook.decide.decision import Reason, RequestInfo
from webhook.decide.workload.decide import decide
from webhook.names import INJECT_KEY
from webhook.policy.model import Policy
from webhook.registration.admission_policy import admission_policy, limits
from webhook.registration.conditions import gpu_pods_condition
from webhook.view.view import ClusterView, RuntimeClass

CLASSES = {"nvidia": RuntimeClass("nvidia", "nvidia")}


def export(tmp_path: Path, policy: str) -> Result:
    """Run the command with a policy."""
    (tmp_path / "policy.yaml").write_text(policy)
    return CliRunner().invoke(main, ["export", "mutating-admission-policy", "--policy", str(tmp_path / "policy.yaml")])


def test_the_output_is_two_objects_and_what_they_cannot(tmp_path: Path) -> None:
    """The text can be applied unchanged; every limit is a comment."""
    result = export(tmp_path, "runtimeClass: gpu\n")
    policy, binding = yaml.safe_load_all(result.stdout)
    assert (policy, binding) == admission_policy(Policy(runtime_class="gpu"))
    assert all(f"#   {line}" in result.stdout.splitlines() for line in limits(Policy()))
    assert binding["spec"]["paramRef"] == {"name": "gpu", "parameterNotFoundAction": "Allow"}
    assert '"/spec/runtimeClassName", value: "gpu"' in policy["spec"]["mutations"][0]["jsonPatch"]["expression"]


def test_the_condition_is_the_registrations() -> None:
    """One rendering of what a GPU pod is."""
    policy = Policy(resources=("nvidia.com/gpu",))
    conditions = admission_policy(policy)[0]["spec"]["matchConditions"]
    assert conditions[0] == {"name": "gpu", "expression": gpu_pods_condition(policy)}


@pytest.mark.parametrize(
    ("policy", "selector"),
    [
        (Policy(), {"matchLabels": {"gpu-injector.io/inject": "enabled"}}),
        (
            Policy(opt_out=True),
            {
                "matchExpressions": [
                    {"key": "gpu-injector.io/inject", "operator": "NotIn", "values": ["disabled", "dry-run"]},
                    {
                        "key": "kubernetes.io/metadata.name",
                        "operator": "NotIn",
                        "values": ["kube-node-lease", "kube-public", "kube-system"],
                    },
                ]
            },
        ),
    ],
)
def test_namespaces_opt_in_or_out(policy: Policy, selector: dict[str, Any]) -> None:
    """As the policy says; a limit states what a selector cannot express."""
    assert admission_policy(policy)[0]["spec"]["matchConstraints"]["namespaceSelector"] == selector
    assert any("has another value" in line for line in limits(policy)) is policy.opt_out


def reasons_in_cel() -> set[Reason]:
    """Return the reasons of the pods for which tests/e2e compares the real API server with the webhook."""
    compared = [(written, "enabled", CLASSES) for name, written in CORPUS.items() if name not in STATED]
    # As in its tests of other namespaces, of a class that is gone, and of one with overhead.
    compared += [(CORPUS["gpu-side"], "", CLASSES), (CORPUS["gpu-side"], "enabled", {})]
    compared += [(CORPUS["gpu-side"], "enabled", {"nvidia": RuntimeClass("nvidia", "nvidia", overhead={"cpu": "1m"})})]
    views = ((written, ClusterView(classes, {"ml": {INJECT_KEY: label}})) for written, label, classes in compared)
    return {decide(written, RequestInfo("ml"), Policy(), view).reason for written, view in views}


def test_every_reason_is_in_cel_or_listed_as_a_limit() -> None:
    """A new reason is either expressed in CEL or listed as a limit."""
    words = set(re.findall(r"[a-z-]+", " ".join(limits(Policy()))))
    said = reasons_in_cel()
    assert Reason.RUNTIME_CLASS in said
    assert {reason for reason in Reason if reason not in said and reason.value not in words} == set()


def test_a_dry_run_cannot_be_exported(tmp_path: Path) -> None:
    """Such a policy patches nothing, and this one cannot warn."""
    result = export(tmp_path, "dryRun: true\n")
    assert (result.exit_code, "dryRun: true" in result.stderr) == (2, True)
