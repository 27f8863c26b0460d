"""Answers are compiled once, and payloads cannot break out of them."""

import json
import time
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadkeep.errors import SettingsError
from leadkeep.intake import replies
from leadkeep.intake.replies import CLOSE, HEAD, KEEP_OLD, FixedReply, Payload, ReplyTemplate
from leadkeep.intake.reply_table import ReplyTable
from leadkeep.models import Contact
from leadkeep.settings.model import ReplySettings, Settings, SourceSettings

DATE = b"Date: Mon, 01 Jan 2024 00:00:00 GMT\r\n"
ID = bytes.fromhex("0192f0c4a1b27def8123456789abcdef")
NUMBER = 1_700_000_000_123
AT_US = 1_786_802_449_123_999


def render(
    reply: ReplyTemplate | FixedReply, *, flags: int = 0, number: int = NUMBER, name: str = ""
) -> tuple[bytes, dict[str, str], bytes]:
    """Status line, headers and body of an answer."""
    payload = Payload("application/json", b"/", json.dumps({"name": name}).encode())
    head, _, body = reply.render(DATE, flags, (ID, number, AT_US, payload)).partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    if not flags & HEAD and "Content-Length" in headers:
        assert int(headers["Content-Length"]) == len(body)
    return first.encode(), headers, body


def template(body: str | None = None, **given: object) -> ReplyTemplate:
    return ReplyTemplate(ReplySettings(body=body, **given), key="sources.a.reply")  # type: ignore[arg-type]  # shorthand


def test_the_default_answer_is_as_documented() -> None:
    first, headers, body = render(template())
    assert first == b"HTTP/1.1 200 OK"
    assert list(headers) == ["Date", "Content-Type", "Content-Length"]
    assert body == (
        b'{"success": true, "message": "Lead queued for processing", '
        b'"lead_id": "0192f0c4-a1b2-7def-8123-456789abcdef", '
        b'"lead_number": "1700000000123", "timestamp": "2026-08-15T14:00:49.123Z"}'
    )


def test_the_parts_may_stand_in_any_order_and_number() -> None:
    body = "{{received_at}} 100%s %% {{lead_number}}{{lead_number}} {{ lead_id }} \u20ac"
    assert render(template(body))[2].decode() == (
        "2026-08-15T14:00:49.123Z 100%s %% 17000000001231700000000123 "
        "0192f0c4-a1b2-7def-8123-456789abcdef \u20ac"
    )


def test_without_a_number_its_place_stays_empty() -> None:
    assert json.loads(render(template(), number=0)[2])["lead_number"] == ""


def test_head_gets_the_same_headers_and_no_body() -> None:
    _, whole, _ = render(template())
    _, headers, body = render(template(), flags=HEAD)
    assert headers == whole
    assert body == b""


@pytest.mark.parametrize(
    ("flags", "said"),
    [(0, None), (CLOSE, "close"), (KEEP_OLD, "keep-alive"), (CLOSE | KEEP_OLD, "close")],
)
def test_the_connection_line_follows_the_flags(flags: int, said: str | None) -> None:
    for reply in (template(), FixedReply(200, b"{}"), template("{{name}}")):
        assert render(reply, flags=flags)[1].get("Connection") == said


def test_204_has_neither_body_nor_length() -> None:
    _, headers, body = render(template("{{lead_id}}", status=204))
    assert body == b""
    assert "Content-Length" not in headers


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads the name as it is, so that this tests the escaping alone."""
    from leadkeep.sources import contact

    monkeypatch.setattr(
        contact, "read_contact", lambda _type, _target, body: Contact(name=json.loads(body)["name"])
    )


@given(name=st.text())
def test_a_hostile_name_stays_a_json_string(name: str) -> None:
    body = render(template('{"a": "{{name}}", "b": 1}'), name=name)[2]
    assert json.loads(body) == {"a": name, "b": 1}


@given(name=st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"])))
def test_a_hostile_name_stays_xml_text(name: str) -> None:
    reply = template("<r n='{{name}}'>{{name}}</r>", content_type="text/xml")
    body = render(reply, name=name)[2].decode()
    assert body.count("<") == 2
    if all(ord(char) < 0xFFFE for char in name):
        root = ElementTree.fromstring(body)
        assert (root.text or "") == name


@given(name=st.text())
def test_a_hostile_name_stays_one_line_and_one_form_value(name: str) -> None:
    plain = render(template("ok {{name}}", content_type="text/plain"), name=name)[2]
    assert b"\r" not in plain
    assert b"\n" not in plain
    form = render(
        template("a={{name}}&b=1", content_type="application/x-www-form-urlencoded"), name=name
    )[2]
    assert form.count(b"&") == 1
    assert form.count(b"=") == 2


def test_a_name_is_not_read_from_a_huge_payload() -> None:
    payload = Payload("application/json", b"/", b'{"name": "' + b"x" * 70_000 + b'"}')
    raw = template("<{{name}}>").render(DATE, 0, (ID, NUMBER, AT_US, payload))
    assert raw.endswith(b"\r\n\r\n<>")


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        ({"body": "{{leadid}}"}, r"sources\.a\.reply\.body: unknown placeholder \{\{leadid\}\}"),
        ({"headers": {"Content-Length": "3"}}, "`Content-Length` is set by Leadkeep itself"),
        ({"headers": {"X-A": "b\r\nX-C: d"}}, "`X-A` has a value that a header cannot carry"),
        ({"headers": {"X A": "b"}}, "`X A` is not a header's name"),
        ({"content_type": "text/plain\r\nX: y"}, "cannot carry"),
    ],
)
def test_a_reply_that_cannot_be_sent_is_named(given_: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        template(**given_)  # type: ignore[arg-type]  # shorthand


def test_a_source_with_an_own_reply_overrules_a_drop_in_path() -> None:
    settings = Settings(
        sources={
            "own": SourceSettings(paths=("/webhook.php",), reply=ReplySettings(body="mine")),
            "plain": SourceSettings(paths=("*",)),
        }
    )
    table = ReplyTable.of(settings)
    assert render(table.for_lead("own", b"/webhook.php"))[2] == b"mine"  # type: ignore[arg-type]  # a template
    assert table.for_lead("plain", b"/webhook.php").status == 201
    assert table.for_lead(None, b"/Webhook.php/").status == 201
    assert table.for_lead("plain", b"http://a.test/webhook.php#x").status == 201
    assert table.for_lead("plain", b"/other").status == 200


def test_the_date_is_as_rfc_9110_writes_it() -> None:
    assert replies.date_line(784_111_777) == b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
    now = time.time()
    from email.utils import formatdate

    assert replies.date_line(now).decode() == f"Date: {formatdate(now, usegmt=True)}\r\n"
