"""The forward, byte for byte, as a raw socket sees it."""

import re

import pytest

from leadkeep.errors import SettingsError
from tests.integration.delivery.conftest import MakeDestination
from tests.integration.delivery.leads import BODY, HEADERS, LEAD_ID, a_claim
from tests.integration.delivery.raw_server import OK, raw_server, replies

OURS = (
    f"Idempotency-Key: {LEAD_ID}\r\n"
    f"Leadkeep-Lead-Id: {LEAD_ID}\r\n"
    "Leadkeep-Lead-Number: 1700000000001\r\n"
    "Leadkeep-Attempt: 1\r\n"
    "Leadkeep-Source: quotes\r\n"
    "Leadkeep-Received-At: 2026-08-15T14:00:49.123Z\r\n"
    "Leadkeep-Timestamp: NOW\r\n"
).encode()


async def sent(make: MakeDestination, path: str = "/hook", **options: object) -> bytes:
    """What arrives when a claim is attempted once."""
    settings = {
        name: options.pop(given)
        for given, name in (
            ("forward_path", "forward_path"),
            ("forward_query", "forward_query"),
            ("headers_added", "headers"),
        )
        if given in options
    }
    async with raw_server(replies(OK)) as server:
        destination = make(server.url + path, **settings)
        reply = await destination.attempt(a_claim(**options))  # type: ignore[arg-type]  # by name
        assert reply.confirmed
        await destination.close()
        (request,) = server.requests
        request = request.replace(f"127.0.0.1:{server.port}".encode(), b"HOST")
        return re.sub(rb"(?<=\r\nLeadkeep-Timestamp: )\d{10}(?=\r\n)", b"NOW", request)


def head_of(request: bytes) -> list[bytes]:
    return request.partition(b"\r\n\r\n")[0].split(b"\r\n")


async def test_a_lead_is_forwarded_byte_for_byte(destination_at: MakeDestination) -> None:
    headers = (
        b"Host: door.example\r\n"
        b"X-Signature: sha256=abc=\r\n"
        b"x-sIGNature:no space\r\n"
        b"X-Odd:  \ttwo spaces, a tab \r\n"
        b"X-Empty:\r\n"
        b"X-Latin: caf\xe9\r\n"
        b"X-Utf8: caf\xc3\xa9\r\n"
        b"X-Signature: sha256=again\r\n"
        b'Cookie: a=1; b="2"\r\n'
        b"Authorization: Bearer vendor\r\n"
        b"User-Agent: vendor/1\r\n"
        b"Content-Length: 46\r\n"
    )
    body = bytes(range(256))
    request = await sent(destination_at, headers=headers, body=body)
    assert request == (
        b"POST /hook HTTP/1.1\r\n"
        b"Host: HOST\r\n"
        b"X-Signature: sha256=abc=\r\n"
        b"x-sIGNature:no space\r\n"
        b"X-Odd:  \ttwo spaces, a tab \r\n"
        b"X-Empty:\r\n"
        b"X-Latin: caf\xe9\r\n"
        b"X-Utf8: caf\xc3\xa9\r\n"
        b"X-Signature: sha256=again\r\n"
        b'Cookie: a=1; b="2"\r\n'
        b"Authorization: Bearer vendor\r\n"
        b"User-Agent: vendor/1\r\n"
        b"Content-Length: 256\r\n" + OURS + b"\r\n" + body
    )


async def test_nothing_is_added_to_a_lead_without_headers(destination_at: MakeDestination) -> None:
    request = await sent(destination_at, headers=b"", body=b"")
    assert request == (
        b"POST /hook HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0\r\n" + OURS + b"\r\n"
    )


async def test_a_lead_in_the_query_is_forwarded_as_get(destination_at: MakeDestination) -> None:
    request = await sent(
        destination_at,
        method="GET",
        target=b"/in?phone=%2B1614&x=%7E%61//;@",
        body=b"",
        headers=b"",
    )
    assert head_of(request)[0] == b"GET /hook?phone=%2B1614&x=%7E%61//;@ HTTP/1.1"
    assert b"content-length" not in request.lower()


@pytest.mark.parametrize(
    ("path", "target", "forwarded"),
    [
        ("", b"/in", b"/"),
        ("/a//b/%7Ec/%61", b"/in", b"/a//b/%7Ec/%61"),
        ("/hook?key=%2F&k2", b"/in?a=%7E&a=2", b"/hook?key=%2F&k2&a=%7E&a=2"),
        ("/hook?key=1", b"/in", b"/hook?key=1"),
        ("/hook?key=1", b"/in?", b"/hook?key=1"),
        ("/hook", b"/in?", b"/hook?"),
        ("/hook", b"/in?a?b??", b"/hook?a?b??"),
        ("/hook#part", b"/in?\xe9", b"/hook?\xe9"),
    ],
)
async def test_the_sender_s_query_follows_the_url_s_own_unchanged(
    destination_at: MakeDestination, path: str, target: bytes, forwarded: bytes
) -> None:
    request = await sent(destination_at, path, target=target)
    assert head_of(request)[0] == b"POST " + forwarded + b" HTTP/1.1"


@pytest.mark.parametrize(
    ("path", "target", "forwarded"),
    [
        ("", b"/in", b"/in"),
        ("/", b"//in//%7E/%61/", b"//in//%7E/%61/"),
        ("/base", b"/in?a=1", b"/base/in?a=1"),
        ("/base/?k=1", b"/in?a=1", b"/base/in?k=1&a=1"),
        ("/base", b"http://door.example/in?a=1", b"/base/in?a=1"),
        ("/base", b"*", b"/base"),
        ("/base", b"/a..b/.c/...", b"/base/a..b/.c/..."),
    ],
)
async def test_the_sender_s_path_can_be_appended(
    destination_at: MakeDestination, path: str, target: bytes, forwarded: bytes
) -> None:
    request = await sent(destination_at, path, target=target, forward_path="append")
    assert head_of(request)[0] == b"POST " + forwarded + b" HTTP/1.1"


@pytest.mark.parametrize(
    "target", [b"/../admin", b"/a/..", b"/%2e%2E/admin", b"/a/./b", b"/a/..;x/b", b"/..\\b"]
)
async def test_a_sender_cannot_climb_out_of_the_url_s_path(
    destination_at: MakeDestination, target: bytes
) -> None:
    async with raw_server(replies(OK)) as server:
        destination = destination_at(server.url + "/base", forward_path="append")
        reply = await destination.attempt(a_claim(target=target))
    assert (reply.error_class, server.requests) == ("unsendable", [])


async def test_the_query_stays_here_if_it_is_so_configured(destination_at: MakeDestination) -> None:
    request = await sent(destination_at, target=b"/in?a=1", forward_query=False)
    assert head_of(request)[0] == b"POST /hook HTTP/1.1"


async def test_hop_by_hop_headers_stay_here(destination_at: MakeDestination) -> None:
    headers = (
        b"Host: door.example\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\n"
        b"Proxy-Connection: x\r\nProxy-Authorization: x\r\nTE: trailers\r\nTrailer: X\r\n"
        b"Transfer-Encoding: chunked\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n"
        b"Expect: 100-continue\r\nX-End: stays\r\n"
    )
    request = await sent(destination_at, headers=headers)
    assert head_of(request)[1:4] == [b"Host: HOST", b"X-End: stays", b"Content-Length: 46"]


async def test_a_sender_cannot_speak_in_our_name(destination_at: MakeDestination) -> None:
    headers = b"LEADKEEP-Lead-Id: forged\r\nleadkeep-attempt: 9\r\nX-End: stays\r\n"
    request = await sent(destination_at, headers=headers)
    assert b"forged" not in request
    assert request.lower().count(b"leadkeep-attempt:") == 1


async def test_the_sender_s_idempotency_key_goes_on_under_another_name(
    destination_at: MakeDestination,
) -> None:
    request = await sent(destination_at, headers=b"idempotency-key: theirs\r\n")
    assert b"Leadkeep-Original-idempotency-key: theirs\r\n" in request
    assert request.count(b"\r\nIdempotency-Key: " + LEAD_ID.encode()) == 1


async def test_a_header_that_would_end_the_head_early_is_not_sent(
    destination_at: MakeDestination,
) -> None:
    headers = b"X-A: 1\nX-Forged: 2\r\nX-B: \x00\r\nno colon\r\n folded\r\nX-End: stays\r\n"
    request = await sent(destination_at, headers=headers)
    assert head_of(request)[2] == b"X-End: stays"


@pytest.mark.parametrize("method", ["", "PO ST", "POST\r\nX: 1", "PÖST", "\udce9"])
async def test_a_method_that_is_no_word_is_not_sent(
    destination_at: MakeDestination, method: str
) -> None:
    async with raw_server(replies(OK)) as server:
        reply = await destination_at(server.url).attempt(a_claim(method=method))
    assert (reply.error_class, server.requests) == ("unsendable", [])


@pytest.mark.parametrize(
    ("source", "sent_as"),
    [("Büro", "Büro"), ("a\r\nX-Forged: 1", "a  X-Forged: 1"), ("\udce9", "?")],
)
async def test_a_source_s_name_stays_one_line(
    destination_at: MakeDestination, source: str, sent_as: str
) -> None:
    request = await sent(destination_at, source=source)
    assert f"\r\nLeadkeep-Source: {sent_as}\r\n".encode() in request


@pytest.mark.parametrize("target", [b"/a?b c", b"/a?\r\nX: 1", b"/a?\x00", b"/a?\x7f"])
async def test_a_target_that_would_end_the_line_early_is_not_sent(
    destination_at: MakeDestination, target: bytes
) -> None:
    async with raw_server(replies(OK)) as server:
        reply = await destination_at(server.url).attempt(a_claim(target=target))
    assert (reply.error_class, server.requests) == ("unsendable", [])


async def test_configured_headers_take_the_place_of_the_sender_s(
    destination_at: MakeDestination,
) -> None:
    request = await sent(
        destination_at,
        headers=b"AUTHORIZATION: vendor\r\nX-Key: vendor\r\nX-End: stays\r\n",
        headers_added={"X-Key": "ours", "Authorization": "Bearer é", "Host": "app.example"},
    )
    assert head_of(request)[1:6] == [
        b"Host: app.example",
        b"X-End: stays",
        b"Content-Length: 46",
        b"X-Key: ours",
        "Authorization: Bearer é".encode(),
    ]


async def test_user_and_password_of_the_url_become_basic_authorization(
    destination_at: MakeDestination,
) -> None:
    async with raw_server(replies(OK)) as server:
        url = server.url.replace("http://", "http://ada:p%40ss@") + "/hook"
        await destination_at(url).attempt(a_claim(headers=b"Authorization: vendor\r\n"))
    (request,) = server.requests
    assert b"\r\nAuthorization: Basic YWRhOnBAc3M=\r\n" in request
    assert b"Authorization: vendor" not in request
    assert f"\r\nHost: 127.0.0.1:{server.port}\r\n".encode() in request


async def test_later_attempts_differ_in_number_and_time_alone(
    destination_at: MakeDestination,
) -> None:
    first = await sent(destination_at, headers=HEADERS)
    third = await sent(destination_at, headers=HEADERS, attempt=3)
    assert third == first.replace(b"Leadkeep-Attempt: 1", b"Leadkeep-Attempt: 3")
    assert third.endswith(BODY)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "app.example/hook",
        "ftp://app.example/",
        "http://",
        "http:///hook",
        "http://app.example:port/",
        "http://app.example:99999/",
        "http://app.example/a b",
        "http://app.example/caf\u00e9",
        "http://app.example/\r\nX: 1",
        "http://[::1/hook",
    ],
)
async def test_a_url_that_cannot_work_is_refused_at_once(
    destination_at: MakeDestination, url: str
) -> None:
    with pytest.raises(SettingsError, match=r"destinations\.brain\.url"):
        destination_at(url)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Content-Length", "5"),
        ("Transfer-Encoding", "chunked"),
        ("Idempotency-Key", "x"),
        ("Leadkeep-Lead-Id", "x"),
        ("X A", "x"),
        ("", "x"),
        ("X-A", "a\r\nb"),
    ],
)
async def test_a_header_that_cannot_be_configured_is_refused_at_once(
    destination_at: MakeDestination, name: str, value: str
) -> None:
    with pytest.raises(SettingsError, match=r"destinations\.brain\.headers"):
        destination_at("http://app.example/", headers={name: value})
