"""The AdmissionReview of the load, and what every webhook under test must make of it.

review.json is what Kubernetes 1.37.2 sent to a webhook for a pod of a Deployment with three containers. The managed
fields in it are no mistake: the API server records them before it asks webhooks, on CREATE too.
"""

import base64
import copy
import http.client
import json
import ssl
from pathlib import Path
from typing import Any

import jsonpatch

REVIEW = Path(__file__).with_name("review.json")
WEBHOOK_PATH = "/mutate/workloads?timeout=3s"
DECISION = "inject/runtime-class"


class WrongAnswerError(RuntimeError):
    """A server does not do what is measured, so that its figures would mean nothing."""


def compact_review() -> bytes:
    """Return the review as the API server sends it: JSON without white space."""
    return json.dumps(json.loads(REVIEW.read_bytes()), separators=(",", ":")).encode()


def review_with_containers(count: int) -> bytes:
    """Return the review with so many containers: the one that requests a GPU, and copies of its log shipper."""
    review = json.loads(REVIEW.read_bytes())
    spec = review["request"]["object"]["spec"]
    trainer, shipper, *_ = spec["containers"]
    spec["containers"] = [trainer, *({**shipper, "name": f"shipper-{number}"} for number in range(1, count))]
    return json.dumps(review, separators=(",", ":")).encode()


def review_of_size(kib: int) -> bytes:
    """Return the review with a pod of about this size: small, as it was sent, or with copies of its log shipper."""
    whole = compact_review()
    if len(whole) >= kib * 1024 + 512:
        return _small_review()
    count = 3
    while len(body := review_with_containers(count)) < kib * 1024:
        count += 1
    return body


def _small_review() -> bytes:
    """Return the review of a pod as small as people write them: one container, few fields, nothing recorded."""
    review = json.loads(REVIEW.read_bytes())
    pod = review["request"]["object"]
    del pod["metadata"]["managedFields"]
    trainer = pod["spec"]["containers"][0]
    kept = ("name", "image", "resources", "terminationMessagePath", "terminationMessagePolicy", "imagePullPolicy")
    small = {name: trainer[name] for name in kept}
    pod["spec"] = {**pod["spec"], "containers": [{**small, "env": trainer["env"][2:3]}], "volumes": []}
    return json.dumps(review, separators=(",", ":")).encode()


def constant_answer() -> str:
    """Return a right answer as JSON text, for the server that only ever gives this one."""
    review = json.loads(REVIEW.read_bytes())
    pod = review["request"]["object"]
    patch = jsonpatch.make_patch(pod, expected_pod(pod)).to_string().encode()
    response = {
        "uid": review["request"]["uid"],
        "allowed": True,
        "patchType": "JSONPatch",
        "patch": base64.b64encode(patch).decode(),
        "auditAnnotations": {"decision": DECISION},
    }
    return json.dumps({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response})


def expected_pod(pod: dict[str, Any]) -> dict[str, Any]:
    """Return the pod of the review as the rule changes it: class, annotation, and no GPU for the other containers."""
    patched = copy.deepcopy(pod)
    patched["spec"]["runtimeClassName"] = "nvidia"
    patched["metadata"]["annotations"]["gpu-injector.io/decision"] = DECISION
    for container in patched["spec"]["containers"]:
        if "nvidia.com/gpu" not in container["resources"]["limits"]:
            container["env"].append({"name": "NVIDIA_VISIBLE_DEVICES", "value": "void"})
    return patched


def check_answer(port: int, authority: Path) -> None:
    """Send the review once, over verified TLS, and compare the patched pod with what the rule asks for.

    Raises WrongAnswerError, and OSError where no answer comes.
    """
    body = compact_review()
    request = json.loads(body)["request"]
    status, answer = _post(port, authority, body)
    response = answer.get("response", {})
    if status != http.client.OK or response.get("uid") != request["uid"] or response.get("allowed") is not True:
        raise WrongAnswerError(f"HTTP {status}: {json.dumps(answer)[:500]}")
    operations = json.loads(base64.b64decode(response.get("patch", "") or b"[]"))
    if jsonpatch.apply_patch(request["object"], operations) != expected_pod(request["object"]):
        raise WrongAnswerError(f"the patch is not what the rule asks for: {json.dumps(operations)[:1000]}")
    if response.get("auditAnnotations") != {"decision": DECISION}:
        raise WrongAnswerError(f"audit annotations: {response.get('auditAnnotations')}")


def _post(port: int, authority: Path, body: bytes) -> tuple[int, dict[str, Any]]:
    context = ssl.create_default_context(cafile=authority)
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=10)
    try:
        connection.request("POST", WEBHOOK_PATH, body, {"Content-Type": "application/json"})
        reply = connection.getresponse()
        answer = json.loads(reply.read())
    except ValueError as error:
        raise WrongAnswerError(f"the answer is no JSON: {error}") from error
    finally:
        connection.close()
    return reply.status, answer if isinstance(answer, dict) else {}
