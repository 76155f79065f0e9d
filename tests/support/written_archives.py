"""Write the archives of tests/data again (``make archives``), after a change of what is registered or collected.

The platforms are collected from their clusters. The field cases keep what was reported, and get our own objects and the
requests of today from them.
"""

import asyncio
import json
import re
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rich.progress import Progress

from support.archives import ARCHIVES
from support.cluster_world import session
from support.doctor_world import LATER, NOW, served
from support.mixed_platforms import PLATFORMS
from support.platforms import cluster_on
from support.silent_replicas import silent_replicas
from webhook.archive.archive import dump
from webhook.commands.shared.read_cluster import record_all

Json = dict[str, Any]
MODEL = "kubeadm"
OURS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration", "Deployment")
# What differs from one run to the next, and is no part of a case.
UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\b[0-9a-f]{64}\b")
TIME = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)")
SECONDS = re.compile(r'("seconds": )[0-9.]{1,8}')
THEN = datetime(2026, 6, 1, 12, tzinfo=UTC)
# Times that the clusters have whatever the clock says.
FIXED = ("2026-01-01T00:00:00Z", LATER)


async def collect(name: str, folder: Path) -> str:
    """Return the archive of a platform, as it is written."""
    async with served(cluster_on(name)) as fake, session(fake, folder) as client:
        asked = {"policy_file": None, "scope": "", "own_namespace": "default"}
        archive = await record_all(client, asked, Progress(disable=True))
    return written(json.loads(dump(archive)))


def written(content: Json) -> str:
    """Return the text of an archive, in which names of one run and times have fixed values."""
    text = SECONDS.sub(r"\g<1>0.001", as_text(content))
    known: dict[str, str] = {}
    text = UID.sub(lambda found: known.setdefault(found[0], _numbered(found[0], len(known) + 1)), text)
    return TIME.sub(lambda found: _fixed(found[0]), text)


def as_text(content: Json) -> str:
    """Return the text of an archive, in one order: requests are answered in any."""
    about, *objects = content["items"]
    found = sorted(objects, key=lambda item: (item["kind"], json.dumps(item.get("metadata"))))
    answers = {key: dict(sorted(about[key].items())) for key in ("answers", "texts")}
    return json.dumps({**content, "items": [{**about, **answers}, *found]}, indent=1, ensure_ascii=False) + "\n"


def _numbered(found: str, number: int) -> str:
    return f"{number:064x}" if len(found) == 64 else f"00000000-0000-4000-8000-{number:012x}"


def _fixed(found: str) -> str:
    if found in FIXED:
        return found
    hours = round((datetime.fromisoformat(found) - NOW) / timedelta(hours=1))
    return (THEN + timedelta(hours=hours)).isoformat()


def refreshed(case: Json, model: Json) -> Json:
    """Return a field case with our own objects, and with the answers to requests that it does not know."""
    about, *objects = case["items"]
    ours = {(item["kind"], item["metadata"]["name"]): item for item in model["items"] if item["kind"] in OURS}
    found = [ours.get((item["kind"], item["metadata"].get("name")), item) for item in objects]
    answers = {**model["items"][0]["answers"], **about["answers"]}
    return {**case, "items": [{**about, "answers": answers}, *found]}


def platform_text(name: str) -> str:
    """Return the text of a platform's archive."""
    with tempfile.TemporaryDirectory() as folder, silent_replicas():
        return asyncio.run(collect(name, Path(folder)))


def case_text(path: Path, model: str) -> str:
    """Return the text of a field case, brought up to date by the archive of a platform."""
    return as_text(refreshed(json.loads(path.read_text()), json.loads(model)))


def cases() -> list[Path]:
    """Return the archives that are no platform's."""
    return sorted(path for path in ARCHIVES.glob("*.json") if path.stem not in PLATFORMS)


if __name__ == "__main__":
    for each in PLATFORMS:
        (ARCHIVES / f"{each}.json").write_text(platform_text(each))
    for each_case in cases():
        each_case.write_text(case_text(each_case, (ARCHIVES / f"{MODEL}.json").read_text()))
