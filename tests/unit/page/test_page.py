"""The page of the decisions: what it shows, what it hides, and who may read it."""

import base64
import hashlib
import json
import math
from collections.abc import AsyncIterator, Sequence
from html.parser import HTMLParser
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from structlog.testing import capture_logs
from support.golden_cases import GOLDEN, read_view, view_file
from support.served import GPU_POD, decided, pod, replica, webhook

from webhook.page.filters import Filters
from webhook.page.notices import notices
from webhook.page.patch_lines import patch_lines
from webhook.page.render import render
from webhook.server.admin import Admin
from webhook.server.decision_log import NAME_LIMIT, OPERATIONS_LIMIT, open_log
from webhook.server.heartbeat_status import HeartbeatStatus
from webhook.server.state import Replica
from webhook.server.status_events import StatusEvents
from webhook.view.gpu_operator import ClusterPolicy
from webhook.view.view import ClusterView

NOW = 1_800_000_000.0
HOSTILE = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "\u202eevil\u202c-rtl", "x" * 253)


class Page(HTMLParser):
    """The elements and the text of a page, as a browser without JavaScript has them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.raw: dict[str, str] = {}
        self._in = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record an element."""
        self.tags.append((tag, dict(attrs)))
        self._in = tag

    def handle_data(self, data: str) -> None:
        """Record text, without style and script."""
        if self._in in ("style", "script"):
            self.raw[self._in] = self.raw.get(self._in, "") + data
            self._in = ""
        else:
            self.text += data


def page_of(records: Sequence[dict[str, Any]], query: dict[str, str] | None = None, *replicas: Replica) -> Page:
    """Return the page of one replica, or of several."""
    states = [one.to_json() for one in replicas or (replica(),)]
    return Page(render(states, records, Filters.of(query or {}), NOW))


@pytest.fixture
async def admin() -> AsyncIterator[TestClient[Any, Any]]:
    """Serve what is for loopback, after one decision."""
    hook = webhook()
    await decided(GPU_POD, hook=hook)
    async with TestClient(TestServer(Admin(hook.observer, replica()).decisions())) as client:
        yield client


async def test_the_page_allows_itself_nothing_but_its_own_style_and_script(admin: TestClient[Any, Any]) -> None:
    """The policy names both by their hashes, and no element asks for anything else."""
    answer = await admin.get("/")
    page, policy = Page(await answer.text()), answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for element in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(page.raw[element].encode()).digest()).decode()
        assert f"{element}-src 'sha256-{digest}'" in policy
    loading = [attributes for _, attributes in page.tags if "src" in attributes or "style" in attributes]
    assert loading == []
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert (answer.headers["Cache-Control"], answer.headers["X-Content-Type-Options"]) == ("no-store", "nosniff")


@pytest.mark.parametrize("path", ["/", "/decisions", "/state"])
@pytest.mark.parametrize(
    ("host", "status"), [("localhost:18081", 200), ("127.0.0.1", 200), ("[::1]:80", 200), ("evil.example:8081", 403)]
)
async def test_a_foreign_name_that_was_rebound_to_loopback_reads_nothing(
    admin: TestClient[Any, Any], path: str, host: str, status: int
) -> None:
    """The browser still sends the host name from the URL."""
    answer = await admin.get(path, headers={"Host": host})
    assert (answer.status, "model" in await answer.text()) == (status, status == 200 and path != "/state")


async def test_filters_work_in_the_url_alike_for_page_and_json(admin: TestClient[Any, Any]) -> None:
    """A link shows the same selection to everyone, and to a script."""
    for query, found in (("?verdict=inject", 1), ("?verdict=leave", 0), ("?q=MODEL", 1), ("?attention=1", 0)):
        assert len(await (await admin.get("/decisions" + query)).json()) == found
        rows = [tag for tag, given in Page(await (await admin.get("/" + query)).text()).tags if tag == "details"]
        assert len(rows) == found


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({}, ["first", "own", "second"]),
        ({"verdict": "leave"}, ["own"]),
        ({"reason": "runtime-class"}, ["first", "second"]),
        ({"namespace": "web"}, []),
        ({"q": "SECO"}, ["second"]),
        ({"q": "u-0"}, ["first"]),
        ({"q": "is nvidia"}, ["first", "second"]),
        ({"q": "(.*)"}, []),
        ({"attention": "1"}, []),
        ({"attention": "yes", "verdict": ""}, ["first", "own", "second"]),
        ({"verdict": "inject", "q": "first", "unknown": "x"}, ["first"]),
    ],
)
async def test_what_is_asked_for_is_what_is_found(query: dict[str, str], names: list[str]) -> None:
    """Text is searched literally; filters combine; unknown ones are ignored."""
    records = await decided(pod("first"), pod("own", runtimeClassName="kata"), pod("second"))
    assert sorted(record["name"] for record in Filters.of(query).select(records)) == names


def test_a_link_keeps_the_other_filters() -> None:
    """And its text is encoded."""
    filters = Filters.of({"q": "a&b", "verdict": "leave"})
    assert filters.url(verdict="inject") == "?verdict=inject&q=a%26b"
    assert Filters().url() == "?"


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_names_are_text(name: str) -> None:
    """Users who can create pods choose names, and the API server validates them only after us."""
    owner = [{"kind": name, "name": name, "controller": True}]
    odd = {"metadata": {"name": name, "ownerReferences": owner}, "spec": GPU_POD["spec"] | {"runtimeClassName": name}}
    records = await decided(odd)
    visible = name.replace("\u202e", r"\u202e").replace("\u202c", r"\u202c")
    page = page_of(records, {"q": visible})
    assert visible in page.text
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert "img" not in [tag for tag, _ in page.tags]


async def test_what_is_remembered_is_small_whatever_the_author_chose() -> None:
    """A thousand decisions must not hold a thousand requests."""
    many = [{"name": "x" * 1000} for _ in range(240)]
    spec = {"containers": [*GPU_POD["spec"]["containers"], *many]}
    owner = [{"kind": "k" * 10_000, "name": ["n"] * 10_000, "controller": True}]
    (record,) = await decided({"metadata": {"name": "n" * 10_000, "ownerReferences": owner}, "spec": spec})
    assert (len(record["name"]), len(record["operations"])) == (NAME_LIMIT, OPERATIONS_LIMIT)
    assert record["moreOperations"] == 240 + 2 - OPERATIONS_LIMIT
    assert len(json.dumps(record)) < 20_000


async def test_the_patch_is_shown_as_a_diff() -> None:
    """Paths in the usual notation, values as YAML."""
    sidecar = {"name": "web", "env": [{"name": "PORT", "value": "1"}]}
    (record,) = await decided(pod("model", initContainers=[sidecar]))
    assert [line.text for line in patch_lines(record["operations"])] == [
        "@@ spec @@",
        "+ runtimeClassName: nvidia",
        "@@ spec.initContainers[0].env @@",
        "+ - name: NVIDIA_VISIBLE_DEVICES",
        "+   value: void",
        "@@ metadata @@",
        "+ annotations:",
        "+   gpu-injector.io/decision: inject/runtime-class",
    ]
    removed = [{"op": "remove", "path": "/a~1b/securityContext/allowPrivilegeEscalation"}]
    assert [line.text for line in patch_lines(removed)] == ["@@ a/b.securityContext @@", "- allowPrivilegeEscalation"]
    assert all(line.text in page_of([record]).text for line in patch_lines(record["operations"]))


async def test_what_needs_attention_stands_first() -> None:
    """Then the newest; what a dry-run would do needs none."""
    records = await decided(pod("older"), pod("odd", hostUsers=False), pod("newer"))
    records += await decided(pod("trial"), namespace="trial")
    assert [record["needsAttention"] for record in records] == [False, True, False, False]
    text = page_of(records).text
    assert text.index("odd") < text.index("newer") < text.index("older")
    assert "needs attention 1" in text


async def test_only_the_first_rows_are_made_until_all_are_asked_for() -> None:
    """A thousand rows take a while to render and to read."""
    (record,) = await decided(pod("model"))
    many = [record | {"uid": str(number), "name": f"model-{number}"} for number in range(201)]
    assert "The first 200 of 201 rows" in page_of(many).text
    assert "201 of 201 decisions" in page_of(many, {"rows": "all"}).text


def test_without_a_decision_the_page_says_what_to_check() -> None:
    """An empty page is the most likely one on the first day."""
    text = page_of([]).text
    assert "kubectl get namespaces -L gpu-injector.io/inject" in text
    assert "gpu-injector doctor" in text


async def test_filters_that_find_nothing_say_so() -> None:
    """The text differs from the one for no decisions."""
    text = page_of(await decided(pod("model")), {"q": "absent"}).text
    assert "The one decision does not match" in text
    assert "No decision yet" not in text
    assert "None of the 2 decisions matches" in page_of(await decided(pod("a"), pod("b")), {"q": "absent"}).text


async def test_a_filter_shows_what_it_is_set_to() -> None:
    """Also a value that no decision has any more: the page would say that the filter is off, and show no row."""
    shown = page_of(await decided(pod("model")), {"namespace": "gone", "reason": "runtime-class"})
    chosen = [attributes["value"] for tag, attributes in shown.tags if tag == "option" and "selected" in attributes]
    assert chosen == ["gone", "runtime-class"]


async def test_a_row_without_warnings_and_patch_has_no_label_for_them() -> None:
    """At 400 pixels the label would be alone in its line."""
    (record,) = await decided(pod("model"))
    bare = record | {"operations": [], "evidence": [], "warnings": []}
    labels = [
        [attributes.get("data-label") for tag, attributes in page_of([one]).tags if tag == "td"][4]
        for one in (record, bare, bare | {"warnings": ["gpu-injector: odd"]})
    ]
    assert labels == ["Warnings and patch", None, "Warnings and patch"]


@pytest.mark.parametrize(("more", "shown"), [(1, "and 1 more operation\n"), (2, "and 2 more operations\n")])
async def test_operations_that_are_not_shown_are_counted(more: int, shown: str) -> None:
    """In the singular, too."""
    (record,) = await decided(pod("model"))
    assert shown in page_of([record | {"moreOperations": more}]).text + "\n"


async def test_several_replicas_are_told_apart() -> None:
    """One that did not answer is named: its decisions are missing."""
    records = [record | {"replica": "gpu-injector-2"} for record in await decided(pod("model"))]
    states = [replica().to_json(), {"replica": "gpu-injector-2", "unreachable": "connection refused"}]
    text = Page(render(states, records, Filters(), NOW)).text
    assert "1 of 2 replicas answered: gpu-injector-1." in text
    assert "Replicagpu-injector-1" in text.replace("\n", "")
    assert "Its decisions are missing here: connection refused" in text
    assert "This replica only" not in text


@pytest.mark.parametrize(
    ("case", "shown"),
    [
        ("handler-mixed", ["2 nvidia.com/gpu", "proven", "disproved"]),
        ("mount-handler-unknown", ["unknown", "/usr/lib/x86_64-linux-gnu", "a mount"]),
        ("bootstrap-nvml", ["none", "no RuntimeClass"]),
    ],
)
def test_the_node_matrix_shows_what_decisions_go_by(case: str, shown: list[str]) -> None:
    """Allocatable GPUs, evidence of the handler, the driver's directory, and how the plugin got NVML."""
    text = page_of([], None, replica(read_view(view_file(GOLDEN / case)))).text
    assert [word for word in shown if word not in text] == []


def test_nodes_that_offer_nothing_are_noticed() -> None:
    """The incident: a labelled GPU node whose plugin found none."""
    state = replica(read_view(GOLDEN / "bootstrap-nvml" / "view.yaml")).to_json()
    assert [line for line in notices(state, NOW) if "No GPU is offered by gpu-1" in line]


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"age": 91}, "The view of the cluster is 91 s old"),
        ({"age": math.inf}, "was never listed"),
        ({"readiness": lambda: "draining"}, "Not ready: draining."),
        ({"expiries": lambda: (NOW + 86400, NOW)}, "The certificate expires 2027-01-16"),
        ({"expiries": lambda: (NOW - 86400, NOW)}, "The certificate expired 2027-01-14"),
    ],
)
def test_problems_are_shown_first(settings: dict[str, Any], line: str) -> None:
    """Above the table of decisions."""
    assert line in page_of([], None, replica(**settings)).text


@pytest.mark.parametrize("event", ["registration-absent", "registration-foreign", "registration-unreadable"])
def test_a_registration_that_is_not_ours_is_noticed_until_it_is(event: str) -> None:
    """Without one the page stays empty."""
    told = StatusEvents(open_log(), clock=lambda: NOW)
    with capture_logs():
        told(event)
        assert any("egistration" in line for line in notices(replica(events=told).to_json(), NOW))
        told("registration-ours")
    assert list(notices(replica(events=told).to_json(), NOW)) == []


def test_a_problem_stays_until_its_subject_recovers() -> None:
    """A watch of another kind says nothing about this one."""
    told = StatusEvents(open_log(), clock=lambda: NOW)
    with capture_logs() as logs:
        told("watch-lost", kind="nodes", reason="list: 403")
        told("watch-found", kind="namespaces", objects=3)
        (line,) = notices(replica(events=told).to_json(), NOW)
        told("watch-found", kind="nodes", objects=3)
    assert line == "watch-lost since 2027-01-15 08:00 UTC (kind: nodes, reason: list: 403)"
    assert list(notices(replica(events=told).to_json(), NOW)) == []
    assert [entry["log_level"] for entry in logs] == ["warning", "info", "info"]


def test_the_page_shows_the_heartbeat() -> None:
    """Its state and its last answer; a replica that sends none, or of an older version, shows nothing."""
    events = StatusEvents(open_log(), clock=lambda: NOW)
    status = HeartbeatStatus(state="missed", cause="no entry", last_success=NOW - 300)
    with capture_logs():
        events("heartbeat-missed", reason="no entry")
    state = replica(events=events, heartbeat=status).to_json()
    shown = render([state], [], Filters(), NOW)
    assert "missed, last answered 5 min ago" in shown
    assert "heartbeat-missed since 2027-01-15 08:00 UTC (reason: no entry)" in shown
    assert "Heartbeat" not in render([replica().to_json()], [], Filters(), NOW)
    older = {key: value for key, value in state.items() if key != "heartbeat"}
    assert "last answered" not in render([older], [], Filters(), NOW)


def test_no_replica_shows_a_number_that_json_cannot_say() -> None:
    """Unknown values are null."""
    state = replica(ClusterView(cluster_policies={"gpu": ClusterPolicy(cdi=False, nri=False)}), age=math.inf).to_json()
    assert state["viewAgeSeconds"] is None
    assert state["certificate"] == {"leafExpires": None, "authorityExpires": None}
