"""Finds the lead that the store refuses, and stores it so that it cannot be refused.

The halves of a refused batch are absorbed without moving the segment's position; the position moves
at the end, with the notices. A crash in between costs nothing: the leads are read again, and the
store knows them by their ids.
"""

import re

import msgspec
import structlog

from leadkeep.absorber import metrics
from leadkeep.errors import RecordRefused
from leadkeep.models import (
    REFUSED_BY_STORE,
    AbsorbBatch,
    AbsorbReport,
    Contact,
    NewLead,
    Record,
    RecordFlag,
    SegmentProgress,
)
from leadkeep.states import Disposition
from leadkeep.store.base import Store

_log = structlog.get_logger("leadkeep.absorber")

_TEXT_LONGEST = 200
_ODD = re.compile(r"[^\x20-\x7e]")
_HIGHEST_US = 253_402_300_799_000_000
"""The last microsecond of the year 9999."""


class Refused(msgspec.Struct):
    """What absorbing a refused batch came to."""

    report: AbsorbReport
    quarantined: int
    """Leads that went in as bytes for a person to look at."""
    kept: int
    """Records that the store took in no form: their segment must be kept."""


async def absorb_refused(store: Store, batch: AbsorbBatch, before: SegmentProgress) -> Refused:
    """Absorb a batch that the store refused as a whole: all its leads, the bad ones quarantined.

    Args:
        batch: what was refused.
        before: the segment's progress without it.

    Raises:
        StoreUnavailable: try the whole batch again later; nothing is lost and nothing doubled.
    """
    isolation = _Isolation(store, AbsorbBatch(batch.expected_offset, before, (), ()))
    await isolation.absorb(batch.leads)
    last, refused_notices = await _absorb_rest(store, batch)
    return Refused(
        report=AbsorbReport(
            absorbed=isolation.absorbed,
            already_known=isolation.already_known,
            renumbered=isolation.renumbered,
            moved=last.moved and not isolation.overtaken,
        ),
        quarantined=isolation.quarantined,
        kept=isolation.kept + refused_notices,
    )


class _Isolation:
    """Bisects leads down to the ones that are refused."""

    def __init__(self, store: Store, before: AbsorbBatch) -> None:
        self._store = store
        self._before = before
        self.absorbed = 0
        self.already_known = 0
        self.renumbered = 0
        self.quarantined = 0
        self.kept = 0
        self.overtaken = False

    async def absorb(self, leads: tuple[NewLead, ...]) -> None:
        if not leads or self.overtaken:
            return
        reason = await self._try(leads)
        if reason is None:
            return
        if len(leads) == 1:
            await self._quarantine(leads[0], reason)
            return
        half = len(leads) // 2
        await self.absorb(leads[:half])
        await self.absorb(leads[half:])

    async def _try(self, leads: tuple[NewLead, ...]) -> RecordRefused | None:
        try:
            report = await self._store.absorb(msgspec.structs.replace(self._before, leads=leads))
        except RecordRefused as error:
            return error
        if not report.moved:
            self.overtaken = True
        self.absorbed += report.absorbed
        self.already_known += report.already_known
        self.renumbered += report.renumbered
        return None

    async def _quarantine(self, lead: NewLead, reason: RecordRefused) -> None:
        lead_id = lead.record.lead_id.hex()
        for form in (_plain(lead, reason), _plainest(lead, reason)):
            if await self._try((form,)) is None:
                self.quarantined += 1
                metrics.REFUSED.inc()
                _log.error("the store refused a lead; it is quarantined", lead_id=lead_id)
                return
        # Cannot happen while the store's constraints are those of its schema. The bytes stay in
        # the journal, whose segment is kept for good.
        self.kept += 1
        metrics.REFUSED.inc()
        _log.critical(
            "the store refuses a lead in every form; it stays in its segment",
            lead_id=lead_id,
            segment=str(lead.position.segment),
            offset=lead.position.offset,
        )


async def _absorb_rest(store: Store, batch: AbsorbBatch) -> tuple[AbsorbReport, int]:
    """Move the position, with the notices; without those that are refused in every form."""
    rest = msgspec.structs.replace(batch, leads=())
    try:
        return await store.absorb(rest), 0
    except RecordRefused:
        pass
    plain = tuple(_plain_record(notice) for notice in batch.notices)
    try:
        return await store.absorb(msgspec.structs.replace(rest, notices=plain)), 0
    except RecordRefused:
        _log.critical(
            "the store refuses notices in every form; they stay in their segment",
            segment=str(batch.progress.segment),
            notices=len(batch.notices),
        )
    return await store.absorb(msgspec.structs.replace(rest, notices=())), len(batch.notices)


def _plain(lead: NewLead, reason: RecordRefused) -> NewLead:
    """The lead without anything that was read from it."""
    return msgspec.structs.replace(
        lead,
        disposition=Disposition.QUARANTINED,
        hold_reason=f"{REFUSED_BY_STORE}: {_ascii(str(reason))}",
        contact=Contact(),
        payload_text=_hex(lead.record.body),
        order=None,
        parts=(),
        splits=False,
        unparted="",
        origin=None,
    )


def _plainest(lead: NewLead, reason: RecordRefused) -> NewLead:
    """The lead as bytes alone: body, target and headers are exact, all else is made harmless."""
    return msgspec.structs.replace(
        _plain(lead, reason), record=_plain_record(lead.record), destinations=()
    )


def _plain_record(record: Record) -> Record:
    # The source stays: it is text already, and the ledger counts by it.
    return msgspec.structs.replace(
        record,
        lead_number=0,
        received_at_us=min(max(record.received_at_us, 0), _HIGHEST_US),
        flags=RecordFlag.NO_ROUTE,
        peer=_ascii(record.peer),
        method=_ascii(record.method) or "POST",
        answer_status=record.answer_status if 100 <= record.answer_status <= 599 else 200,
        detail=_ascii(record.detail),
    )


def _ascii(text: str) -> str:
    return _ODD.sub("?", text[:_TEXT_LONGEST])


def _hex(body: bytes) -> str:
    return f"hex: {body[:256].hex(' ', 4)}"
