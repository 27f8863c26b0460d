"""What rows of another system's queue mean: times, statuses, ids that stay the same."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from leadkeep.recovery.importing.reading import (
    Reading,
    Refusal,
    Wishes,
    content_type_of,
    lead_id,
    read,
)
from leadkeep.recovery.importing.table import Head
from leadkeep.states import Status

NOW_US = 1_795_000_000_000_000
AT_US = 1_782_900_000_000_000
AT = datetime(2026, 7, 1, 10, 0, tzinfo=UTC)
QUEUE = "mysql://db:3306/app/app.lead_queue"


def a_head(**others: Any) -> Head:
    row: dict[str, Any] = {
        "id": 7,
        "payload_bytes": 10,
        "source": "vendor",
        "status": "pending",
        "created_at": AT,
        "attempts": 0,
        "error_message": None,
        "processed_at": None,
        "lead_name": None,
        "phone": None,
    }
    return Head(**(row | others))


def a_reading(wishes: Wishes | None = None, **others: Any) -> Reading:
    found = read(a_head(**others), QUEUE, wishes or Wishes(), now_us=NOW_US)
    assert isinstance(found, Reading), found
    return found


def a_refusal(wishes: Wishes | None = None, **others: Any) -> str:
    found = read(a_head(**others), QUEUE, wishes or Wishes(), now_us=NOW_US)
    assert isinstance(found, Refusal), found
    return found.why


@pytest.mark.parametrize(
    "written",
    [
        AT,
        AT.replace(tzinfo=None),
        AT.astimezone(timezone(timedelta(hours=5, minutes=30))),
        "2026-07-01 10:00:00",
        "2026-07-01T10:00:00Z",
        "2026-07-01 12:00:00.000+02:00",
        "2026-07-01 10:00:00 UTC",
        b"2026-07-01 10:00:00",
        1_782_900_000,
        1_782_900_000_000,
        1_782_900_000_000_000,
        "1782900000",
        1_782_900_000.0,
        Decimal("1782900000.0"),
    ],
    ids=repr,
)
def test_a_time_is_read_however_it_is_written(written: object) -> None:
    assert a_reading(created_at=written).received_at_us == AT_US


def test_a_day_is_its_midnight() -> None:
    assert a_reading(created_at=date(2026, 7, 1)).received_at_us == AT_US - 10 * 3_600_000_000


@pytest.mark.parametrize(
    "written",
    [
        *(None, "", "soon", "0000-00-00 00:00:00", True, float("nan"), float("inf"), 10**30),
        *("1969-12-31", -1, [], "12", Decimal("sNaN")),
    ],
    ids=repr,
)
def test_what_is_no_time_is_refused_with_a_reason(written: object) -> None:
    assert a_refusal(created_at=written).startswith("its created_at is ")


def test_a_time_ahead_of_ours_is_refused_unless_it_is_a_clocks_fault() -> None:
    near, far = (datetime.fromtimestamp(NOW_US / 1e6 + ahead, UTC) for ahead in (200, 3_600))
    assert a_reading(created_at=near)
    assert "--timezone" in a_refusal(created_at=far)


def test_the_id_of_a_row_is_the_same_whatever_a_person_wishes() -> None:
    naive = AT.replace(tzinfo=None)
    plain = a_reading(created_at=naive)
    wished = a_reading(
        Wishes(
            sources={"vendor": "other"},
            statuses={"pending": Status.HELD},
            destination="crm",
            zone=ZoneInfo("America/New_York"),
        ),
        created_at=naive,
        status="completed",
        attempts=9,
    )
    assert plain.lead_id == wished.lead_id
    assert plain.received_at_us != wished.received_at_us


def test_rows_and_queues_have_ids_of_their_own() -> None:
    ids = [
        lead_id(queue, row, at)
        for queue in (QUEUE, QUEUE + "2")
        for row in ("1", "2", "11")
        for at in (AT_US, AT_US + 1_000)
    ]
    assert len(set(ids)) == len(ids)


def test_an_id_is_a_uuid_of_version_7_and_of_the_time_of_its_row() -> None:
    made = UUID(bytes=lead_id(QUEUE, "7", AT_US))
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert made.int >> 80 == AT_US // 1_000


@pytest.mark.parametrize(
    ("status", "begins"),
    [
        ("pending", Status.PENDING),
        ("processing", Status.PENDING),
        (" Completed ", Status.COMPLETED),
        ("FAILED", Status.FAILED),
        ("archived", Status.HELD),
        ("", Status.HELD),
        (None, Status.HELD),
    ],
)
def test_statuses_begin_as_they_stood_and_unknown_ones_held(
    status: str | None, begins: Status
) -> None:
    assert a_reading(status=status).origin.standing is begins


def test_what_is_odd_in_a_row_is_made_harmless() -> None:
    found = a_reading(
        id=b"\x00\xff",
        attempts="many",
        error_message="a\0b\ud800" + "c" * 9_000,
        source=None,
        processed_at="never",
    )
    assert found.origin.row == "00ff"
    assert found.origin.attempts == 0
    assert found.origin.error.startswith("a\ufffdb?ccc")
    assert len(found.origin.error) == 4_000
    assert found.source == ""
    assert found.origin.processed_at_us is None
    assert len(found.origin.detail().encode()) < 2**16


def test_a_detail_always_fits_a_record() -> None:
    found = a_reading(
        id="€" * 500,
        status="€" * 500,
        source="€" * 500,
        error_message="\x01" * 5_000,
        lead_name="\x01" * 500,
        phone="\x01" * 500,
    )
    assert len(found.origin.detail().encode()) < 2**16


def test_filters_leave_out_without_a_reason() -> None:
    assert a_refusal(Wishes(only_statuses=frozenset({"failed"}))) == ""
    assert a_refusal(Wishes(since_us=AT_US + 1)) == ""
    assert a_refusal(Wishes(before_us=AT_US)) == ""
    assert a_reading(
        Wishes(since_us=AT_US, before_us=AT_US + 1, only_statuses=frozenset({"pending"}))
    )


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"a": 1}', "application/json"),
        (b"\xef\xbb\xbf\n [1]", "application/json"),
        (b"<?xml version='1.0'?>", "application/xml"),
        (b"first_name=Ada&phone=1", "application/x-www-form-urlencoded"),
        (b"Dear you = me", "text/plain"),
        (b"", ""),
    ],
)
def test_a_body_is_labelled_by_how_it_begins(body: bytes, kind: str) -> None:
    assert content_type_of(body) == kind
