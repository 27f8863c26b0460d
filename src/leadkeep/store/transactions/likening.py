"""Which new leads are the same delivery, or the same person, as an earlier one.

Runs inside the absorber's write transaction, so that two copies that come at the same time are not
both originals. A fingerprint only finds; what is compared in the end is every byte.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from leadkeep.models import OTHER_BITS, Contact, NewLead
from leadkeep.store.engine.session import Bindings, Session
from leadkeep.store.transactions.settling_copies import held_because, replay_held_because


class Original(NamedTuple):
    """The lead that a new one repeats."""

    row: int
    lead_number: int


class Kin(NamedTuple):
    """What a new lead is like."""

    copy_of: Original | None
    same_person_as: int | None
    """Row of the latest earlier lead of that person."""
    replayed: bool = False
    """It differs from what it is a copy of in what its signature does not cover."""

    @property
    def held_because(self) -> str:
        """The reason for which it waits; empty: it is no copy."""
        if self.copy_of is None:
            return ""
        because = replay_held_because if self.replayed else held_because
        return because(self.copy_of.lead_number)


class _Earlier(msgspec.Struct, frozen=True, gc=False):
    """A lead that a new one is compared with."""

    fingerprint: int
    row: int
    lead_number: int
    received_at_ms: int
    stands: bool
    """It is on its way or confirmed, everywhere it goes."""
    headers: bytes
    request: tuple[Any, ...]


_NOBODY = Kin(None, None)
_NO_ORIGINAL: tuple[Original | None, bool] = (None, False)
_SAME = -1 << OTHER_BITS

_LATEST = {"phone": "latest_by_phone", "email": "latest_by_email"}
_LATEST_PART = {"phone": "latest_part_by_phone", "email": "latest_part_by_email"}
_LATEST_OF_SOURCE = {
    "phone": "latest_by_phone_of_source",
    "email": "latest_by_email_of_source",
}


def kin_of(
    session: Session, leads: Mapping[str, NewLead], numbers: Iterable[int], first: int
) -> list[Kin]:
    """What each new lead is like, in their order.

    Args:
        leads: by the text of their ids, in the order in which they are written.
        numbers: the lead numbers that they get.
        first: the row that the first one gets; the others follow.
    """
    if not any(lead.likeness for lead in leads.values()):
        return [_NOBODY] * len(leads)
    originals = _Originals(session, leads.values())
    persons = _Persons(session, leads.values())
    repeated = [
        originals.of(lead, row, number)
        for row, (lead, number) in enumerate(zip(leads.values(), numbers, strict=True), first)
    ]
    latest = [persons.latest(lead, row) for row, lead in enumerate(leads.values(), first)]
    return [
        _NOBODY if original is None and person is None else Kin(original, person, replayed)
        for (original, replayed), person in zip(repeated, latest, strict=True)
    ]


class _Originals:
    """Possible originals: those in the store, and those before in this batch.

    Nearly every lead is the first of its kind, so what such a one is compared with is put together
    only when a second one comes.
    """

    def __init__(self, session: Session, leads: Iterable[NewLead]) -> None:
        wanted = {
            lead.likeness.fingerprint & _SAME
            for lead in leads
            if lead.likeness is not None and lead.likeness.fingerprint
        }
        self._known: dict[int, list[_Earlier]] = {}
        self._first: dict[int, tuple[NewLead, int, int]] = {}
        """The first lead of a fingerprint that nothing was known of; its row and its number."""
        rows = session.rows(
            "same_fingerprint",
            {"fingerprints": json.dumps(sorted(wanted)), "others": ~_SAME},
        )
        for fingerprint, row, number, received_at_ms, stands, headers, *request in rows:
            earlier = _Earlier(
                fingerprint, row, number, received_at_ms, bool(stands), headers, tuple(request)
            )
            self._known.setdefault(fingerprint & _SAME, []).append(earlier)

    def of(self, lead: NewLead, row: int, number: int) -> tuple[Original | None, bool]:
        """The lead's original, and whether it is replayed; if it has none, it may be one itself."""
        likeness = lead.likeness
        if likeness is None or not likeness.fingerprint:
            return _NO_ORIGINAL
        same = likeness.fingerprint & _SAME
        known = self._known.get(same)
        if known is None:
            first = self._first.setdefault(same, (lead, row, number))
            if first[0] is lead:
                return _NO_ORIGINAL
            known = self._known[same] = [_as_earlier(*first)]
        record = lead.record
        request = (record.method, record.target, record.body)
        for earlier in known:
            if (
                earlier.stands
                and earlier.received_at_ms >= likeness.delivery_since_ms
                and earlier.fingerprint == likeness.fingerprint
                and earlier.request == request
            ):
                return Original(earlier.row, earlier.lead_number), False
        if likeness.signature:
            for earlier in known:
                if earlier.request != request and _has(earlier.headers, likeness.signature):
                    return Original(earlier.row, earlier.lead_number), True
        known.append(_as_earlier(lead, row, number))
        return _NO_ORIGINAL


def _as_earlier(lead: NewLead, row: int, number: int) -> _Earlier:
    """A lead of this batch, for those behind it."""
    record, likeness = lead.record, lead.likeness
    assert likeness is not None
    return _Earlier(
        likeness.fingerprint,
        row,
        number,
        record.received_at_us // 1_000,
        True,
        record.headers,
        (record.method, record.target, record.body),
    )


def _has(headers: bytes, signature: bytes) -> bool:
    """Whether a request was signed so; hex may have been written in capitals."""
    return signature in headers or signature in headers.lower()


_Latest = tuple[int, str, int]
"""Its row, its source, and when it was received in milliseconds."""


class _Persons:
    """The latest lead of each phone number and email address."""

    def __init__(self, session: Session, leads: Iterable[NewLead]) -> None:
        self._session = session
        compared = [lead for lead in leads if lead.likeness and lead.likeness.person_since_ms]
        self._phones: dict[str, _Latest] = {}
        self._emails: dict[str, _Latest] = {}
        persons = [contact for lead in compared for contact in _persons_of(lead)]
        # Of most installations no request holds several: then nothing is looked for there.
        tables = [_LATEST]
        if persons and session.row("any_part") is not None:
            tables.append(_LATEST_PART)
        for kind, values, latest in (
            ("phone", {contact.phone for contact in persons}, self._phones),
            ("email", {contact.email for contact in persons}, self._emails),
        ):
            values.discard("")
            if values:
                wanted: Bindings = {"values": json.dumps(sorted(values))}
                for table in tables:
                    for value, row, source, received_at_ms in session.rows(table[kind], wanted):
                        known = latest.get(value)
                        if known is None or known[0] < row:
                            latest[value] = (row, source, received_at_ms)

    def latest(self, lead: NewLead, row: int) -> int | None:
        """The row of the latest earlier lead of that person, in the window."""
        likeness = lead.likeness
        if likeness is None or likeness.person_since_ms is None:
            return None
        found = 0
        source = lead.record.source
        mine = (row, source, lead.record.received_at_us // 1_000)
        for contact in _persons_of(lead):
            for kind, value, latest in (
                ("phone", contact.phone, self._phones),
                ("email", contact.email, self._emails),
            ):
                if not value:
                    continue
                known = latest.get(value)
                latest[value] = mine
                if known is None:
                    continue
                if known[1] != source and not likeness.across_sources:
                    known = self._of_source(kind, value, source)
                    if known is None:
                        continue
                if found < known[0] != row and known[2] >= likeness.person_since_ms:
                    found = known[0]
        return found or None

    def _of_source(self, kind: str, value: str, source: str) -> _Latest | None:
        where: Bindings = {"value": value, "source": source}
        found = self._session.row(_LATEST_OF_SOURCE[kind], where)
        if found is None or found[1] is None:
            return None
        received_at_ms, row = found
        return row, source, received_at_ms


def _persons_of(lead: NewLead) -> Iterable[Contact]:
    """Whom a lead is about: of a request that holds several, each of them."""
    return [part.contact for part in lead.parts] if lead.parts else (lead.contact,)
