"""The chart as an archive and the rendered manifest, both with the released image by its digest."""

import gzip
import io
import re
import shutil
import tarfile
from pathlib import Path

from e2e.helm import NAMESPACE, RELEASE, Helm, arranged

from release.programs import ReleaseError, run
from release.source import Source

# The chart's templates use it. Values that a user kept from one chart do not pin its image in the next.
DIGEST = "gpu-injector.io/image-digest"
HEADER = """\
# gpu-injector {version}. Apply:   kubectl apply -f install.yaml
#               Undo:    kubectl delete -f install.yaml
# In an emergency, this command alone disables the webhook:
#                        kubectl delete mutatingwebhookconfiguration,validatingwebhookconfiguration gpu-injector
#
# The registrations come first, so that `kubectl delete -f` removes them first.
# Made by `make release` from the commit {revision}.
"""


def build_chart(source: Source, helm: Helm, image: tuple[str, str], output: Path, work: Path) -> None:
    """Write the chart's archive and install.yaml; ``image`` is a repository and a digest. Raises ReleaseError."""
    chart = work / "chart" / RELEASE
    shutil.copytree(source.root / "deploy" / "chart", chart)
    _set_versions(chart / "Chart.yaml", source.version, image)
    _set_repository(chart / "values.yaml", image[0])
    run(helm.program, "lint", "--quiet", chart)
    helm.run("package", chart, f"--destination={work}")
    packed = work / f"{RELEASE}-{source.version}.tgz"
    (output / packed.name).write_bytes(without_times(packed.read_bytes()))
    command = ("template", RELEASE, chart, f"--namespace={NAMESPACE}", "--no-hooks")
    rendered = helm.run(*command, values={"namespace": {"create": True}, "image": {"digest": image[1]}})
    header = HEADER.format(version=source.version, revision=source.revision)
    (output / "install.yaml").write_text(header + arranged(rendered))


def without_times(archive: bytes) -> bytes:
    """Return a .tgz without the times that Helm writes into it, sorted."""
    content = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as packed,
        tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as plain,
    ):
        # Chart.yaml comes first, as Helm writes it.
        for member in sorted(packed.getmembers(), key=lambda one: (not one.name.endswith("/Chart.yaml"), one.name)):
            entry = tarfile.TarInfo(member.name)
            entry.size, entry.mode = member.size, 0o644
            plain.addfile(entry, packed.extractfile(member))
    return gzip.compress(content.getvalue(), compresslevel=9, mtime=0)


def _set_versions(path: Path, version: str, image: tuple[str, str]) -> None:
    repository, digest = image
    text = _replaced(path.read_text(), r"^version: .*$", f"version: {version}")
    text = _replaced(text, r"^appVersion: .*$", f"appVersion: {version}")
    text = _replaced(text, r"^annotations:$", f"annotations:\n  {DIGEST}: {digest}")
    path.write_text(_replaced(text, r"image: gpu-injector:\S+$", f"image: {repository}:{version}@{digest}"))


def _set_repository(path: Path, repository: str) -> None:
    path.write_text(_replaced(path.read_text(), r"^  repository: .*$", f"  repository: {repository}"))


def _replaced(text: str, pattern: str, replacement: str) -> str:
    changed, count = re.subn(pattern, lambda _: replacement, text, flags=re.MULTILINE)
    if count != 1:
        raise ReleaseError(f"the chart has {count} lines like {pattern}, not one")
    return changed
