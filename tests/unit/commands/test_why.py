"""``why``: what the registration asks, judged as it stands in the cluster, and every row of today's decision."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from support.cluster_world import namespace, runtime_class
from support.doc_blocks import assert_shown, blocks
from support.fake_api import FakeApi

from webhook.__main__ import main
from webhook.commands.shared.json_output import JSON_VERSION
from webhook.names import DECISION_KEY
from webhook.policy.model import Policy
from webhook.registration.conditions import gpu_pods_condition, plugin_pods_condition
from webhook.registration.match import MatchCheck, checks, verdict

REGISTRATIONS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
INSTALL = Path(__file__).parents[3] / "deploy/install.yaml"
ENTRIES = {
    entry["name"].partition(".")[0]: entry
    for item in yaml.safe_load_all(INSTALL.read_text())
    if item and item["kind"] == "MutatingWebhookConfiguration"
    for entry in item["webhooks"]
}


def pod(quantity: object = "1", **metadata: Any) -> dict[str, Any]:  # noqa: ANN401  metadata of any kind
    """Return a pod of namespace ml."""
    container = {"name": "c", "resources": {"limits": {"nvidia.com/gpu": quantity}}} if quantity else {"name": "c"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "ml", **metadata},
        "spec": {"containers": [container]},
    }


def asked(entry: dict[str, Any], item: dict[str, Any], labels: dict[str, str] | None) -> dict[str, bool | None]:
    """Return what each check found."""
    return {check.name: check.holds for check in checks(entry, item, "ml", labels)}


@pytest.fixture
async def fake() -> AsyncIterator[FakeApi]:
    """Serve our registration as it is shipped, a namespace, a Deployment and one of its pods."""
    async with FakeApi() as api:
        api.put(runtime_class(), namespace("ml", **{"gpu-injector.io/inject": "enabled"}))
        api.put(
            {
                "apiVersion": "admissionregistration.k8s.io/v1",
                "kind": "MutatingWebhookConfiguration",
                "metadata": {"name": "gpu-injector"},
                "webhooks": list(ENTRIES.values()),
            }
        )
        template = {"metadata": {"labels": {"app": "d"}}, "spec": pod()["spec"]}
        deployment = {"selector": {"matchLabels": {"app": "d"}}, "template": template}
        metadata = {"name": "d", "namespace": "ml"}
        api.put({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": deployment})
        api.put(pod(labels={"app": "d"}, annotations={DECISION_KEY: "inject/runtime-class"}))
        yield api


def serve_ray(fake: FakeApi) -> None:
    """Add three custom kinds, one with a pod template and a pod, and an API group without any kind."""
    kinds = [
        {"name": "rayclusters", "kind": "RayCluster", "namespaced": True, "shortNames": ["rc-ray"]},
        {"name": "rayservices", "kind": "RayService", "namespaced": True},
        {"name": "queues", "kind": "Queue", "namespaced": False},
    ]
    versions = ("metrics.example.com/v1", "ray.io/v1")
    groups = [{"name": name.partition("/")[0], "preferredVersion": {"groupVersion": name}} for name in versions]
    fake.fault("/apis", status=200, body={"kind": "APIGroupList", "groups": groups})
    fake.fault("/apis/metrics.example.com/v1", status=200, body={"kind": "APIResourceList", "resources": []})
    fake.fault("/apis/ray.io/v1", status=200, body={"kind": "APIResourceList", "resources": kinds})
    own = {"namespace": "ml", "uid": "0-1"}
    head = {"headGroupSpec": {"template": {"spec": pod()["spec"]}}}
    cluster = {"apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": {**own, "name": "r"}, "spec": head}
    service = {"apiVersion": "ray.io/v1", "kind": "RayService", "metadata": {**own, "name": "s"}, "spec": {}}
    for path, item in (("rayclusters/r", cluster), ("rayservices/s", service)):
        fake.fault(f"/apis/ray.io/v1/namespaces/ml/{path}", status=200, body=item)
    owners = [{"apiVersion": "ray.io/v1", "kind": "RayCluster", "name": "r", "uid": "0-1", "controller": True}]
    fake.put(pod(name="r-head", ownerReferences=owners, annotations={DECISION_KEY: "inject/runtime-class"}))


async def why(fake: FakeApi, folder: Path, *arguments: str) -> Result:
    """Run the command in a thread of its own, as it brings its own loop."""
    command = ["why", "--kubeconfig", fake.kubeconfig(folder), "-n", "ml", *arguments]
    return await asyncio.to_thread(CliRunner().invoke, main, command)


async def test_a_deployment_is_explained(fake: FakeApi, tmp_path: Path) -> None:
    """Called, what its pods carry, and each row with its evidence; what comes after is named."""
    lines = (await why(fake, tmp_path, "deploy/d")).stdout.splitlines()
    assert lines[0] == "Deployment ml/d"
    assert "Would the webhook be called? yes (workloads.gpu-injector.io)" in lines
    assert "  p carries inject/runtime-class" in lines
    assert "What would be decided today? inject/runtime-class" in lines
    assert any("→ runtime class" in line and "RuntimeClass nvidia exists" in line for line in lines)
    assert lines[-5:] == ["    not reached: mixed, fallback", "", "What to do next?", "  nothing", ""]


async def test_the_output_is_that_of_the_document(fake: FakeApi, tmp_path: Path) -> None:
    """docs/preview.md shows it."""
    typed = "$ gpu-injector why deploy/d -n ml"
    (block,) = (one for one in blocks() if one.document_name == "docs/preview.md" and one.lines[0] == typed)
    printed = (await why(fake, tmp_path, "deploy/d")).stdout.splitlines()
    assert_shown(list(block.lines), iter([typed, *printed]), str(block))


async def test_json_has_the_same(fake: FakeApi, tmp_path: Path) -> None:
    """For scripts."""
    printed = json.loads((await why(fake, tmp_path, "pod/p", "-o", "json")).stdout)
    (answer,) = printed["explanations"]
    assert printed["version"] == JSON_VERSION
    assert answer["called"][0]["called"] is True
    assert answer["pods"] == [{"name": "p", "decision": "inject/runtime-class"}]
    assert (answer["verdict"], answer["reason"], answer["dryRun"]) == ("inject", "runtime-class", False)
    assert {row["tried"] for row in answer["rows"]} == {True, False}


async def test_a_namespace_that_is_not_labelled_is_the_answer(fake: FakeApi, tmp_path: Path) -> None:
    """The commonest cause: the API server never calls."""
    fake.put(namespace("ml"))
    result = await why(fake, tmp_path, "deployment/d")
    assert "Would the webhook be called? no" in result.stdout
    assert "gpu-injector.io/inject In (enabled, dry-run)" in result.stdout
    assert "What would be decided today? leave/not-opted-in" in result.stdout


async def test_what_may_not_be_read_is_unknown(fake: FakeApi, tmp_path: Path) -> None:
    """A namespace's viewer may not read registrations, and gets the rest."""
    fake.fault(REGISTRATIONS, status=403)
    result = await why(fake, tmp_path, "deploy/d")
    assert "Would the webhook be called? unknown" in result.stdout
    assert "the registrations are unknown: the API server answered 403" in result.stdout
    assert "inject/runtime-class" in result.stdout


@pytest.mark.parametrize("words", [("p",), ("pod/p",), ("pod", "p"), ("po", "p")])
async def test_an_object_is_named_as_for_kubectl(fake: FakeApi, tmp_path: Path, words: tuple[str, ...]) -> None:
    """A name alone is a pod's; kind and name are one word or two."""
    assert (await why(fake, tmp_path, *words)).stdout.splitlines()[0] == "Pod ml/p"


async def test_spaces_around_a_name_are_no_part_of_it(fake: FakeApi, tmp_path: Path) -> None:
    """They come with what is copied from a table."""
    assert (await why(fake, tmp_path, "pod/p ")).exit_code == 0
    assert (await why(fake, tmp_path, " p")).exit_code == 0


@pytest.mark.parametrize("words", [("pod", "a", "b"), ("pod/a", "b"), ("pod", "a/b")])
async def test_several_objects_are_a_mistake_of_usage(fake: FakeApi, tmp_path: Path, words: tuple[str, ...]) -> None:
    """One object at a time is explained."""
    result = await why(fake, tmp_path, *words)
    assert (result.exit_code, "name one object" in result.stderr) == (2, True)


async def test_another_user_can_be_asked_for(fake: FakeApi, tmp_path: Path) -> None:
    """As kubectl does: every request has the headers; a group alone says nothing."""
    asked = ("--as", "jane", "--as-group", "dev", "--as-group", "ops")
    assert (await why(fake, tmp_path, "p", *asked)).exit_code == 0
    assert fake.requests
    for request in fake.requests:
        assert request.headers["Impersonate-User"] == "jane"
        assert "Impersonate-Group" in request.headers
    assert (await why(fake, tmp_path, "p", "--as-group", "dev")).exit_code == 2


@pytest.mark.parametrize(
    ("thing", "message"),
    [
        ("pod/absent", "not found in namespace ml"),
        ("absent", "pod/absent: not found in namespace ml; another kind is named as KIND/NAME, such as deploy/absent"),
        ("pod/..", 'pod/..: ".." is not a name'),
        ("pod/p?watch=1", '"p?watch=1" is not a name'),
        ("sa/default", 'no kind "sa" that makes pods is known to the API server'),
        ("a/b/c", "name it as KIND/NAME"),
        ("/p", "name it as KIND/NAME"),
        ("raycluster/absent", "not found in namespace ml"),
        ("rayclusters.example.com/x", 'no kind "rayclusters.example.com" that makes pods is known'),
        ("queue/q", "is of no namespace"),
        ("rayservice/s", "has no pod template that could be found; name one of its pods instead: pod/NAME"),
    ],
)
async def test_what_is_not_there_is_an_error(fake: FakeApi, tmp_path: Path, thing: str, message: str) -> None:
    """Exit code 2."""
    serve_ray(fake)
    result = await why(fake, tmp_path, thing)
    assert (result.exit_code, message in result.stderr) == (2, True)


@pytest.mark.parametrize(
    "word",
    [
        "raycluster",
        "RayCluster",
        "rayclusters",
        "rc-ray",
        "rayclusters.ray.io",
        "rayclusters.v1.ray.io",
        "raycluster.v1.ray.io",
    ],
)
async def test_any_kind_is_found_as_kubectl_finds_it(fake: FakeApi, tmp_path: Path, word: str) -> None:
    """By what the API server says that it serves; each of its pod templates is explained, and its pods are known."""
    serve_ray(fake)
    answers = json.loads((await why(fake, tmp_path, f"{word}/r", "-o", "json")).stdout)["explanations"]
    assert [answer["template"] for answer in answers] == ["/spec/headGroupSpec/template"]
    assert {(answer["verdict"], answer["reason"]) for answer in answers} == {("inject", "runtime-class")}
    assert answers[0]["pods"] == [{"name": "r-head", "decision": "inject/runtime-class"}]


async def test_an_api_that_is_away_hides_its_own_kinds_alone(fake: FakeApi, tmp_path: Path) -> None:
    """An aggregated API server is often down for a while."""
    serve_ray(fake)
    fake.fault("/apis/metrics.example.com/v1", status=503)
    assert (await why(fake, tmp_path, "raycluster/r")).exit_code == 0


@pytest.mark.parametrize(
    ("item", "holds"),
    [
        (pod(), True),
        (pod("0"), False),
        (pod("0k"), False),
        (pod("2k"), True),
        (pod(1), True),
        (pod(None), False),
        ({"spec": {"containers": [], "initContainers": pod()["spec"]["containers"]}}, True),
    ],
)
def test_our_own_conditions_are_evaluated(item: dict[str, Any], holds: bool) -> None:  # noqa: FBT001
    """The CEL that we render for all resources, as the API server judges it."""
    entry = {"matchConditions": [{"name": "gpu", "expression": gpu_pods_condition(Policy())}]}
    assert asked(entry, item, {})["condition gpu"] is holds


@pytest.mark.parametrize(("value", "holds"), [("nvidia-device-plugin-ds", True), ("other", False)])
def test_the_plugins_condition_is_evaluated(value: str, holds: bool) -> None:  # noqa: FBT001
    """An "or" over labels."""
    entry = {"matchConditions": [{"name": "plugin", "expression": plugin_pods_condition(Policy())}]}
    assert asked(entry, pod(labels={"name": value}), {})["condition plugin"] is holds


@pytest.mark.parametrize(
    ("selector", "labels", "holds"),
    [
        ({}, {}, True),
        (None, None, True),
        ({"matchLabels": {"a": "b"}}, {"a": "b"}, True),
        ({"matchLabels": {"a": "b"}}, {"a": "c"}, False),
        ({"matchLabels": {"a": "b"}}, None, None),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["b"]}]}, {}, True),
        ({"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["ml"]}]}, {}, True),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, {}, False),
    ],
)
def test_selectors_are_judged(selector: Any, labels: dict[str, str] | None, holds: bool | None) -> None:  # noqa: ANN401, FBT001
    """As the API server does, the namespace's own name among its labels."""
    assert asked({"namespaceSelector": selector}, pod(), labels)["namespace selector"] is holds


@pytest.mark.parametrize("expression", ["object.spec.nonsense(", "nope(object)", "object.spec.absent == 1"])
def test_a_condition_that_cannot_be_evaluated_is_unknown(expression: str) -> None:
    """The registration was edited; we do not guess."""
    entry = {"matchConditions": [{"name": "odd", "expression": expression}]}
    assert asked(entry, pod(), {})["condition odd"] is None


def test_one_no_is_no_and_one_unknown_is_unknown() -> None:
    """A check that fails is enough."""
    yes, no, unknown = MatchCheck("a", True, ""), MatchCheck("b", False, ""), MatchCheck("c", None, "")
    assert [verdict([yes, yes]), verdict([yes, unknown]), verdict([unknown, no])] == [True, None, False]
