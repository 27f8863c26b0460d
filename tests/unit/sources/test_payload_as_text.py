"""What stands in the payload column where the body is no text."""

import gzip

import pytest

from leadkeep.sources.payload import content_type_of, inflated
from leadkeep.sources.readable import TEXT_CHARS, payload_text
from leadkeep.sources.tree import READ_BYTES


@pytest.mark.parametrize("body", [b'{"a":1}', "Zoë".encode(), b"a=1&b=2", b"<x/>", b"\x07odd"])
def test_utf8_without_nul_speaks_for_itself(body: bytes) -> None:
    assert payload_text("", b"/?q=1", body) is None


def test_a_lead_without_body_is_its_query() -> None:
    assert payload_text("", b"/lead?name=Ann&phone=614", b"") == "name=Ann&phone=614"
    assert payload_text("", b"/lead", b"") == ""


def test_other_charsets_are_decoded() -> None:
    assert payload_text("text/plain; charset=iso-8859-1", b"/", "Zoë".encode("latin-1")) == "Zoë"
    assert payload_text("", b"/", "name=Müller; Straße".encode("latin-1")) == "name=Müller; Straße"
    assert payload_text("", b"/", "Zoë".encode("utf-16")) == "Zoë"
    assert payload_text("text/plain; charset=shift_jis", b"/", "山田".encode("shift_jis")) == "山田"


def test_nul_is_made_visible() -> None:
    assert (
        payload_text("", b"/", b'{"name":"A\x00nn and so on"}') == '{"name":"A\u2400nn and so on"}'
    )


def test_gzip_is_unpacked() -> None:
    assert payload_text("", b"/", gzip.compress(b'{"name":"Ann"}')) == '{"name":"Ann"}'


def test_a_gzip_bomb_is_unpacked_only_so_far() -> None:
    assert len(inflated(gzip.compress(b" " * 50_000_000))) == READ_BYTES


def test_binary_is_shown_as_hex() -> None:
    shown = payload_text("image/png", b"/", bytes(range(256)) * 10)

    assert shown is not None
    assert shown.startswith("hex: 00010203 04050607")
    assert shown.endswith("(2560 bytes)")


def test_long_text_is_cut() -> None:
    shown = payload_text("", b"/", b"\xe4" + b"x" * 1_000_000)

    assert shown is not None
    assert len(shown) == TEXT_CHARS + 1
    assert shown.endswith("…")


@pytest.mark.parametrize(
    ("headers", "content_type"),
    [
        (b"Content-Type: application/json\r\n", "application/json"),
        (b"Host: x\r\ncontent-type:text/plain\r\nA: b\r\n", "text/plain"),
        (b"Host: x\r\nCONTENT-TYPE:  a/b; charset=x \r\n", "a/b; charset=x"),
        (b"X-Content-Type: a/b\r\n", ""),
        (b"X: Content-Type: a/b\r\n", ""),
        (b"Content-Type: a/b", "a/b"),
        (b"Content-Type:\r\nHost: x\r\n", ""),
        (b"", ""),
    ],
)
def test_the_content_type_is_found_in_the_headers(headers: bytes, content_type: str) -> None:
    assert content_type_of(headers) == content_type
