"""From a vendor's socket to the application's, through every process: what changes and what not."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from leadkeep.supervisor.presence import read_state
from tests.integration.cli.installation import Installation
from tests.integration.cli.test_serve_command import Serving
from tests.integration.delivery.raw_server import OK, RawServer, raw_server, replies
from tests.integration.delivery.workbench import eventually

OWN_HEADERS = re.compile(
    rb"Idempotency-Key: [0-9a-f-]{36}\r\nLeadkeep-Lead-Id: [0-9a-f-]{36}\r\n"
    rb"Leadkeep-Lead-Number: \d{13}\r\nLeadkeep-Attempt: 1\r\nLeadkeep-Source: default\r\n"
    rb"Leadkeep-Received-At: [0-9T:.-]{23}Z\r\nLeadkeep-Timestamp: \d{10}\r\n"
)
HIGH = bytes(range(128, 256))

# What the vendor sends, and what the application gets less Host and our own headers.
SENT = {
    "percent signs and double slashes": (
        b"POST /a//%7Eb/%61;c=1//?x=%7E&x=%61&&y=//&x HTTP/1.1\r\nHost: d\r\n"
        b"Content-Length: 2\r\n\r\n{}",
        b"POST /hook?x=%7E&x=%61&&y=//&x HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}",
    ),
    "headers twice, in odd case, with odd values": (
        b"POST /in HTTP/1.1\r\nhOsT: d\r\nX-A: 1\r\nx-a:2\r\nX-A:  \t3 \r\nX-Empty:\r\n"
        b'Cookie: a=1; b="2"\r\nX_Under.score!#$%&\'*+^`|~: y\r\nContent-Length: 0\r\n\r\n',
        b"POST /hook HTTP/1.1\r\nX-A: 1\r\nx-a: 2\r\nX-A: 3 \r\nX-Empty: \r\n"
        b'Cookie: a=1; b="2"\r\nX_Under.score!#$%&\'*+^`|~: y\r\nContent-Length: 0\r\n\r\n',
    ),
    "header bytes over 127": (
        b"POST /in HTTP/1.1\r\nHost: d\r\nX-High: " + HIGH + b"\r\nContent-Length: 0\r\n\r\n",
        b"POST /hook HTTP/1.1\r\nX-High: " + HIGH + b"\r\nContent-Length: 0\r\n\r\n",
    ),
    "a binary body": (
        b"PUT /in HTTP/1.1\r\nHost: d\r\nContent-Encoding: gzip\r\nContent-Length: 256\r\n\r\n"
        + bytes(range(256)),
        b"PUT /hook HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: 256\r\n\r\n"
        + bytes(range(256)),
    ),
    "an odd method and no body": (
        b"PROPFIND /in?a HTTP/1.1\r\nHost: d\r\nDepth: 1\r\n\r\n",
        b"PROPFIND /hook?a HTTP/1.1\r\nDepth: 1\r\n\r\n",
    ),
    "a GET with a body": (
        b"GET /in?a=1 HTTP/1.1\r\nHost: d\r\nContent-Length: 3\r\n\r\nabc",
        b"GET /hook?a=1 HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
    ),
    "an absolute target": (
        b"POST http://door.example/in?n=%C3%A9 HTTP/1.1\r\nHost: door.example\r\n"
        b"Content-Length: 0\r\n\r\n",
        b"POST /hook?n=%C3%A9 HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    ),
    "chunks": (
        b"POST /in HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n"
        b'2;e=1\r\n{"\r\n3\r\n":1\r\n1\r\n}\r\n0\r\nX-T: gone\r\n\r\n',
        b'POST /hook HTTP/1.1\r\nContent-Length: 6\r\n\r\n{"":1}',
    ),
}


@pytest.fixture
async def application() -> AsyncIterator[RawServer]:
    async with raw_server(replies(OK)) as running:
        yield running


async def answer_to(address: str, request: bytes) -> bytes:
    """Send bytes as a vendor does; the status line of the answer."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    line = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return line


async def test_what_a_vendor_sends_is_what_the_application_gets(
    installation: Installation, application: RawServer
) -> None:
    url = f"{application.url}/hook"
    serving = await asyncio.to_thread(Serving, installation, "--forward-to", url)
    try:
        state = read_state(serving.folder)
        assert state is not None
        for number, (what, (sent, _)) in enumerate(SENT.items(), 1):
            answer = await answer_to(state["listen"][0], sent)
            assert answer.startswith(b"HTTP/1.1 200"), what
            await eventually(lambda number=number: len(application.requests) == number)
    finally:
        assert await asyncio.to_thread(serving.stop) == 0
    host = f"\r\nHost: 127.0.0.1:{application.port}\r\n".encode()
    for (what, (_, expected)), got in zip(SENT.items(), application.requests, strict=True):
        assert got.count(host) == len(OWN_HEADERS.findall(got)) == 1, what
        assert OWN_HEADERS.sub(b"", got.replace(host, b"\r\n")) == expected, what


ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs/reference/delivery.md").read_text("utf-8")


def section(title: str) -> str:
    """The text under a heading of the page."""
    return re.split(rf"^#+ {re.escape(title)}$", PAGE, flags=re.MULTILINE)[1].partition("\n#")[0]


def test_the_page_names_every_header_that_is_not_kept() -> None:
    from leadkeep.destinations.request import _NOT_FORWARDED

    named = {
        name.lower().encode()
        for name in re.findall(r"`([A-Za-z0-9-]+)`", section("What is not kept"))
    }
    assert named >= _NOT_FORWARDED


def test_the_page_names_every_header_that_is_added_in_its_order() -> None:
    from leadkeep.destinations.request import _own_headers
    from tests.integration.delivery.leads import a_claim

    named = re.findall(r"^\| `([A-Za-z-]+)` \|", section("What is added"), re.MULTILINE)
    claim = msgspec.structs.replace(a_claim(), out_of_order="overtook")
    lines = _own_headers(claim, 1_700_000_000).decode().split("\r\n")[:-1]
    assert [name for name in named if name != "Leadkeep-Signature"] == [
        line.partition(":")[0] for line in lines
    ]


def test_the_page_names_every_class_of_error() -> None:
    rows = re.findall(r"^\| (`.*?) \|", section("Classes of error"), re.MULTILINE)
    named = {word for row in rows for word in re.findall(r"`(\w+)`", row)}
    sources = "".join(
        path.read_text("utf-8") for path in (ROOT / "src/leadkeep/destinations").glob("*.py")
    )
    given = set(re.findall(r"(?:Failure|_failed)\(\s*\"(\w+)\"", sources))
    given |= set(re.findall(r"Answer\(\s*False,\s*\"(\w+)\"", sources))
    given |= set(re.findall(r"error_class=\"(\w+)\"", sources))
    assert len(given) > 12
    assert given - named == set()
