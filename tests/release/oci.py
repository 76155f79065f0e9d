"""An OCI image layout: layers made from folders, one image for each platform, and the index of all platforms.

Equal folders make equal bytes: entries are sorted, and times and owners are zero.
https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md
"""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
EPOCH = "1970-01-01T00:00:00Z"
# /tmp keeps its mode; all others get one of two, so that the umask of the machine does not count.
STICKY = 0o1000
VARIANTS = {"arm64": {"variant": "v8"}}

Descriptor = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer: its compressed content, and the digest of the content uncompressed."""

    content: bytes
    diff_id: str


@dataclass(slots=True)
class Layout:
    """The blobs of a layout, by digest."""

    blobs: dict[str, bytes] = field(default_factory=dict)

    def add(self, content: bytes, media_type: str) -> Descriptor:
        """Add a blob and return how others refer to it."""
        name = digest(content)
        self.blobs[name] = content
        return {"mediaType": media_type, "digest": name, "size": len(content)}

    def image(self, architecture: str, layers: Sequence[Layer], settings: Mapping[str, Any]) -> Descriptor:
        """Add the image of one platform and return its descriptor for an index."""
        platform = {"architecture": architecture, "os": "linux", **VARIANTS.get(architecture, {})}
        history = [{"created": EPOCH, "created_by": "make release"} for _ in layers]
        rootfs = {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]}
        config = {"created": EPOCH, **platform, "config": settings, "rootfs": rootfs, "history": history}
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.add(as_bytes(config), CONFIG),
            "layers": [self.add(layer.content, LAYER) for layer in layers],
            "annotations": settings["Labels"],
        }
        return {**self.add(as_bytes(manifest), MANIFEST), "platform": platform}

    def index(self, images: Sequence[Descriptor], annotations: Mapping[str, str]) -> Descriptor:
        """Add the index of all platforms and return its descriptor."""
        content = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [*images], "annotations": annotations}
        return self.add(as_bytes(content), INDEX)

    def write(self, path: Path, index: Descriptor, name: str) -> None:
        """Write the layout as one archive, in which the index has a name."""
        names = {"org.opencontainers.image.ref.name": name}
        top = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [{**index, "annotations": names}]}
        files = {f"blobs/{key.replace(':', '/')}": content for key, content in self.blobs.items()}
        files |= {"oci-layout": as_bytes({"imageLayoutVersion": "1.0.0"}), "index.json": as_bytes(top)}
        with tarfile.open(path, "w") as archive:
            for file, content in sorted(files.items()):
                entry = tarfile.TarInfo(file)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))


def layer_of(root: Path) -> Layer:
    """Return a layer with everything below a folder, owned by root, without times."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(root.rglob("*")):
            entry = archive.gettarinfo(path, str(path.relative_to(root)))
            entry.uid = entry.gid = entry.mtime = 0
            entry.uname = entry.gname = ""
            entry.mode = entry.mode if entry.mode & STICKY else 0o755 if entry.mode & 0o100 else 0o644
            if entry.isreg():
                with path.open("rb") as file:
                    archive.addfile(entry, file)
            else:
                archive.addfile(entry)
    plain = content.getvalue()
    return Layer(gzip.compress(plain, compresslevel=6, mtime=0), digest(plain))


def as_bytes(value: Mapping[str, Any]) -> bytes:
    """Return a value as JSON, always in the same way."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def digest(content: bytes) -> str:
    """Return a digest as registries write it."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
