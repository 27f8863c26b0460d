"""What a Python function is given: the exact bytes, and views of them."""

from datetime import UTC, datetime

import msgspec
import pytest

import leadkeep
from leadkeep.destinations.calling import frame, from_worker
from leadkeep.destinations.lead import Lead


def a_lead(**overrides: object) -> Lead:
    facts: dict[str, object] = {
        "lead_id": "01920000-0000-7000-8000-000000000001",
        "lead_number": 1_700_000_000_001,
        "source": "quotes",
        "received_at_ms": 1_786_802_449_123,
        "attempt": 2,
        "method": "POST",
        "target": b"/a//%7E?x=%61&x=2",
        "header_lines": b"X-A: 1\r\nx-a:\t2 \r\nX-Latin: caf\xe9\r\n",
        "body": b'{"a": [1]}',
    }
    return Lead(**{**facts, **overrides})  # type: ignore[arg-type]  # a factory's overrides


def test_it_says_everything_that_http_destinations_are_told() -> None:
    lead = a_lead()
    assert lead.idempotency_key == lead.lead_id
    assert lead.received_at == datetime(2026, 8, 15, 14, 0, 49, 123_000, tzinfo=UTC)
    assert (lead.path, lead.query) == ("/a//%7E", "x=%61&x=2")
    assert lead.headers == (("X-A", "1"), ("x-a", "2"), ("X-Latin", "café"))
    assert lead.header("x-A") == "1"
    assert lead.header("X-B", "none") == "none"


def test_it_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        a_lead().body = b""  # type: ignore[misc]  # that is the point


@pytest.mark.parametrize(
    ("facts", "payload"),
    [
        ({"body": b'{"a": [1]}'}, {"a": [1]}),
        ({"body": b"[1, 2"}, None),
        ({"body": b"\xff\xfe"}, None),
        ({"body": b"[" * 100_000}, None),
        ({"body": b""}, {"x": ["a", "2"]}),
        (
            {
                "body": b"name=Ada+L&phone=%2B1&empty=",
                "header_lines": b"content-type: application/x-www-form-urlencoded; charset=x\r\n",
            },
            {"name": "Ada L", "phone": "+1", "empty": ""},
        ),
    ],
)
def test_its_payload_is_json_or_a_form_or_nothing(facts: object, payload: object) -> None:
    assert a_lead(**facts).payload() == payload  # type: ignore[arg-type]  # by name


def test_every_byte_survives_the_way_to_the_process() -> None:
    lead = a_lead(body=bytes(range(256)), target=bytes(range(128, 256)))
    assert from_worker(frame(lead)[4:]) == lead


def test_what_is_no_message_is_no_message() -> None:
    with pytest.raises(msgspec.DecodeError):
        from_worker(b"\x93\x01\x02\x03")


def test_people_import_it_from_the_package() -> None:
    assert leadkeep.Lead is Lead
    assert issubclass(leadkeep.Refused, Exception)
    assert leadkeep.RetryLater(30, "busy").seconds == 30.0
