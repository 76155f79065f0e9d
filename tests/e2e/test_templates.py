"""The user who applies a template reads the warning that its pods would get."""

import copy
from collections.abc import Mapping
from typing import Any

import pytest

from e2e.installation import Webhook
from e2e.kubectl import Kubectl
from e2e.namespaces import ENABLED, UNLABELLED
from e2e.pods import assert_warned, container

TEMPLATES = "/warn/templates"
# NVIDIA's runtime cannot serve such a pod: its author has to know.
WARNED = "hostUsers: false"


def template(*, gpus: int, restart: str = "Always") -> dict[str, Any]:
    """Return a pod template that is warned about if it requests a GPU."""
    spec = {"hostUsers": False, "restartPolicy": restart, "containers": [container(gpus=gpus or None)]}
    return {"metadata": {"labels": {"app": "model"}}, "spec": spec}


def workload(kind: str, *, gpus: int, namespace: str = ENABLED) -> dict[str, Any]:
    """Return an object of a kind that makes pods."""
    selector = {"matchLabels": {"app": "model"}}
    specs: Mapping[str, dict[str, Any]] = {
        "Deployment": {"selector": selector, "template": template(gpus=gpus)},
        "StatefulSet": {"selector": selector, "serviceName": "model", "template": template(gpus=gpus)},
        "DaemonSet": {"selector": selector, "template": template(gpus=gpus)},
        "Job": {"template": template(gpus=gpus, restart="Never")},
        "CronJob": {
            "schedule": "0 4 * * *",
            "jobTemplate": {"spec": {"template": template(gpus=gpus, restart="Never")}},
        },
    }
    group = "batch/v1" if kind.endswith("Job") else "apps/v1"
    metadata = {"name": f"{kind.lower()}-{gpus}", "namespace": namespace}
    return {"apiVersion": group, "kind": kind, "metadata": metadata, "spec": specs[kind]}


KINDS = ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob")


@pytest.mark.parametrize("kind", KINDS)
def test_a_template_that_needs_attention_is_warned_about(kubectl: Kubectl, webhook: Webhook, kind: str) -> None:
    """Once for the user who applies it, and not again while the template is unchanged."""
    item = workload(kind, gpus=1)
    before = webhook.calls(TEMPLATES)
    assert_warned(kubectl.apply([item]).warnings, WARNED)
    stored = kubectl.get(kind, item["metadata"]["name"], "--namespace", ENABLED)
    assert "gpu-injector.io/decision" not in str(stored["spec"])
    labelled = copy.deepcopy(item)
    labelled["metadata"]["labels"] = {"team": "ml"}
    assert kubectl.apply([labelled]).warnings == []
    assert webhook.calls(TEMPLATES) == before + 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_template_without_a_gpu_causes_no_call(kubectl: Kubectl, webhook: Webhook, kind: str) -> None:
    """Nor does one of a namespace that did not opt in."""
    before = webhook.calls(TEMPLATES)
    assert kubectl.apply([workload(kind, gpus=0)]).warnings == []
    assert kubectl.apply([workload(kind, gpus=1, namespace=UNLABELLED)]).warnings == []
    assert webhook.calls(TEMPLATES) == before


def test_what_a_controller_makes_causes_no_call(kubectl: Kubectl, webhook: Webhook) -> None:
    """A Job of a CronJob has a template too, and no user who would read a warning."""
    kubectl.apply([workload("CronJob", gpus=1)])
    before = webhook.calls(TEMPLATES)
    job = workload("Job", gpus=1)
    owner = kubectl.get("cronjob", "cronjob-1", "--namespace", ENABLED)["metadata"]["uid"]
    job["metadata"] |= {
        "name": "of-a-cronjob",
        "ownerReferences": [
            {"apiVersion": "batch/v1", "kind": "CronJob", "name": "cronjob-1", "uid": owner, "controller": True}
        ],
    }
    assert kubectl.create(job).warnings == []
    assert webhook.calls(TEMPLATES) == before
