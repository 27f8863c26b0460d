"""What of a lead decides its order is read from contacts, payload, query and headers."""

import json
from typing import Any
from uuid import UUID

import pytest

from leadkeep.errors import SettingsError
from leadkeep.models import LeadOrder, Record
from leadkeep.settings.source import SourceSettings
from leadkeep.sources.contact import read_contact
from leadkeep.sources.order import OrderReader
from leadkeep.sources.payload import content_type_of
from tests.store.builders import a_record

JSON = b"Content-Type: application/json\r\nX-Call-Id: c-7\r\n"
FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"


def a_post(payload: object, **overrides: Any) -> Record:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return a_record(**({"headers": JSON, "body": body, "source": "calls"} | overrides))


def read(record: Record, **settings: Any) -> LeadOrder | None:
    return read_with(OrderReader({"calls": SourceSettings(**settings)}), record)


def read_with(reader: OrderReader, record: Record) -> LeadOrder | None:
    contact = read_contact(content_type_of(record.headers), record.target, record.body)
    return reader.read(record, contact)


def key_of(record: Record, order_by: str) -> bytes:
    order = read(record, order_by=order_by)
    return b"" if order is None else order.key


def test_a_source_without_order_reads_nothing() -> None:
    assert read(a_post({"phone": "614-555-0142"})) is None
    assert read_with(OrderReader({}), a_post({})) is None


def test_one_phone_number_is_one_line_however_it_is_written() -> None:
    keys = {
        key_of(a_post({"phone": "614-555-0142"}), "phone"),
        key_of(a_post({"lead": {"mobile": "+1 (614) 555 0142"}}), "phone"),
        key_of(a_post(b"phone=6145550142", headers=FORM), "phone"),
    }
    assert len(keys) == 1 and all(len(key) == 16 for key in keys)
    assert key_of(a_post({"phone": "614-555-0143"}), "phone") not in keys


def test_email_addresses_differ_in_more_than_case() -> None:
    assert key_of(a_post({"email": "Ada@Example.test"}), "email") == key_of(
        a_post({"email": "ada@example.test"}), "email"
    )


@pytest.mark.parametrize(
    ("order_by", "record"),
    [
        ("call_id", a_post({"call_id": "c-7"})),
        ("call_id", a_post({"call_id": " c-7 "})),
        ("call_id", a_post(b"call_id=c-7&x=1", headers=FORM)),
        ("call_id", a_post(b"", method="GET", target=b"/hook?call_id=c-7")),
        ("call_id", a_post({"call_id": ["c-7"]})),
    ],
)
def test_a_key_is_found_wherever_vendors_write_it(order_by: str, record: Record) -> None:
    assert key_of(record, order_by) == key_of(a_post({"call_id": "c-7"}), "call_id")


def test_a_path_through_the_payload_and_headers_are_keys_too() -> None:
    nested = a_post({"call": {"ids": ["c-7", "c-8"]}})
    assert key_of(nested, "call.ids[1]") == key_of(
        a_post({"call": {"ids": [0, "c-8"]}}), "call.ids[1]"
    )
    assert key_of(a_post({}), 'headers."x-call-id"')
    assert key_of(a_post({"id": 7}), "id") == key_of(a_post({"id": 7.0}), "id")


@pytest.mark.parametrize(
    "record",
    [
        a_post({}),
        a_post({"call_id": ""}),
        a_post({"call_id": None}),
        a_post({"call_id": True}),
        a_post({"call_id": {"a": 1}}),
        a_post({"call_id": ["a", "b"]}),
        a_post({"call_id": 10**400}),
        a_post(b"{broken"),
        a_post(b"\x00\xff" * 100),
        a_post(b'{"call_id":' * 5_000),
        a_post(b"x" * 300_000),
    ],
)
def test_a_lead_that_says_nothing_waits_for_nobody(record: Record) -> None:
    assert read(record, order_by="call_id", depends_on="call_id") is None


def test_lines_of_different_fields_are_different_lines() -> None:
    record = a_post({"a": "7", "b": "7"})
    assert key_of(record, "a") != key_of(record, "b")


def test_a_reference_may_be_an_id_a_number_or_a_name() -> None:
    lead_id = str(UUID(int=7))
    for text, own in ((lead_id, lead_id), ("1786802449123", "1786802449123"), ("v-9", "")):
        order = read(a_post({"parent": text}), depends_on="parent", order_wait_seconds=60)
        assert order is not None
        assert (order.refers_to, len(order.refers_to_name)) == (own, 16)
        assert (len(order.key), order.wait_ms) == (16, 60_000)


def test_a_follow_up_means_the_name_that_its_lead_has() -> None:
    reader = OrderReader(
        {
            "leads": SourceSettings(),
            "calls": SourceSettings(depends_on="vendor_lead_id", depends_on_source="leads"),
        }
    )
    lead = read_with(reader, a_post({"lead_id": "v-9", "phone": "6145550142"}, source="leads"))
    event = read_with(reader, a_post({"lead_id": "v-9", "event": "sold"}))
    assert lead is not None and event is not None
    assert lead.name == event.refers_to_name and not lead.key
    assert not event.name
    other = read_with(reader, a_post({"lead_id": "v-9", "event": "sold"}, source="others"))
    assert other is None


def test_an_event_that_carries_its_leads_id_is_not_what_others_mean_by_it() -> None:
    event = read(a_post({"lead_id": "v-9"}), depends_on="vendor_lead_id")
    assert event is not None and event.refers_to_name and not event.name


def test_keys_of_two_leads_that_wait_for_one_are_their_own() -> None:
    first, second = (read(a_post({"parent": "v-9"}), depends_on="parent") for _ in range(2))
    assert first is not None and second is not None and first.key != second.key


@pytest.mark.parametrize("wrong", ["a..b", "foo(", "nothing(payload)", "call.id = 7", "a ||"])
def test_a_wrong_expression_is_refused_with_its_setting(wrong: str) -> None:
    with pytest.raises(SettingsError, match=r"sources\.calls\.order_by"):
        OrderReader({"calls": SourceSettings(order_by=wrong)})
