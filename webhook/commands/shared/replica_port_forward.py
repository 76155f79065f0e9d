"""Ask each replica of an installation, by port-forward, for what it serves on loopback only.

The API server forwards to a pod's loopback for each user who may ``get`` and ``create`` ``pods/portforward``. The
``kubernetes`` package has the client for it, so no kubectl is needed.
"""

import asyncio
import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from webhook.commands.shared.cluster import UnreadError
from webhook.commands.shared.input_files import InputError
from webhook.kube.metadata import metadata, name_of
from webhook.kube.values import elements, items, mapping, text
from webhook.kube_client.api_error import ApiError, CredentialsError
from webhook.kube_client.client import KubeClient
from webhook.kube_client.paging import objects
from webhook.names import APP_SELECTOR

CERT_DIR = "--cert-dir"
DECISIONS_PORT, ADMIN_PORT = "--decisions-port", "--admin-port"
# Options of a replica's command line, with their defaults.
DEFAULT_PORTS = {"--port": 8443, DECISIONS_PORT: 8081, ADMIN_PORT: 8080}
ANSWER_SECONDS: float = 15
NOT_A_REPLICA = "its answer is none of a replica: another program has the port"
# Seconds since the epoch that a date can show.
LATEST = 2**37
PORT_FORWARD_PATH = "/api/v1/namespaces/{namespace}/pods/{name}/portforward"


class UnreachableError(Exception):
    """A replica did not answer; the message says why, on one line."""


@dataclass(frozen=True, slots=True)
class ReplicaAnswer:
    """The answer of one replica: its ``/state``, and its decisions (rows of ``/decisions``), with the replica's name.

    If the replica did not answer, the state is its name and the error.
    """

    state: Mapping[str, Any]
    records: list[dict[str, Any]]

    @property
    def trouble(self) -> str:
        """Why there is no answer, empty where there is one."""
        return str(self.state.get("unreachable", ""))


@dataclass(frozen=True, slots=True)
class Replicas:
    """The replicas of one installation, by its namespace."""

    client: KubeClient
    namespace: str

    async def ask(self, query: Mapping[str, str], since: Mapping[str, float]) -> list[ReplicaAnswer]:
        """Return every running replica's answer, by name; ``since`` has the time of the last decision known of each.

        Raises InputError if there is none, or if it is unknown.
        """
        pods = await self.running()
        asked = (self._ask(pod, {**query, "since": repr(since.get(name_of(pod), 0.0))}) for pod in pods)
        return list(await asyncio.gather(*asked))

    async def mounted_folder(self) -> str:
        """Return the folder that the replicas serve from; empty for their own certificate. Raises as ``running``."""
        return next((folder for pod in await self.running() if (folder := _argument(pod, CERT_DIR))), "")

    async def running(self) -> list[Mapping[str, Any]]:
        """Return the pods, by name. Raises InputError if there is none, or if it is unknown."""
        path = f"/api/v1/namespaces/{self.namespace}/pods"
        try:
            pods = await objects(self.client, path, {"labelSelector": APP_SELECTOR})
        except ApiError as error:
            raise UnreadError(f"could not list the pods of namespace {self.namespace}: {error.for_people}") from error
        running: list[Mapping[str, Any]] = sorted(filter(_is_running, pods), key=name_of)
        if not running:
            raise InputError(f"no replica of gpu-injector runs in namespace {self.namespace}; is it in another one?")
        return running

    async def _ask(self, pod: Mapping[str, Any], query: Mapping[str, str]) -> ReplicaAnswer:
        name = name_of(pod)
        connection = _Forwarded(self.client, self.namespace, name, port_of(pod, DECISIONS_PORT))
        try:
            state, records = await asyncio.to_thread(_read, connection, query)
        except UnreachableError as error:
            return ReplicaAnswer({"replica": name, "unreachable": str(error)}, [])
        return ReplicaAnswer({**state, "replica": name}, [{**record, "replica": name} for record in records])


def port_of(pod: Mapping[str, Any], option: str) -> int:
    """Return the port of a replica's command line, or the default of that option."""
    said = _argument(pod, option)
    return int(said) if said.isdecimal() else DEFAULT_PORTS[option]


def _argument(pod: Mapping[str, Any], wanted: str) -> str:
    for container in items(mapping(pod.get("spec")).get("containers")):
        words = map(text, elements(container.get("args")))
        for word in words:
            option, _, value = word.partition("=")
            if option == wanted:
                return value or next(words, "")
    return ""


def _is_running(pod: Mapping[str, Any]) -> bool:
    return mapping(pod.get("status")).get("phase") == "Running" and "deletionTimestamp" not in metadata(pod)


def _read(connection: "_Forwarded", query: Mapping[str, str]) -> tuple[dict[str, Any], list[Any]]:
    try:
        state, records = connection.read("/state"), connection.read(f"/decisions?{urlencode(query)}")
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise UnreachableError(connection.why() or f"{type(error).__name__}: {error}") from error
    finally:
        connection.close()
    if not isinstance(state, dict) or not isinstance(records, list) or not all(map(_is_record, records)):
        raise UnreachableError(NOT_A_REPLICA)
    return state, records


def _is_record(record: object) -> bool:
    """Say whether it has what every version of a replica writes about a decision."""
    found = mapping(record)
    texts = all(isinstance(found.get(key), str) for key in ("namespace", "name", "owner", "verdict", "reason"))
    time = found.get("time")
    is_dated = isinstance(time, int | float) and abs(time) < LATEST
    return texts and is_dated and isinstance(found.get("warnings"), list) and "dryRun" in found


def forward(client: KubeClient, namespace: str, name: str, port: int) -> Any:  # noqa: ANN401 - it has no types
    """Return a `kubernetes.stream.portforward` to a port of a pod. Blocks. Raises UnreachableError, OSError."""
    # Not by CoreV1Api: to import all of the API takes 80 MiB and a second.
    from kubernetes.client import ApiClient, ApiException  # noqa: PLC0415 - takes its time
    from kubernetes.stream import ws_client  # noqa: PLC0415 - likewise

    call: Any = ws_client.portforward_call  # it has no types

    # With the credentials in use: an exec plugin is not run again for each replica.
    try:
        configuration = client.configuration()
        method, url, headers, *_ = ApiClient(configuration).param_serialize(
            "GET",
            PORT_FORWARD_PATH,
            path_params={"namespace": namespace, "name": name},
            query_params=[("ports", str(port))],
            header_params={"Accept": "*/*"},
            auth_settings=["BearerToken"],
        )
        return call(configuration, method, url, headers=headers)
    except ApiException as error:
        raise UnreachableError(_first_line(error.reason)) from error
    except CredentialsError as error:
        raise UnreachableError(str(error)) from error


class _Forwarded(http.client.HTTPConnection):
    """HTTP to a port of a pod's loopback, through the API server."""

    def __init__(self, client: KubeClient, namespace: str, name: str, port: int) -> None:
        super().__init__("localhost", port, timeout=ANSWER_SECONDS)
        self._client, self._namespace, self._name = client, namespace, name
        self._forward: Any = None

    def connect(self) -> None:
        """Open the connection. Raises UnreachableError, OSError."""
        self._forward = forward(self._client, self._namespace, self._name, self.port)
        self.sock = self._forward.socket(self.port)
        self.sock.settimeout(ANSWER_SECONDS)

    def read(self, path: str) -> Any:  # noqa: ANN401 - the JSON of that path
        """Return the JSON of a path. Raises OSError, HTTPException, ValueError."""
        self.request("GET", path)
        answer = self.getresponse()
        body = answer.read()
        if answer.status != http.client.OK:
            raise UnreachableError(f"{path}: {answer.status} {_first_line(body.decode(errors='replace'))}")
        return json.loads(body)

    def why(self) -> str:
        """Return the kubelet's error, empty if there is none."""
        return _first_line(self._forward.error(self.port) or "") if self._forward else ""


def _first_line(text: str) -> str:
    # The message about a refused handshake contains all of its headers.
    return text.partition("\n")[0].partition(" -+-+- ")[0][:200].strip()
