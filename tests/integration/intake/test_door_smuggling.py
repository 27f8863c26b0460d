"""The door reads no request in a way that uvicorn with httptools would not."""

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest
import uvicorn

from tests.integration.intake.rig import DEADLINE_SECONDS, Client, RunningDoor, wait_until

POST = b"POST /lead HTTP/1.1\r\n"
HOST = b"Host: a\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"

CASES = {
    "content length and chunked": POST + HOST + b"Content-Length: 3\r\n" + CHUNKED
    + b"\r\n5\r\nhello\r\n0\r\n\r\n",
    "chunked and content length": POST + HOST + CHUNKED + b"Content-Length: 3\r\n"
    b"\r\n5\r\nhello\r\n0\r\n\r\n",
    "two content lengths": POST + HOST + b"Content-Length: 5\r\nContent-Length: 3\r\n\r\nhello",
    "the same content length twice": POST + HOST
    + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "obfuscated transfer encoding": POST + HOST
    + b"Transfer-Encoding: xchunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "transfer encoding with a tab": POST + HOST
    + b"Transfer-Encoding:\tchunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "transfer encoding after a vertical tab": POST + HOST
    + b"Transfer-Encoding: \x0bchunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "chunked is not the last coding": POST + HOST
    + b"Transfer-Encoding: chunked, identity\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "bad chunk terminator": POST + HOST + CHUNKED + b"\r\n5\r\nhelloXX0\r\n\r\n",
    "bare line feeds": b"POST /lead HTTP/1.1\nHost: a\nContent-Length: 5\n\nhello",
    "a bare line feed in the head": POST + HOST + b"X: y\nContent-Length: 5\r\n\r\nhello",
    "space before the colon": POST + HOST + b"Content-Length : 5\r\n\r\nhello",
    "negative content length": POST + HOST + b"Content-Length: -5\r\n\r\nhello",
    "signed content length": POST + HOST + b"Content-Length: +5\r\n\r\nhello",
    "line feed in a chunk extension": POST + HOST + CHUNKED
    + b"\r\n5;a\nb\r\nhello\r\n0\r\n\r\n",
    "missing host": POST + b"Content-Length: 5\r\n\r\nhello",
    "short body": POST + HOST + b"Content-Length: 50\r\n\r\nhello",
    "folded header": POST + HOST + b"X: a\r\n b\r\nContent-Length: 5\r\n\r\nhello",
    "chunk size in disguise": POST + HOST + CHUNKED + b"\r\n0x5\r\nhello\r\n0\r\n\r\n",
    "plain": POST + HOST + b"Content-Length: 5\r\n\r\nhello",
    "plain chunked": POST + HOST + CHUNKED + b"\r\n5\r\nhello\r\n0\r\n\r\n",
}  # fmt: skip


class Uvicorn:
    """The server to compare with; answers 200 once it has read a whole body."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.port = 0
        config = uvicorn.Config(
            self._app,
            http="httptools",
            loop="asyncio",
            log_level="critical",
            lifespan="off",
            interface="asgi3",
        )
        self._server = uvicorn.Server(config)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._server.serve(sockets=[self._socket]))
        )
        self._thread.start()
        wait_until(lambda: self._server.started, "uvicorn")

    async def _app(self, scope, receive, send):  # type: ignore[no-untyped-def]  # ASGI
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        self.bodies.append(body)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(DEADLINE_SECONDS)
        self._socket.close()


@pytest.fixture(scope="module")
def other() -> Iterator[Uvicorn]:
    server = Uvicorn()
    yield server
    server.stop()


def is_taken(port: int, raw: bytes) -> bool:
    """True if the first answer to these bytes is a 2xx."""
    with Client(port) as client:
        client.send(raw)
        if client.is_silent(0.3):
            client.half_close()  # (Earlier, and uvicorn would close without answering.)
        try:
            received = client.sock.recv(65536)
        except ConnectionError:
            received = b""
    return received.startswith(b"HTTP/1.1 2")


@pytest.mark.parametrize("case", CASES)
def test_what_uvicorn_refuses_the_door_refuses(
    door: RunningDoor, other: Uvicorn, case: str
) -> None:
    other.bodies.clear()
    raw = CASES[case]
    taken_there, taken_here = is_taken(other.port, raw), is_taken(door.port, raw)

    leads = door.leads()
    assert taken_here == bool(leads), "a 2xx is a lead, and nothing else is"
    if taken_there and taken_here:
        assert [lead.body for lead in leads] == other.bodies
    else:
        assert not taken_here
        assert door.rejections()


def test_the_plain_cases_are_taken_by_both(door: RunningDoor, other: Uvicorn) -> None:
    for case in ("plain", "plain chunked"):
        assert is_taken(other.port, CASES[case])
        assert is_taken(door.port, CASES[case])
