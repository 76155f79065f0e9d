"""The port-forward of the fake API server, as a kubelet does it over a WebSocket.

One port: channel 0 is its data, channel 1 its error; each begins with the port, two bytes, the low one first.
Source: https://github.com/kubernetes/kubernetes/blob/master/pkg/kubelet/server/portforward/websocket.go
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from aiohttp import WSMsgType, web

PROTOCOL = "v4.channel.k8s.io"
DATA, ERROR = b"\x00", b"\x01"


async def forward(request: web.Request, ports: Mapping[str, int]) -> web.StreamResponse:
    """Connect a WebSocket with the port that a pod's port stands for; a pod that has none refuses the connection."""
    pod, wanted = request.path.split("/")[-2], int(request.query["ports"])
    socket = web.WebSocketResponse(protocols=(PROTOCOL,))
    await socket.prepare(request)
    for channel in (DATA, ERROR):
        await socket.send_bytes(channel + wanted.to_bytes(2, "little"))
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", ports[pod])
    except (KeyError, OSError):
        await socket.send_bytes(ERROR + f"error forwarding port {wanted} to pod {pod}: connection refused".encode())
        await socket.close()
        return socket
    answers = asyncio.create_task(_answers(reader, socket))
    try:
        async for message in socket:
            if message.type is WSMsgType.BINARY and message.data[:1] == DATA:
                writer.write(message.data[1:])
    finally:
        # The test may end the server before the client has closed the connection.
        answers.cancel()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    return socket


async def _answers(reader: asyncio.StreamReader, socket: web.WebSocketResponse) -> None:
    while data := await reader.read(2**16):
        await socket.send_bytes(DATA + data)
