"""``make preview-speed``: time and memory of ``preview`` over a large stream; it prints the figures.

All documents of the stream are Deployments that get a patch, which costs the most.
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DOCUMENTS, SMALL_DOCUMENTS = 5000, 2500
LIMIT_SECONDS, LIMIT_MIB = 20, 400
# The larger stream may cost this much more than twice the smaller one.
LINEAR = 1.5
VARIABLES = 60
VIEW = Path(__file__).parents[1] / "data" / "preview" / "field-view.yaml"
HEAD = """\
---
# Source: trainer/templates/deployment-{number}.yaml
apiVersion: apps/v1
kind: Deployment
metadata:
  name: trainer-{number}
  namespace: ml
spec:
  selector:
    matchLabels:
      app: trainer-{number}
  template:
    metadata:
      labels:
        app: trainer-{number}
    spec:
      containers:
      - name: trainer
        image: registry.example/trainer:1
        resources:
          limits:
            nvidia.com/gpu: 1
        env:
"""
TAIL = "      - name: sidecar\n        image: registry.example/sidecar:1\n"


def stream(documents: int) -> str:
    """Return a stream of documents of about 4 KiB each."""
    variables = "".join(
        f'        - name: VARIABLE_{one}\n          value: "the value {one}"\n' for one in range(VARIABLES)
    )
    return "".join(HEAD.format(number=number) + variables + TAIL for number in range(documents))


def measured(documents: int, output: str) -> float:
    """Run the command, print what it took, and return the seconds."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(stream(documents))
        file.flush()
        command = [sys.executable, "-m", "webhook", "preview", "-f", file.name, "--view", str(VIEW), "-o", output]
        begin = time.monotonic()
        done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
        seconds = time.monotonic() - begin
        size = Path(file.name).stat().st_size >> 20
    if done.returncode not in (0, 1):
        sys.exit(f"preview -o {output}: exit code {done.returncode}")
    sys.stdout.write(f"-o {output:5} {documents} documents, {size} MiB: {seconds:.1f} s\n")
    return seconds


if __name__ == "__main__":
    outputs = ("table", "yaml", "json", "diff")
    small = {output: measured(SMALL_DOCUMENTS, output) for output in outputs}
    large = {output: measured(DOCUMENTS, output) for output in outputs}
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10
    sys.stdout.write(f"at most {memory} MiB of memory\n")
    is_linear = all(large[output] <= 2 * LINEAR * small[output] for output in outputs)
    sys.exit(0 if max(large.values()) <= LIMIT_SECONDS and memory <= LIMIT_MIB and is_linear else 1)
