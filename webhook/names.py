"""The names that this project gives to things in a cluster: labels, annotations, volumes, entries and paths."""

DEFAULT_NAMESPACE = "gpu-injector"
"""The namespace of an installation, unless the administrator chose another one."""

APP_SELECTOR = "app.kubernetes.io/name=gpu-injector"
"""The label selector of the webhook's own pods."""

INJECT_KEY = "gpu-injector.io/inject"
"""The label of namespaces and pods that asks for injection or refuses it."""

ALWAYS = "always"
"""The value of a pod's label that asks for the class without a request for a GPU."""

DECISION_KEY = "gpu-injector.io/decision"
"""The annotation in which a GPU pod carries ``<verdict>/<reason>``."""

HEARTBEAT_NAME = "gpu-injector-heartbeat"
"""The name of the ConfigMap that is sent as a heartbeat, and never stored."""

HEARTBEAT_KEY = "gpu-injector.io/heartbeat"
"""The label of that ConfigMap; its value is HEARTBEAT_VALUE."""

HEARTBEAT_VALUE = "sent"

ANSWERED_BY_KEY = "gpu-injector.io/answered-by"
"""The annotation by which a replica marks a heartbeat; its value is the replica's name."""

TRIAL_PREFIX = "gpu-injector-trial-"
"""The ``generateName`` of the pod that ``doctor`` tries by a server-side dry-run."""

VERIFY_PREFIX = "gpu-injector-verify-"
"""The start of the names of the pods and namespaces that ``verify`` creates."""

VERIFY_LABEL = ("app.kubernetes.io/name", "gpu-injector-verify")
"""The label of those pods and namespaces."""

VOLUME_PREFIX = "gpu-injector-"
"""The start of the name of each volume that the webhook adds to a pod."""

DEVICES_VOLUME_NAME = f"{VOLUME_PREFIX}dev"
"""The volume of the host's devices."""

BOOTSTRAP_VOLUME = f"{VOLUME_PREFIX}nvml"
"""The volume by which the recipe ``nvml`` gives plugins their library."""

ROOT_VOLUME = f"{VOLUME_PREFIX}driver-root"
"""The volume by which the recipe ``driver-root`` gives plugins their library."""

REGISTRATION_NAME = "gpu-injector"
"""The name of both webhook configurations."""

REGISTRATION_PATH = f"/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/{REGISTRATION_NAME}"
"""The path of the MutatingWebhookConfiguration in the API server."""

ENTRY_SUFFIX = ".gpu-injector.io"
"""The end of the name of each entry of the webhook configurations."""

WORKLOADS_ENTRY = f"workloads{ENTRY_SUFFIX}"
BOOTSTRAP_ENTRY = f"bootstrap{ENTRY_SUFFIX}"
EPHEMERAL_ENTRY = f"ephemeral{ENTRY_SUFFIX}"
HEARTBEAT_ENTRY = f"heartbeat{ENTRY_SUFFIX}"
TEMPLATES_ENTRY = f"templates{ENTRY_SUFFIX}"

WORKLOADS_PATH = "/mutate/workloads"
BOOTSTRAP_PATH = "/mutate/bootstrap"
EPHEMERAL_PATH = "/mutate/ephemeral"
HEARTBEAT_PATH = "/mutate/heartbeat"
TEMPLATES_PATH = "/warn/templates"
"""One path for each entry. They never change: an older registration may call a newer server."""

MUTATING_ENTRIES = (WORKLOADS_ENTRY, BOOTSTRAP_ENTRY, EPHEMERAL_ENTRY, HEARTBEAT_ENTRY)
VALIDATING_ENTRIES = (TEMPLATES_ENTRY,)


def policy_path(home: str) -> str:
    """Return the path of the ConfigMap with the policy, in the namespace of an installation."""
    return f"/api/v1/namespaces/{home}/configmaps/{REGISTRATION_NAME}"
