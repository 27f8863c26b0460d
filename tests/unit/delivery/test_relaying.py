"""Only a whole success is relayed, and of its headers only what says what the body is."""

import pytest

from leadkeep.delivery.relay import STATUS, TRUNCATED, relayed
from leadkeep.destinations.exchange import REPLY_HEADERS_MAX_BYTES
from leadkeep.live.frames import Answer


def relay(
    status: int | None = 200, headers: bytes = b"", body: bytes = b"ok", cap: int = 100
) -> Answer:
    return relayed(5, status=status, headers=headers, body=body, reply_max_bytes=cap)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 205, 226])
def test_a_success_is_relayed_with_its_status(status: int) -> None:
    body = b"" if status in {204, 205} else b"ok"
    assert relay(status, body=body) == Answer(5, status, body=body)


@pytest.mark.parametrize("status", [None, 0, 101, 206, 302, 400, 404, 409, 410, 500, 999])
def test_whatever_else_was_confirmed_is_not(status: int | None) -> None:
    assert relay(status) == Answer(5, reason=STATUS)


def test_only_headers_about_the_body_go_on() -> None:
    answer = relay(
        headers=b"Content-Type: text/xml\r\nSet-Cookie: a=1\r\ncontent-encoding: gzip\r\n"
        b"Content-Language: en\r\nLocation: http://10.0.0.1/\r\nX-Powered-By: us\r\n"
        b"Connection: close\r\nTransfer-Encoding: chunked\r\n"
    )
    assert answer.content_type == "text/xml"
    assert answer.headers == {"Content-Encoding": "gzip", "Content-Language": "en"}


@pytest.mark.parametrize("value", [b"text/html\x00", b"a\nb", b"x" * 2_000, b"a\x7fb"])
def test_a_header_that_cannot_be_sent_is_left_out(value: bytes) -> None:
    assert relay(headers=b"Content-Type: " + value + b"\r\n").content_type == ""


def test_the_first_of_two_content_types_counts() -> None:
    assert relay(headers=b"Content-Type: a/b\r\nContent-Type: c/d\r\n").content_type == "a/b"


def test_a_reply_that_may_have_been_cut_is_not_relayed() -> None:
    assert relay(body=b"x" * 100) == Answer(5, reason=TRUNCATED)
    longer = b"Content-Length: 101\r\n"
    assert relay(headers=longer, body=b"x" * 100) == Answer(5, reason=TRUNCATED)
    whole = b"Content-Length: 100\r\n"
    assert relay(headers=whole, body=b"x" * 100).body == b"x" * 100
    assert relay(body=b"x" * 99).body == b"x" * 99
    assert relay(headers=b"X: y\r\n" * REPLY_HEADERS_MAX_BYTES).reason == TRUNCATED


def test_where_nothing_of_a_reply_is_recorded_only_an_empty_one_is_relayed() -> None:
    assert relay(body=b"", cap=0).reason == TRUNCATED
    assert relay(204, body=b"", cap=0).status == 204
    assert relay(headers=b"Content-Length: 0\r\n", body=b"", cap=0).status == 200
