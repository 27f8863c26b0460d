"""Whatever a destination does, an attempt ends in time, says what happened, and raises nothing."""

import asyncio
import socket
import ssl
import time
from collections.abc import Iterator

import pytest
import trustme
from structlog.testing import capture_logs

from leadkeep.clock import SystemClock
from leadkeep.destinations.base import Reply
from leadkeep.destinations.http import HttpDestination
from leadkeep.settings.model import DestinationSettings
from tests.integration.delivery.conftest import MakeDestination
from tests.integration.delivery.leads import a_claim
from tests.integration.delivery.raw_server import OK, Answer, Visit, raw_server, replies

HANG_SECONDS = 0.3
CANARY = "canary-personal"


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def reply_to(make: MakeDestination, answer: Answer, **settings: object) -> Reply:
    async with raw_server(answer) as server:
        destination = make(f"{server.url}/hook?secret={CANARY}", **settings)
        reply = await destination.attempt(a_claim(target=f"/in?name={CANARY}".encode()))
        await destination.close()
        return reply


def status_line(status: int, body: bytes = b"no") -> bytes:
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


@pytest.mark.parametrize("status", [200, 201, 202, 226, 299])
async def test_any_2xx_confirms(destination_at: MakeDestination, status: int) -> None:
    reply = await reply_to(destination_at, replies(status_line(status, b"yes")))
    assert (reply.confirmed, reply.status, reply.body) == (True, status, b"yes")
    assert (reply.error_class, reply.error_message) == ("", "")
    assert reply.headers == b"Content-Length: 3\r\n"


async def test_204_confirms_without_a_body(destination_at: MakeDestination) -> None:
    reply = await reply_to(destination_at, replies(b"HTTP/1.1 204 No Content\r\n\r\n"))
    assert (reply.confirmed, reply.status, reply.body) == (True, 204, b"")


@pytest.mark.parametrize(
    "status", [400, 401, 404, 409, 410, 413, 422, 429, 500, 502, 503, 504, 599]
)
async def test_any_other_status_is_a_failed_attempt_with_its_reply(
    destination_at: MakeDestination, status: int
) -> None:
    reply = await reply_to(destination_at, replies(status_line(status, b"why")))
    assert (reply.confirmed, reply.status, reply.body) == (False, status, b"why")
    assert reply.error_class == f"http_{status}"
    assert reply.error_message.startswith(f"brain answered {status}")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(destination_at: MakeDestination, status: int) -> None:
    async with raw_server(replies(OK)) as elsewhere:
        head = b"HTTP/1.1 %d X\r\nLocation: %b/\r\nContent-Length: 0\r\n\r\n"
        reply = await reply_to(destination_at, replies(head % (status, elsewhere.url.encode())))
        assert elsewhere.connections == 0
    assert reply.error_class == f"http_{status}"
    assert "redirects are not followed" in reply.error_message


@pytest.mark.parametrize("status", [101, 304])
async def test_a_status_that_makes_no_sense_is_a_failed_attempt(
    destination_at: MakeDestination, status: int
) -> None:
    reply = await reply_to(
        destination_at,
        replies(b"HTTP/1.1 %d X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n" % status),
    )
    assert (reply.confirmed, reply.error_class) == (False, f"http_{status}")


async def test_interim_replies_are_passed_over(destination_at: MakeDestination) -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    reply = await reply_to(destination_at, replies(interim + OK))
    assert (reply.confirmed, reply.status, reply.body) == (True, 200, b"ok")


async def test_a_chunked_reply_is_read_to_its_end(destination_at: MakeDestination) -> None:
    reply = await reply_to(
        destination_at,
        replies(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n"
        ),
    )
    assert (reply.confirmed, reply.body) == (True, b"ok")


async def test_a_reply_that_ends_with_the_connection_is_whole(
    destination_at: MakeDestination,
) -> None:
    reply = await reply_to(destination_at, replies(b"HTTP/1.1 200 OK\r\n\r\nok", then_close=True))
    assert (reply.confirmed, reply.body) == (True, b"ok")


async def test_a_compressed_reply_is_recorded_as_sent(destination_at: MakeDestination) -> None:
    reply = await reply_to(
        destination_at,
        replies(
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b??"
        ),
    )
    assert (reply.confirmed, reply.body) == (True, b"\x1f\x8b??")


async def test_a_reply_to_head_has_no_body(destination_at: MakeDestination) -> None:
    async with raw_server(replies(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")) as server:
        claim = a_claim(method="HEAD", body=b"", headers=b"")
        assert (await destination_at(server.url).attempt(claim)).confirmed


@pytest.mark.parametrize("cap", [0, 1, 1000])
async def test_a_huge_reply_is_cut_at_the_cap_and_counts_by_its_status(
    destination_at: MakeDestination, cap: int
) -> None:
    sent = 0

    async def endless(visit: Visit) -> None:
        nonlocal sent
        await visit.request()
        await visit.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await visit.send(b"x" * 65536)
            sent += 65536
            await asyncio.sleep(0)

    reply = await reply_to(destination_at, endless, reply_max_bytes=cap)
    assert (reply.confirmed, reply.body) == (True, b"x" * cap)
    assert sent < 64 * 1024**2


async def test_reply_headers_are_bounded(destination_at: MakeDestination) -> None:
    lines = b"".join(b"X-%d: %b\r\n" % (i, b"y" * 4000) for i in range(50))
    reply = await reply_to(
        destination_at, replies(b"HTTP/1.1 200 OK\r\n%bContent-Length: 0\r\n\r\n" % lines)
    )
    assert reply.confirmed
    assert len(reply.headers) <= 16 * 1024


async def hang(visit: Visit) -> None:
    await visit.request()
    await asyncio.Event().wait()


async def hang_without_reading(visit: Visit) -> None:
    await asyncio.Event().wait()


async def drip_head(visit: Visit) -> None:
    await visit.request()
    for byte in b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000:
        await visit.send(bytes([byte]))
        await asyncio.sleep(0.01)


async def drip_body(visit: Visit) -> None:
    await visit.request()
    await visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        await visit.send(b"x")
        await asyncio.sleep(0.01)


async def never_ending_interim(visit: Visit) -> None:
    await visit.request()
    while True:
        await visit.send(b"HTTP/1.1 102 Processing\r\n\r\n")
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "answer", [hang, hang_without_reading, drip_head, drip_body, never_ending_interim]
)
async def test_one_deadline_bounds_the_whole_attempt(
    destination_at: MakeDestination, answer: Answer
) -> None:
    began = time.monotonic()
    reply = await reply_to(destination_at, answer, timeout_seconds=HANG_SECONDS)
    assert (reply.confirmed, reply.error_class) == (False, "timeout")
    assert "within 0.3 s" in reply.error_message
    assert HANG_SECONDS <= time.monotonic() - began < 4


async def test_a_2xx_whose_body_never_ends_says_so(destination_at: MakeDestination) -> None:
    reply = await reply_to(destination_at, drip_body, timeout_seconds=HANG_SECONDS)
    assert (reply.status, reply.error_class) == (200, "timeout")
    assert "answered 200, but its reply did not end" in reply.error_message
    assert set(reply.body) == {ord("x")}


async def test_an_error_status_counts_even_if_its_body_never_ends(
    destination_at: MakeDestination,
) -> None:
    async def drip(visit: Visit) -> None:
        await visit.request()
        await visit.send(b"HTTP/1.1 503 X\r\nRetry-After: 7\r\nContent-Length: 9\r\n\r\nwhy")
        await asyncio.Event().wait()

    reply = await reply_to(destination_at, drip, timeout_seconds=HANG_SECONDS)
    assert (reply.error_class, reply.body, reply.retry_after_seconds) == ("http_503", b"why", 7.0)


async def test_a_large_lead_to_a_server_that_does_not_read_ends_in_time(
    destination_at: MakeDestination,
) -> None:
    async with raw_server(hang_without_reading) as server:
        destination = destination_at(server.url, timeout_seconds=HANG_SECONDS)
        reply = await destination.attempt(a_claim(body=b"x" * 30 * 1024**2))
    assert reply.error_class == "timeout"


async def test_a_large_lead_arrives_whole(destination_at: MakeDestination) -> None:
    body = bytes(range(256)) * 20_000
    async with raw_server(replies(OK)) as server:
        for _ in range(2):
            assert (await destination_at(server.url).attempt(a_claim(body=body))).confirmed
    assert all(request.endswith(b"\r\n\r\n" + body) for request in server.requests)


async def test_an_answer_before_the_lead_was_read_counts_and_the_connection_is_not_reused(
    destination_at: MakeDestination,
) -> None:
    async def answer_at_once(visit: Visit) -> None:
        await visit.first_byte()
        await visit.send(status_line(413))
        await asyncio.Event().wait()

    async with raw_server(answer_at_once) as server:
        destination = destination_at(server.url)
        for _ in range(2):
            reply = await destination.attempt(a_claim(body=b"x" * 30 * 1024**2))
            assert reply.error_class == "http_413"
    assert server.connections == 2


async def reset_after_request(visit: Visit) -> None:
    await visit.request()
    visit.reset()


async def reset_at_once(visit: Visit) -> None:
    visit.reset()


async def close_after_request(visit: Visit) -> None:
    await visit.request()


async def half_head(visit: Visit) -> None:
    await visit.request()
    await visit.send(b"HTTP/1.1 200 OK\r\nContent-Le")


@pytest.mark.parametrize(
    "answer", [reset_after_request, reset_at_once, close_after_request, half_head]
)
async def test_a_connection_that_ends_without_an_answer_confirms_nothing(
    destination_at: MakeDestination, answer: Answer
) -> None:
    reply = await reply_to(destination_at, answer)
    assert (reply.confirmed, reply.status, reply.error_class) == (False, None, "reset")
    assert reply.error_message == "brain closed the connection without answering"


@pytest.mark.parametrize(
    "cut",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhalf\r\n",
    ],
)
async def test_a_2xx_that_is_cut_off_confirms_nothing(
    destination_at: MakeDestination, cut: bytes
) -> None:
    reply = await reply_to(destination_at, replies(cut, then_close=True))
    assert (reply.confirmed, reply.error_class) == (False, "malformed_reply")


async def test_a_2xx_that_is_reset_in_its_body_confirms_nothing(
    destination_at: MakeDestination,
) -> None:
    async def reset_in_body(visit: Visit) -> None:
        await visit.request()
        await visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        await asyncio.sleep(0.05)
        visit.reset()

    reply = await reply_to(destination_at, reset_in_body)
    assert (reply.confirmed, reply.error_class) == (False, "malformed_reply")


@pytest.mark.parametrize(
    "nonsense",
    [
        b"SSH-2.0-OpenSSH_9\r\n",
        b"220 mail.example ESMTP\r\n",
        b"\x16\x03\x01\x00\x00" * 10,
        b"HTTP/1.1 two hundred\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5_000 + b"\r\n",
    ],
)
async def test_what_is_not_http_confirms_nothing(
    destination_at: MakeDestination, nonsense: bytes
) -> None:
    reply = await reply_to(destination_at, replies(nonsense, then_close=True))
    assert (reply.confirmed, reply.error_class) == (False, "malformed_reply")


async def test_a_reply_longer_than_it_says_confirms_nothing(
    destination_at: MakeDestination,
) -> None:
    reply = await reply_to(
        destination_at, replies(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more")
    )
    assert (reply.confirmed, reply.error_class) == (False, "malformed_reply")


async def test_a_closed_port_is_told_apart(destination_at: MakeDestination, free_port: int) -> None:
    reply = await destination_at(f"http://127.0.0.1:{free_port}/").attempt(a_claim())
    assert reply.error_class == "connect"
    assert reply.error_message == "no connection to brain: connection refused"


@pytest.mark.parametrize("host", ["nonexistent.invalid", "a..b", "x" * 64 + ".invalid"])
async def test_a_name_that_does_not_resolve_is_told_apart(
    destination_at: MakeDestination, host: str
) -> None:
    reply = await destination_at(f"http://{host}/").attempt(a_claim())
    assert reply.error_class == "dns"
    assert reply.error_message.startswith("the host of brain could not be found")


async def test_tls_to_a_plain_port_is_told_apart(destination_at: MakeDestination) -> None:
    async def plain(visit: Visit) -> None:
        await visit.first_byte()
        await visit.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with raw_server(plain) as server:
        destination = destination_at(server.url.replace("http:", "https:"))
        reply = await destination.attempt(a_claim())
    assert reply.error_class == "tls"
    assert reply.error_message.startswith("no TLS connection to brain")


async def test_a_certificate_that_nobody_vouches_for_is_refused(
    destination_at: MakeDestination,
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    async with raw_server(replies(OK), tls=context) as server:
        destination = destination_at(server.url.replace("http:", "https:"))
        reply = await destination.attempt(a_claim())
    assert (reply.confirmed, reply.error_class, server.requests) == (False, "tls", [])
    assert "certificate was refused" in reply.error_message


async def test_connections_are_reused(destination_at: MakeDestination) -> None:
    async with raw_server(replies(OK)) as server:
        destination = destination_at(server.url)
        for _ in range(5):
            assert (await destination.attempt(a_claim())).confirmed
        assert server.connections == 1


async def test_a_connection_that_is_closed_under_a_request_is_one_attempt_and_no_more(
    destination_at: MakeDestination,
) -> None:
    async def answer_once(visit: Visit) -> None:
        await visit.request()
        await visit.send(OK)
        await visit.request()
        visit.reset()

    async with raw_server(answer_once) as server:
        destination = destination_at(server.url)
        for method in ("POST", "PUT", "GET", "DELETE"):
            claim = a_claim(method=method)
            assert (await destination.attempt(claim)).confirmed
            before = len(server.requests)
            reply = await destination.attempt(claim)
            # aiohttp's session would silently send all but the POST again.
            assert (reply.confirmed, reply.error_class) == (False, "reset")
            assert len(server.requests) == before + 1


async def test_a_connection_closed_while_idle_costs_no_attempt(
    destination_at: MakeDestination,
) -> None:
    async with raw_server(replies(OK, then_close=True)) as server:
        destination = destination_at(server.url)
        for _ in range(3):
            assert (await destination.attempt(a_claim())).confirmed
            await asyncio.sleep(0.02)
        assert server.connections == 3


async def test_an_answer_that_nobody_asked_for_is_not_taken_for_the_next_lead(
    destination_at: MakeDestination,
) -> None:
    async def two_answers(visit: Visit) -> None:
        if await visit.request():
            await visit.send(OK)
            await asyncio.sleep(0.05)
            await visit.send(OK)
            while await visit.request():
                await visit.send(status_line(500))

    async with raw_server(two_answers) as server:
        destination = destination_at(server.url)
        assert (await destination.attempt(a_claim())).confirmed
        await asyncio.sleep(0.2)
        assert (await destination.attempt(a_claim())).confirmed
        assert server.connections == 2


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("120", 120.0), ("0", 0.0), ("soon", None), ("-1", None), ("9" * 1000, 366 * 86_400.0)],
)
async def test_retry_after_is_read(
    destination_at: MakeDestination, value: str, seconds: float | None
) -> None:
    answer = f"HTTP/1.1 503 X\r\nRetry-After: {value}\r\nContent-Length: 0\r\n\r\n"
    reply = await reply_to(destination_at, replies(answer.encode()))
    assert reply.retry_after_seconds == seconds


async def test_cancelling_is_the_only_thing_that_is_raised(
    destination_at: MakeDestination,
) -> None:
    async with raw_server(hang) as server:
        attempt = asyncio.create_task(destination_at(server.url).attempt(a_claim()))
        while not server.requests:
            await asyncio.sleep(0.01)
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt


def _failing_answers() -> Iterator[Answer]:
    yield replies(status_line(503, CANARY.encode()))
    yield replies(f"HTTP/1.1 302 X\r\nLocation: http://{CANARY}/\r\n\r\n".encode())
    yield replies(CANARY.encode(), then_close=True)
    yield replies(
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + CANARY.encode(), then_close=True
    )
    yield reset_after_request
    yield hang


async def test_no_message_and_no_log_line_holds_anything_of_the_lead_or_the_url(
    destination_at: MakeDestination, free_port: int
) -> None:
    with capture_logs() as logs:
        replied = [
            await reply_to(destination_at, answer, timeout_seconds=HANG_SECONDS)
            for answer in _failing_answers()
        ]
        closed = destination_at(f"http://{CANARY}:{CANARY}@127.0.0.1:{free_port}/?{CANARY}")
        replied.append(await closed.attempt(a_claim(body=CANARY.encode())))
    assert all(reply.error_message and not reply.confirmed for reply in replied)
    assert CANARY not in str([reply.error_message for reply in replied]) + str(logs)


async def test_an_error_of_our_own_is_an_attempt_too_and_is_said_without_quoting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    destination = HttpDestination(
        "brain", DestinationSettings(url="http://127.0.0.1:1/"), clock=SystemClock()
    )

    def fail(claim: object) -> bytes:
        raise ValueError(CANARY)

    monkeypatch.setattr(destination._form, "head", fail)
    with capture_logs() as logs:
        reply = await destination.attempt(a_claim())
    assert reply.error_class == "internal"
    assert "ValueError" in reply.error_message
    assert CANARY not in reply.error_message + str(logs)
    assert logs[0]["log_level"] == "error"
