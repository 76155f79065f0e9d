"""``demo``: run a standalone webhook, send real AdmissionReviews over HTTPS, and show each answer."""

import base64
import json
import ssl
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

from rich.console import Console

from webhook.commands.demo.next_steps import next_steps, program_as_typed
from webhook.commands.preview.render import print_diff
from webhook.commands.shared.input_files import InputError, examples, read_files
from webhook.commands.shared.prediction import DecisionInput, PodVerdict, Situation, reference
from webhook.decide.decision import Decision, Reason, RequestInfo, Verdict
from webhook.kube.manifests import Document
from webhook.kube.metadata import controlling_owner
from webhook.names import WORKLOADS_PATH
from webhook.policy.model import Policy
from webhook.view.view import ClusterView


@dataclass(frozen=True, slots=True)
class Client:
    """Plays the API server: sends reviews over HTTPS and verifies the certificate."""

    connection: HTTPSConnection

    def ask(self, pod: dict[str, Any]) -> dict[str, Any]:
        """Send the review of a pod's creation; return the response's part of the answer."""
        names = reference(pod)
        review = {
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {
                "uid": str(uuid.uuid4()),
                "kind": {"group": "", "version": "v1", "kind": "Pod"},
                "resource": {"group": "", "version": "v1", "resource": "pods"},
                "namespace": names["namespace"],
                "operation": "CREATE",
                "userInfo": {"username": "demo"},
                "object": pod,
            },
        }
        self.connection.request("POST", f"{WORKLOADS_PATH}?timeout=3s", json.dumps(review))
        http = self.connection.getresponse()
        body = http.read()
        if http.status != 200:  # noqa: PLR2004  the one status of an answer
            raise InputError(f"{names['name']}: the webhook answered {http.status}: {body.decode(errors='replace')}")
        response: dict[str, Any] = json.loads(body)["response"]
        return response


def demo(folder: Path | None) -> int:
    """Show every pod of the folder with its verdict, reason and patch. Returns the exit code."""
    folder = folder or examples()
    console = Console(highlight=False, soft_wrap=True)
    items = [item for manifest in read_files([str(folder / "pods")]) for item in manifest.objects]
    pods = [_pod(item) for item in items]
    with _webhook(folder) as client:
        print_diff([_verdict(pod, client.ask(pod)) for pod in pods], console)
    console.print(next_steps(folder.absolute(), program_as_typed(), _pod_to_try(items)), markup=False)
    return 0


def _pod(item: Document) -> dict[str, Any]:
    if item.content["kind"] != "Pod":
        place = f"{item.source}:{item.line}: {item.content['kind']}"
        raise InputError(f"{place}: demo sends only pods, as the API server does; preview accepts all kinds")
    return item.content


@contextmanager
def _webhook(folder: Path) -> Iterator[Client]:
    """Run the standalone webhook as a separate process, with the folder's view and policy."""
    with tempfile.TemporaryDirectory() as place:
        ca_file = Path(place) / "ca.crt"
        command = [sys.executable, "-m", "webhook", "serve", "--standalone", "--view", str(folder / "view.yaml")]
        command += ["--port", "0", "--admin-port", "0", "--decisions-port", "0", "--ca-file", str(ca_file)]
        if (folder / "policy.yaml").exists():
            command += ["--policy", str(folder / "policy.yaml")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:  # noqa: S603  ourselves
            try:
                yield _client(server, ca_file)
            finally:
                server.terminate()
                server.communicate()


def _client(server: "subprocess.Popen[str]", ca_file: Path) -> Client:
    line = server.stdout.readline() if server.stdout else ""
    if not line:
        _, said = server.communicate()
        raise InputError(f"the webhook did not start: {said.strip()}")
    context = ssl.create_default_context(cafile=str(ca_file))
    return Client(HTTPSConnection("127.0.0.1", json.loads(line)["port"], context=context, timeout=10))


def _verdict(pod: dict[str, Any], response: dict[str, Any]) -> PodVerdict:
    """Return the webhook's answer as ``preview`` prints its own decisions."""
    verdict, _, reason = response["auditAnnotations"]["decision"].partition("/")
    operations = json.loads(base64.b64decode(response["patch"])) if "patch" in response else ()
    decision = Decision(Verdict(verdict), Reason(reason), tuple(operations), tuple(response.get("warnings", ())))
    question = DecisionInput(
        pod, RequestInfo(namespace=reference(pod)["namespace"]), Situation(Policy(), ClusterView())
    )
    return PodVerdict(pod, "", question, decision)


def _pod_to_try(items: Sequence[Document]) -> Path:
    """Return the first file with a pod that no controller owns: ``preview`` skips the others."""
    authors = [item for item in items if not controlling_owner(item.content)]
    return Path((authors or items)[0].source).absolute()
