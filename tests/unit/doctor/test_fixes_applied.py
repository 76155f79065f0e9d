"""After the fix the check passes: for each fix that can be done to a cluster without its nodes."""

from pathlib import Path

import pytest
from support.applied_fixes import apply
from support.doctor_cases import CASES, Case
from support.doctor_world import healthy, look

from webhook.doctor.check import State
from webhook.doctor.registry import CATEGORIES

CHECKS = {check.name: check for category in CATEGORIES for check in category.checks}
# What only a person at the node, a registry or a driver can do, and what is only looked at: no command of these fixes
# changes an object.
APPLICABLE = {
    *("class-exists-no_class", "class-scheduling-class_selects_others", "class-scheduling-class_selects_some"),
    *("foreign-entries-stolen_token", "foreign-entries-entry_turned", "gpu-nodes-no_gpu_node", "gpu-resources-renamed"),
    *("namespace-labels-misspelt_label", "namespaces-opted-in-nobody_opted_in", "nodes-ready-cordoned"),
    *("operator-provides-operator_by_cdi", "plugin-nvml-incident", "plugin-nvml-incident_of_017"),
    *("plugin-nvml-incident_without_label", "plugin-nvml-incident_elsewhere", "plugin-restart-made_before"),
    *("plugin-namespace-elsewhere", "plugin-left-alone-no_evidence", "plugin-left-alone-unknown_driver"),
    *("plugin-nvml-incident_without_us", "plugin-nvml-incident_with_emergency"),
    *("plugin-passes-devices-no_specs", "plugin-recognised-fork"),
    *("pods-class-class_is_gone", "pods-none-none", "pods-not-opted-in-other_namespace"),
    *("pods-user-namespaces-user_namespaces", "pods-leaking-leaking_sidecar", "pods-leaking-asks_for_all"),
    *("registered-entry_missing", "registration-drift-fails_closed", "registration-drift-slow"),
    *("registration-drift-called_for_all", "registration-drift-other_templates", "webhook-pods-scaled_away"),
    "webhook-pods-not_installed",
}


@pytest.mark.parametrize("case", [case for case in CASES if str(case) in APPLICABLE], ids=str)
async def test_after_the_fix_the_check_passes(case: Case, tmp_path: Path) -> None:
    """The printed commands and lines, done to the objects, mend what the check found."""
    cluster, check = healthy(), CHECKS[case.check]
    case.spoil(cluster)
    result = check.run(await look(cluster, tmp_path))
    assert result.state is case.state
    assert await apply(cluster, result.fix, tmp_path), result.fix
    after = check.run(await look(cluster, tmp_path))
    assert after.state is State.PASS, (result.fix, after)


def test_each_name_is_a_case() -> None:
    """A fix that is renamed does not drop out."""
    assert APPLICABLE - {str(case) for case in CASES} == set()
