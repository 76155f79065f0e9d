"""The policy file: strict, and each error names file, line, key and allowed values."""

import json
import re

import pytest

from webhook.policy.faults import SHAPES
from webhook.policy.load import PolicyError, parse_policy
from webhook.policy.model import Policy

MISFIT = "policy.yaml: not YAML: a value does not fit its type, or a key is no text"


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}", "---\n"])
def test_an_empty_file_is_every_default(text: str) -> None:
    """Every default is what a careful administrator would choose."""
    assert parse_policy(text, "policy.yaml") == Policy()


def test_every_key_is_read() -> None:
    """Keys are written as Kubernetes writes its own."""
    text = """
runtimeClass: kata
resources: [example.com/gpu, example.com/slice-*]
dryRun: true
optOut: true
driverCapabilities: compute,utility
addToleration: true
"""
    assert parse_policy(text, "policy.yaml") == Policy(
        runtime_class="kata",
        resources=("example.com/gpu", "example.com/slice-*"),
        dry_run=True,
        opt_out=True,
        driver_capabilities="compute,utility",
        add_toleration=True,
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "dryrun: true\n",
            "policy.yaml:1: dryrun: unknown key; did you mean dryRun? Allowed: addToleration, binaries, bootstrap, ",
        ),
        (
            "bootstrap:\n  namespace: x\n",
            "policy.yaml:2: bootstrap.namespace: unknown key; did you mean namespaces? Allowed: gpuNodes, library, ",
        ),
        ("fallback: maybe\n", "policy.yaml:1: fallback: 'maybe' is not allowed; allowed: auto, on, off"),
        ("overrule: [no-gpu]\n", "policy.yaml:1: overrule.0: 'no-gpu' is not allowed; allowed: cdi, nri, dra, "),
        ("libraries: [../libcuda.so.1]\n", "policy.yaml:1: libraries.0: '../libcuda.so.1' is not allowed"),
        ("binaries: [sh]\n", "policy.yaml:1: binaries.0: 'sh' is not allowed"),
        (
            "drivers: [{osImage: x}]\n",
            "policy.yaml:1: drivers.0.directory: the key is missing",
        ),
        (
            "drivers:\n- directory: /usr/lib64\n  name: x\n",
            "policy.yaml:3: drivers.0.name: unknown key; allowed: architecture, complete, directory, kernel, ",
        ),
        ("drivers: [{directory: /usr/../etc}]\n", "policy.yaml:1: drivers.0.directory: '/usr/../etc' is not allowed"),
        ("drivers: [{directory: lib}]\n", "policy.yaml:1: drivers.0.directory: 'lib' is not allowed"),
        (
            "bootstrap: {namespaces: [Kube]}\n",
            "policy.yaml:1: bootstrap.namespaces.0: 'Kube' is not allowed",
        ),
        ("\ndryRun: 1\n", "policy.yaml:2: dryRun: 1 is not allowed; did you mean true? Allowed: true, false"),
        ('dryRun: "yes"\n', "policy.yaml:1: dryRun: 'yes' is not allowed; did you mean true? Allowed: true, false"),
        (
            "runtimeClass: Nvidia\n",
            "policy.yaml:1: runtimeClass: 'Nvidia' is not allowed: it must be a name in lower case",
        ),
        ("runtimeClass: null\n", "policy.yaml:1: runtimeClass: null is not allowed: text is needed"),
        ("resources: []\n", "policy.yaml:1: resources: at least one item is needed"),
        (
            "resources:\n- nvidia.com/gpu\n- nvidia.com/*x\n",
            "policy.yaml:3: resources.1: 'nvidia.com/*x' is not allowed: it must be an extended resource",
        ),
        ("resources: [nvidia.com/*]\n", "policy.yaml:1: resources.0: 'nvidia.com/*' is not allowed"),
        ("resources: [\"a.b/c') || true || (k == '\"]\n", "policy.yaml:1: resources.0: "),
        ("resources: [gpu]\n", "policy.yaml:1: resources.0: 'gpu' is not allowed"),
        ("dryRun: true\noptOut: true\ndryRun: false\n", "policy.yaml:3: dryRun: duplicate key"),
        ("- dryRun\n", "policy.yaml:1: (the file): a mapping of keys to values is needed"),
        ("dryRun: [\n", "policy.yaml:2: not YAML: while parsing a flow node expected the node content"),
        (
            "dryRun: true\n\toptOut: true\n",
            "policy.yaml:2: not YAML: while scanning for the next token found character",
        ),
        ("dryRun: true\n---\n", "policy.yaml:2: not YAML: expected a single document in the stream but found another"),
        ("dryRun: 2024-99-01\n", "policy.yaml: not YAML: month must be in 1..12"),
        ("dryRun: !!bool maybe\n", MISFIT),
        ("dryRun: !!int ''\n", MISFIT),
        ("dryRun: !!timestamp now\n", MISFIT),
        (f"dryRun: 1{':59' * 400}.5\n", MISFIT),
        (f"dryRun: 0x{'f' * 5000}\n", MISFIT),
        ("2024-01-01: true\n", MISFIT),
        ("dry_run: true\n", "policy.yaml:1: dry_run: unknown key"),
        ("1: 2\n", "policy.yaml:1: 1: unknown key"),
    ],
)
def test_an_error_names_its_place(text: str, message: str) -> None:
    """An invalid policy is refused: nothing is guessed."""
    with pytest.raises(PolicyError) as error:
        parse_policy(text, "policy.yaml")
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("dry-run: true\n", "dryRun"),
        ("run_time_class: a\n", "runtimeClass"),
        ("bootstrap: {recipe: driverroot}\n", "driver-root"),
        ("fallback: of\n", "off"),
        ("dryRun: on_\n", ""),
        ("resources: nvidia.com/gpu\n", "[nvidia.com/gpu]"),
        ("resources: [gpu]\n", "nvidia.com/gpu"),
        ("libraries: [/usr/lib/libcuda.so.1]\n", "libcuda.so.1"),
        ("bootstrap: {namespaces: [Kube-System]}\n", "kube-system"),
        ("drivers: [{directory: usr/lib64}]\n", "/usr/lib64"),
        ('runtimeClass: "%%"\n', ""),
        ("libraries: [" + "x" * 5000 + "]\n", ""),
    ],
)
def test_an_error_says_how_the_value_is_written(text: str, suggestion: str) -> None:
    """The closest key or word, or the value in the right form; nothing where no guess is good."""
    with pytest.raises(PolicyError) as error:
        parse_policy(text, "policy.yaml")
    (fault,) = error.value.faults
    assert fault.suggestion == suggestion
    assert len(fault.problem) < 400


def test_every_shape_is_told_in_words() -> None:
    """No message shows a regular expression."""
    patterns = set(re.findall(r'"pattern": "(.+?)"[,\n}]', json.dumps(Policy.model_json_schema())))
    assert {json.loads(f'"{pattern}"') for pattern in patterns} == set(SHAPES)


def test_all_errors_are_reported_at_once() -> None:
    """One line each, in the order of the file."""
    with pytest.raises(PolicyError) as error:
        parse_policy("dryrun: true\noptOut: 3\nfallback: x\n", "policy.yaml")
    assert [line.split(":")[1] for line in str(error.value).splitlines()] == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("word", "mode"), [("auto", "auto"), ("on", "on"), ("off", "off"), ('"on"', "on"), ("true", "on"), ("false", "off")]
)
def test_on_and_off_are_words(word: str, mode: str) -> None:
    """YAML parses them as true and false; the policy accepts both."""
    assert parse_policy(f"fallback: {word}\n", "policy.yaml").fallback == mode


@pytest.mark.parametrize(
    ("resource", "is_gpu"),
    [
        ("nvidia.com/gpu", True),
        ("nvidia.com/gpu.shared", True),
        ("nvidia.com/mig-1g.5gb", True),
        ("nvidia.com/gpu.other", False),
        ("nvidia.com/GA102_GEFORCE_RTX_3080", False),
        ("nvidia.com/hostdev", False),
        ("amd.com/gpu", False),
        ("cpu", False),
    ],
)
def test_only_listed_resources_are_gpus(resource: str, is_gpu: bool) -> None:  # noqa: FBT001
    """The vendor's prefix does not decide: passthrough and network devices share it."""
    assert Policy().is_gpu_resource(resource) is is_gpu
