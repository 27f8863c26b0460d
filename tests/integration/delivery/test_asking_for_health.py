"""One GET tells whether an application is well, whatever it answers."""

import pytest

from leadkeep.destinations.health import HealthCheck
from leadkeep.errors import SettingsError
from tests.integration.delivery.raw_server import OK, Visit, raw_server, replies


async def fault(url: str, *, timeout_seconds: float = 10.0) -> str:
    return await HealthCheck("brain", url, timeout_seconds=timeout_seconds).fault()


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (OK, ""),
        (b"HTTP/1.1 204 X\r\n\r\n", ""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000, ""),
        (b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n", "answered 503"),
        (b"HTTP/1.1 302 X\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n", "answered 302"),
        (b"HTTP/1.1 503 X\r\nContent-Length: 9\r\n\r\ncut", "answered 503"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut", "cut off"),
        (b"SSH-2.0-nothing of the kind\r\n\r\n", "not an HTTP reply"),
        (b"", "without answering"),
    ],
)
async def test_only_a_whole_2xx_is_well(reply: bytes, words: str) -> None:
    async with raw_server(replies(reply, then_close=True)) as server:
        found = await fault(f"{server.url}/health?deep=%7E")
    assert words in found
    assert bool(found) is bool(words)
    head = server.requests[0].split(b"\r\n")
    assert head[0] == b"GET /health?deep=%7E HTTP/1.1"
    assert f"Host: 127.0.0.1:{server.port}".encode() in head
    assert len(server.requests) == 1


async def test_what_does_not_answer_is_not_well() -> None:
    async def hang(visit: Visit) -> None:
        while await visit.request():
            pass

    async with raw_server(hang) as server:
        url = server.url
        assert "did not answer within" in await fault(url, timeout_seconds=0.05)
    assert "no connection" in await fault(url)


def test_a_url_that_cannot_be_asked_is_said_at_the_start() -> None:
    with pytest.raises(SettingsError, match="health URL of brain"):
        HealthCheck("brain", "http://host/hé", timeout_seconds=1)
