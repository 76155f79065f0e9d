"""A pod that is admitted without us is admitted with us. Proven by tests/sabotage/admission.toml."""

from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st
from support.admission_model import Surroundings, has_node, rejections, surroundings
from support.clusters import placed_pods
from support.patched import patched

from webhook.decide.decision import RequestInfo
from webhook.decide.workload.decide import decide
from webhook.policy.model import Policy

# An administrator who overrules or grants takes the risk, so neither is drawn.
POLICIES = st.builds(
    Policy,
    fallback=st.sampled_from(["auto", "on"]),
    devices=st.sampled_from(["plugin", "privileged"]),
    libraries=st.just(("libcuda.so.1", "libnvidia-ml.so.1", "libnvidia-ptxjitcompiler.so.1")),
)
# The last one selects other nodes than a class of the drawn clusters does.
SELECTED: list[dict[str, Any]] = [{}, {}, {"tolerations": [{"operator": "Exists"}]}, {"nodeSelector": {"zone": "b"}}]


@given(placed_pods() | placed_pods(st.sampled_from(SELECTED)), POLICIES, surroundings())
def test_a_pod_that_is_admitted_without_us_is_admitted_with_us(
    pod: dict[str, Any], policy: Policy, around: Surroundings
) -> None:
    """Quota, PodSecurity, policies, limits on tolerations, and the scheduler judge the patched pod."""
    assume(not list(rejections(pod, around)))
    result = patched(pod, decide(pod, RequestInfo("ml"), policy, around.view))
    assert list(rejections(result, around)) == []
    assert has_node(result, around.view) or not has_node(pod, around.view)
