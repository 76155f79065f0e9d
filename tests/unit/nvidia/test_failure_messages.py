"""A failure's text names its cause, in the words of every runtime and admission control."""

import pytest

from webhook.nvidia.failure_messages import Failure, FailureKind, failure_of

SANDBOX = "Failed to create pod sandbox: rpc error: code = Unknown desc = "
TASK = "Error: failed to create containerd task: failed to create shim task: OCI runtime create failed: "
CREATE = 'Error creating: pods "gpu-7d9f-" is forbidden: '
CHECK = "hostPath type check failed"
FILE = "/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1"


@pytest.mark.parametrize(
    ("message", "failure"),
    [
        # The handler.
        (
            f'{SANDBOX}failed to get sandbox runtime: no runtime for "nvidia" is configured',
            Failure(FailureKind.HANDLER_UNKNOWN, "nvidia"),
        ),
        (
            f'{SANDBOX}unable to get OCI runtime for sandbox "8f1c": no runtime for "nvidia-cdi" is configured',
            Failure(FailureKind.HANDLER_UNKNOWN, "nvidia-cdi"),
        ),
        (
            f"(combined from similar events): {SANDBOX}" + r"no runtime for \"nvidia\" is configured",
            Failure(FailureKind.HANDLER_UNKNOWN, "nvidia"),
        ),
        (
            f"{SANDBOX}failed to find runtime handler nvidia from runtime list map[runc:0xc00044e460]",
            Failure(FailureKind.HANDLER_UNKNOWN, "nvidia"),
        ),
        (
            f'{SANDBOX}RuntimeHandler "nvidia" not supported',
            Failure(FailureKind.HANDLER_UNKNOWN, "nvidia"),
        ),
        # Programs that are missing.
        (
            (
                f"{SANDBOX}failed to create containerd task: OCI runtime create failed: unable to retrieve OCI runtime "
                "error (open /run/containerd/log.json: no such file or directory): "
                "fork/exec /usr/bin/nvidia-container-runtime: no such file or directory: unknown"
            ),
            Failure(FailureKind.RUNTIME_MISSING, "/usr/bin/nvidia-container-runtime"),
        ),
        (
            f"{SANDBOX}fork/exec /usr/local/nvidia/toolkit/nvidia-container-runtime.cdi: no such file or directory",
            Failure(FailureKind.RUNTIME_MISSING, "/usr/local/nvidia/toolkit/nvidia-container-runtime.cdi"),
        ),
        (
            f'{TASK}exec: "nvidia-container-runtime-hook": executable file not found in $PATH',
            Failure(FailureKind.RUNTIME_MISSING, "nvidia-container-runtime-hook"),
        ),
        (
            f'{SANDBOX}runtime "io.containerd.x.v1" binary not installed "containerd-shim-x-v1": file does not exist',
            Failure(FailureKind.RUNTIME_MISSING, "containerd-shim-x-v1"),
        ),
        (
            f"{TASK}error locating runtime: no runtime binary found from candidate list: [docker-runc runc]",
            Failure(FailureKind.RUNTIME_MISSING, "docker-runc runc"),
        ),
        (
            (
                f"{TASK}error running createContainer hook #0: fork/exec /usr/bin/nvidia-cdi-hook: "
                "no such file or directory"
            ),
            Failure(FailureKind.CDI_HOOK_MISSING, "/usr/bin/nvidia-cdi-hook"),
        ),
        (
            f'{TASK}exec: "/usr/bin/nvidia-ctk": stat /usr/bin/nvidia-ctk: no such file or directory',
            Failure(FailureKind.CDI_HOOK_MISSING, "/usr/bin/nvidia-ctk"),
        ),
        # Files, devices and mounts.
        (
            f'MountVolume.SetUp failed for volume "gpu-injector-nvml" : {CHECK}: {FILE} is not a file',
            Failure(FailureKind.HOST_PATH_TYPE, FILE, "gpu-injector-nvml"),
        ),
        (
            'MountVolume.SetUp failed for volume "x" : hostPath type check failed: /data is not a directory',
            Failure(FailureKind.HOST_PATH_TYPE, "/data", "x"),
        ),
        (f"hostPath type check failed: {FILE} is not a file", Failure(FailureKind.HOST_PATH_TYPE, FILE)),
        (
            f'MountVolume.SetUp failed for volume "v" : {CHECK}, {FILE} is not a file, unable to determine its type: x',
            Failure(FailureKind.HOST_PATH_TYPE, FILE, "v"),
        ),
        (
            (
                "Error: failed to generate container spec: CDI device injection failed: unresolvable CDI devices "
                "management.nvidia.com/gpu=all"
            ),
            Failure(FailureKind.CDI_UNRESOLVED, "management.nvidia.com/gpu=all"),
        ),
        (
            f"{TASK}failed to inject CDI devices: unresolvable CDI devices nvidia.com/gpu=none, nvidia.com/gpu=1",
            Failure(FailureKind.CDI_UNRESOLVED, "nvidia.com/gpu=none"),
        ),
        (
            f"{TASK}error running hook #0: nvidia-container-cli: initialization error: nvml error: driver not loaded",
            Failure(FailureKind.CONTAINER_CLI, "initialization error: nvml error: driver not loaded"),
        ),
        (
            f"{TASK}nvidia-container-cli.real: requirement error: unsatisfied condition: cuda>=12.8",
            Failure(FailureKind.CONTAINER_CLI, "requirement error: unsatisfied condition: cuda>=12.8"),
        ),
        (
            "unable to retrieve OCI runtime error: nvidia-container-runtime did not terminate: exit status 1: unknown",
            Failure(FailureKind.RUNTIME_FAILED, "nvidia-container-runtime did not terminate: exit status 1: unknown"),
        ),
        (
            f'{TASK}error mounting "/x" to rootfs at "/usr/local/lib/libnvidia-ml.so.1": read-only file system',
            Failure(FailureKind.MOUNT_TARGET, "/usr/local/lib/libnvidia-ml.so.1"),
        ),
        (
            "Pod Allocate failed due to no healthy devices present; cannot allocate unhealthy devices nvidia.com/gpu",
            Failure(
                FailureKind.DEVICE_ALLOCATION,
                "no healthy devices present; cannot allocate unhealthy devices nvidia.com/gpu",
            ),
        ),
        (
            "Failed to prepare dynamic resources: NodePrepareResources failed for claim ml/gpu",
            Failure(FailureKind.DEVICE_CLAIM, "NodePrepareResources failed for claim ml/gpu"),
        ),
        (
            f'{TASK}exec: "nvidia-smi": executable file not found in $PATH: unknown',
            Failure(FailureKind.PROGRAM_MISSING, "nvidia-smi"),
        ),
        (
            "container create failed: executable file `nvidia-smi` not found in $PATH: No such file or directory",
            Failure(FailureKind.PROGRAM_MISSING, "nvidia-smi"),
        ),
        (
            'CDI device injection failed: failed to stat CDI host device "/dev/nvidia-modeset": no such file',
            Failure(FailureKind.DEVICE_NODE_MISSING, "/dev/nvidia-modeset"),
        ),
        (
            f"{TASK}nvidia-container-cli: mount error: stat failed: /dev/nvidia-uvm: no such file or directory",
            Failure(FailureKind.DEVICE_NODE_MISSING, "/dev/nvidia-uvm"),
        ),
        (
            'error gathering device information while adding custom device "/dev/nvidiactl": no such file',
            Failure(FailureKind.DEVICE_NODE_MISSING, "/dev/nvidiactl"),
        ),
        (
            "Allocate failed due to rpc error: error creating nvml.Device 5: nvml: GPU is lost, which is unexpected",
            Failure(FailureKind.GPU_LOST, "GPU is lost, which is unexpected"),
        ),
        (
            "kernel: NVRM: Xid (PCI:0000:65:00): 79, pid=1234, GPU has fallen off the bus.",
            Failure(FailureKind.GPU_LOST, "fallen off the bus."),
        ),
        (
            "NVRM: Xid (PCI:0000:65:00): 48, pid=1234, DBE (double bit error)",
            Failure(FailureKind.XID, "48, pid=1234, DBE (double bit error)"),
        ),
        (
            'failed to mkdir "/usr/local/nvidia/lib64": mkdir /usr/local/nvidia: read-only file system',
            Failure(FailureKind.READ_ONLY_HOST, "/usr/local/nvidia"),
        ),
        (
            (
                "Allocate failed due to rpc error: code = Unknown desc = request for 'nvidia.com/gpu: 2' too large: "
                "maximum request size for shared resources is 1, which is unexpected"
            ),
            Failure(FailureKind.SHARED_TOO_MANY, "nvidia.com/gpu"),
        ),
        (
            "error executing hook `/usr/local/nvidia/toolkit/nvidia-container-runtime-hook` (exit code: 1)",
            Failure(FailureKind.RUNTIME_FAILED, "nvidia-container-runtime-hook` (exit code: 1)"),
        ),
        (
            'Failed to pull image "x": no match for platform in manifest: not found',
            Failure(FailureKind.IMAGE_PLATFORM),
        ),
        (
            "Failed to pull image: failed to extract layer: write /var/lib: no space left on device",
            Failure(FailureKind.IMAGE_SPACE),
        ),
        # Refusals.
        (
            "Error creating: insufficient quota to match these scopes: [{PriorityClass In [system-node-critical]}]",
            Failure(FailureKind.QUOTA_SCOPE, "{PriorityClass In [system-node-critical]}"),
        ),
        (
            f"{CREATE}maximum nvidia.com/gpu usage per Container is 1, but limit is 2",
            Failure(FailureKind.LIMIT_RANGE, "maximum nvidia.com/gpu usage per Container is 1, but limit is 2"),
        ),
        (
            'Pod "a" is invalid: spec.containers[0].resources.limits[nvidia.com/gpu]: Required value: Limit must be',
            Failure(FailureKind.GPU_QUANTITY, "resources.limits[nvidia.com/gpu]: Required value: Limit must be"),
        ),
        (
            f'{CREATE}pod rejected: RuntimeClass "nvidia" not found',
            Failure(FailureKind.CLASS_NOT_FOUND, "nvidia"),
        ),
        (
            f"{CREATE}pod rejected: conflict: runtimeClass.scheduling.nodeSelector[a] = b; pod.spec[a] = c",
            Failure(
                FailureKind.CLASS_SCHEDULING,
                "runtimeClass.scheduling.nodeSelector[a] = b; pod.spec[a] = c",
            ),
        ),
        (
            f"{CREATE}pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead",
            Failure(FailureKind.CLASS_OVERHEAD),
        ),
        (
            f"{CREATE}pod tolerations (possibly merged) conflict with its namespace whitelist",
            Failure(FailureKind.TOLERATIONS),
        ),
        (
            f"{CREATE}exceeded quota: team-a, requested: requests.memory=128Mi, used: 1Gi, limited: 1Gi",
            Failure(FailureKind.QUOTA, "team-a"),
        ),
        (f"{CREATE}failed quota: team-a: must specify limits.cpu", Failure(FailureKind.QUOTA_REQUEST, "limits.cpu")),
        (
            'Internal error occurred: failed calling webhook "pods.example.com": failed to call webhook: x509: expired',
            Failure(FailureKind.WEBHOOK_AWAY, "pods.example.com"),
        ),
        (
            f"{TASK}mount /dev/nvidia0:/run/x/dev/nvidia0: no such file or directory",
            Failure(FailureKind.DEVICE_NODE_MISSING, "/dev/nvidia0"),
        ),
        (
            f'{CREATE}violates PodSecurity "baseline:latest": hostPath volumes (volume "gpu-injector-nvml")',
            Failure(FailureKind.POD_SECURITY, "baseline"),
        ),
        (
            f"{CREATE}unable to validate against any security context constraint: [provider restricted-v2: ...]",
            Failure(FailureKind.SECURITY_CONTEXT_CONSTRAINTS),
        ),
        (
            f"{CREATE}ValidatingAdmissionPolicy 'no-host-path' with binding 'all' denied request: no hostPath",
            Failure(FailureKind.ADMISSION_POLICY, "no-host-path"),
        ),
        (
            'admission webhook "validate.kyverno.svc-fail" denied the request: resource Pod/ml/a was blocked',
            Failure(FailureKind.ADMISSION_WEBHOOK, "validate.kyverno.svc-fail"),
        ),
        (f'{TASK}exec: "trainn": executable file not found in $PATH', Failure(FailureKind.CONTAINER_START)),
    ],
)
def test_a_text_names_its_cause(message: str, failure: Failure) -> None:
    """With the name of the handler, volume, file, device or policy."""
    assert failure_of(message) == failure


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("UnexpectedAdmissionError", FailureKind.DEVICE_ALLOCATION),
        ("FailedPrepareDynamicResources", FailureKind.DEVICE_CLAIM),
        ("StartError", FailureKind.CONTAINER_START),
        ("RunContainerError", FailureKind.CONTAINER_START),
        ("TopologyAffinityError", FailureKind.TOPOLOGY),
        ("ImagePullBackOff", FailureKind.IMAGE),
        ("FailedMount", None),
        ("", None),
    ],
)
def test_a_reason_tells_where_the_text_does_not(reason: str, kind: FailureKind | None) -> None:
    """A text that is known goes before the reason."""
    assert failure_of("something new", reason) == (Failure(kind) if kind else None)
    known = failure_of('no runtime for "nvidia" is configured', reason)
    assert known == Failure(FailureKind.HANDLER_UNKNOWN, "nvidia")


@pytest.mark.parametrize(
    "message",
    [
        "",
        "Back-off restarting failed container",
        'Failed to pull image "nvcr.io/nvidia/k8s-device-plugin:v0": not found',
        'MountVolume.SetUp failed for volume "config" : configmap "x" not found',
        "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.",
        'network plugin is not ready: cni config uninitialized; no runtime for "',
        "x" * 10_000 + ' no runtime for "nvidia" is configured',
    ],
)
def test_other_texts_name_no_known_cause(message: str) -> None:
    """A pull that fails or a node that starts is none of ours; only the beginning of a long text is read."""
    assert failure_of(message) is None


@pytest.mark.parametrize(
    "part",
    [
        'no runtime for "',
        "hostPath type check failed: /a",
        "fork/exec /",
        'exec: "/nvidia-',
        "nvidia-ctk ",
        "unresolvable CDI devices ",
        "MountVolume.SetUp failed for volume ",
        "pod tolerations ",
        "\\",
    ],
)
def test_hostile_texts_name_no_cause_of_ours(part: str) -> None:
    """Repeated beginnings of known texts are no known text."""
    found = failure_of(part * 5_000)
    assert found is None or found.kind in (FailureKind.CDI_UNRESOLVED, FailureKind.RUNTIME_FAILED)
