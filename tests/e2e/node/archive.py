"""Container images made of a few files, as an archive that every container runtime imports: no registry, no builder.

The format is ``docker save``'s: https://github.com/moby/docker-image-spec/blob/main/v1.2.md
"""

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}

# As in Debian: libraries have one home, and the old paths lead there.
LINKS = {"bin": "usr/bin", "lib": "usr/lib", "lib64": "usr/lib64"}


@dataclass(frozen=True, slots=True)
class Image:
    """An image: its name, what it holds (absolute path in the image, to the file that is copied) and how it starts."""

    name: str
    files: Mapping[str, Path]
    entrypoint: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


def write_archive(image: Image, path: Path) -> Path:
    """Write an image's archive and return its path."""
    layer = _layer(image.files)
    digest = hashlib.sha256(layer).hexdigest()
    config = json.dumps(_config(image, digest)).encode()
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = [{"Config": config_name, "RepoTags": [image.name], "Layers": [f"{digest}/layer.tar"]}]
    with tarfile.open(path, "w") as archive:
        _add(archive, "manifest.json", json.dumps(manifest).encode())
        _add(archive, config_name, config)
        _add(archive, f"{digest}/layer.tar", layer)
    return path


def _config(image: Image, layer: str) -> Mapping[str, object]:
    start = {
        "Entrypoint": list(image.entrypoint),
        "Env": [f"{name}={value}" for name, value in {"PATH": "/usr/bin", **image.environment}.items()],
    }
    return {
        "architecture": ARCHITECTURES[platform.machine()],
        "os": "linux",
        "config": start,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer}"]},
    }


def _layer(files: Mapping[str, Path]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as layer:
        homes = {_home(path): source for path, source in files.items()}
        for folder in sorted({folder for path in [*homes, *LINKS.values()] for folder in _folders(path)}):
            layer.addfile(_entry(folder, tarfile.DIRTYPE))
        for name, target in LINKS.items():
            link = _entry(name, tarfile.SYMTYPE)
            link.linkname = target
            layer.addfile(link)
        for path, source in homes.items():
            _add(layer, path, source.read_bytes())
    return content.getvalue()


def _home(path: str) -> str:
    """Return where a file is, without the links on the way."""
    first, _, rest = path.removeprefix("/").partition("/")
    return f"{LINKS.get(first, first)}/{rest}"


def _folders(path: str) -> Iterator[str]:
    parts = path.split("/")
    # A target of a link is a folder itself, though no file may be in it.
    end = len(parts) + 1 if path in LINKS.values() else len(parts)
    return ("/".join(parts[:count]) for count in range(1, end))


def _entry(name: str, kind: bytes) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type = kind
    entry.mode = 0o755
    return entry


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = _entry(name, tarfile.REGTYPE)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))
