"""What a row of another system's queue means here: pure functions of the row and of wishes.

Invariant: the lead id depends on the queue, the row's id and its time as written, and on nothing
that a person may choose otherwise the next time, so that no row is ever taken twice.
"""

import struct
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, tzinfo
from decimal import Decimal
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from leadkeep.models import Origin
from leadkeep.models.importing import ERROR_LONGEST, NAME_LONGEST
from leadkeep.recovery.importing.table import Head
from leadkeep.states import Status

STANDINGS: Mapping[str, Status] = {
    "pending": Status.PENDING,
    "processing": Status.PENDING,
    "completed": Status.COMPLETED,
    "failed": Status.FAILED,
}
"""Status there → where its delivery begins here. What was under way there has ended somehow."""

ALL_OTHERS = "*"
TOO_LARGE = "its payload is larger than intake.max_body_bytes allows"
_MOST_ATTEMPTS = 1_000_000
_FUTURE_US = 300_000_000
"""A time so far ahead of ours is a clock's; one further ahead is a mistake."""
_UNITS = ((10**11, 10**6), (10**14, 10**3), (10**17, 1))
"""Numbers below → microseconds of their unit: seconds, milliseconds, microseconds."""


class Wishes(msgspec.Struct, frozen=True):
    """What a person asked for."""

    sources: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Source there → source here; `*`: every other one."""
    statuses: Mapping[str, Status] = msgspec.field(default_factory=dict)
    """Status there → where its delivery begins here, beside what is known."""
    destination: str = ""
    """Where all of them go; empty: as their sources say."""
    only_statuses: frozenset[str] = frozenset()
    """Only rows in these statuses, as they are called there; empty: all."""
    since_us: int | None = None
    """Only rows from then on."""
    before_us: int | None = None
    """Only rows from before then."""
    zone: tzinfo = UTC
    """In which times are that name no zone."""
    max_body_bytes: int = 2**31

    def are_of(self, received_at_us: int) -> bool:
        """Whether rows of that time are asked for."""
        return (self.since_us is None or received_at_us >= self.since_us) and (
            self.before_us is None or received_at_us < self.before_us
        )


class Reading(NamedTuple):
    """A row that can be taken."""

    head: Head
    lead_id: bytes
    received_at_us: int
    source: str
    origin: Origin


class Refusal(NamedTuple):
    """A row that cannot be taken, or is not wanted."""

    row: str
    why: str
    """Empty: it is not wanted."""


def read(head: Head, queue: str, wishes: Wishes, *, now_us: int) -> Reading | Refusal:
    """What a row means.

    Args:
        queue: which queue it stands in.
        now_us: microseconds since 1970.
    """
    row = row_name(head.id)
    status = (head.status or "").strip()
    if wishes.only_statuses and status.lower() not in wishes.only_statuses:
        return Refusal(row, "")
    try:
        received_at_us, written_us = _times(head.created_at, wishes.zone)
    except ValueError as error:
        return Refusal(row, f"its created_at {error}")
    if not wishes.are_of(received_at_us):
        return Refusal(row, "")
    why = _why_not(head, received_at_us, wishes, now_us)
    if why:
        return Refusal(row, why)
    there = (head.source or "").strip()
    origin = Origin(
        queue=queue,
        row=row[:NAME_LONGEST],
        standing=_standing(status, wishes),
        status=status[:NAME_LONGEST],
        source=there[:NAME_LONGEST],
        attempts=_count(head.attempts),
        error=_clean(head.error_message, ERROR_LONGEST),
        processed_at_us=_processed(head.processed_at, wishes.zone),
        destination=wishes.destination,
        name=_clean(head.lead_name, NAME_LONGEST),
        phone=_clean(head.phone, NAME_LONGEST),
    )
    source = wishes.sources.get(there) or wishes.sources.get(ALL_OTHERS) or there[:NAME_LONGEST]
    return Reading(head, lead_id(queue, row, written_us), received_at_us, source, origin)


def row_name(row: Any) -> str:
    """A row's id in words, the same each time."""
    if isinstance(row, (bytes, bytearray, memoryview)):
        return bytes(row).hex()
    return str(row)


def lead_id(queue: str, row: str, written_us: int) -> bytes:
    """The id of a row's lead: a UUIDv7 whose chance is a digest of where the row stands."""
    chance = sha256(f"{queue}\0{row}".encode()).digest()
    high = (written_us // 1_000) << 16 | 0x7000 | int.from_bytes(chance[:2]) & 0x0FFF
    low = 0x8000_0000_0000_0000 | int.from_bytes(chance[2:10]) & 0x3FFF_FFFF_FFFF_FFFF
    return struct.pack(">QQ", high, low)


def content_type_of(body: bytes) -> str:
    """What a body looks like; the old queue kept no header that says it."""
    start = body[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
    if start[:1] in {b"{", b"["}:
        return "application/json"
    if start[:1] == b"<":
        return "application/xml"
    key, equals, _ = start.partition(b"=")
    if equals and key and not set(key) & set(b" \t\r\n:;,"):
        return "application/x-www-form-urlencoded"
    return "text/plain" if body else ""


def _why_not(head: Head, received_at_us: int, wishes: Wishes, now_us: int) -> str:
    """Why a row cannot be taken; empty: it can."""
    if received_at_us > now_us + _FUTURE_US:
        return "its created_at lies in the future (is --timezone right?)"
    if head.payload_bytes is None:
        return "it has no payload"
    return TOO_LARGE if head.payload_bytes > wishes.max_body_bytes else ""


def _standing(status: str, wishes: Wishes) -> Status:
    known = status.lower()
    return wishes.statuses.get(known) or STANDINGS.get(known, Status.HELD)


def _times(value: Any, zone: tzinfo) -> tuple[int, int]:
    """When it was, and when it was if what names no zone were UTC, in microseconds since 1970.

    Raises:
        ValueError: says in words why it is no time.
    """
    at = _moment(value)
    if at is None:
        raise ValueError("is empty")
    if isinstance(at, int):
        received = written = at
    elif at.tzinfo is not None:
        received = written = _us(at)
    else:
        received, written = _us(at.replace(tzinfo=zone)), _us(at.replace(tzinfo=UTC))
    # The lowest is what the zones of the Earth make of the first moment of 1970.
    if received < 0 or written < 0 or written >= 2**48 * 1_000:
        raise ValueError("is no time after 1970")
    return received, written


def _processed(value: Any, zone: tzinfo) -> int | None:
    try:
        return _times(value, zone)[0]
    except ValueError:
        return None


def _moment(value: Any) -> datetime | int | None:
    if isinstance(value, (bytes, bytearray)):
        value = bytes(value).decode("utf-8", "replace")
    if isinstance(value, str):
        value = value.strip()
        if value.isdecimal() and len(value) >= 9:
            value = int(value)
    match value:
        case None | "":
            return None
        case datetime():
            return value
        case date():
            return datetime.combine(value, time.min)
        case bool():
            raise ValueError("is no time")
        case int() | float() | Decimal():
            return _since_epoch(value)
        case str():
            return _written(value)
    raise ValueError("is no time")


def _since_epoch(value: float | Decimal) -> int:
    exact = Decimal(value)
    if exact.is_finite():
        for below, unit in _UNITS:
            if abs(exact) < below:
                return int(exact * unit)
    raise ValueError("is no time")


def _written(value: str) -> datetime:
    try:
        return datetime.fromisoformat(value.removesuffix(" UTC"))
    except ValueError:
        raise ValueError("is no time such as 2026-08-15 14:00:00") from None


def _us(at: datetime) -> int:
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _count(value: Any) -> int:
    try:
        return min(max(int(value or 0), 0), _MOST_ATTEMPTS)
    except (TypeError, ValueError, OverflowError):
        return 0


def _clean(text: str | None, longest: int) -> str:
    """Text that every store takes: without NUL and lone surrogates."""
    kept = (text or "")[:longest].replace("\0", "\ufffd")
    return kept.encode("utf-8", "replace").decode()
