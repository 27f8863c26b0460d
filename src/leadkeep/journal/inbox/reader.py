"""Reading the inbox: every door's segments, as far as they are committed.

What can be read is durable, so it is believed as far as it goes, but for what a door has given up.
While another node has its turn to absorb, nothing of an inbox is shown to this one's absorber.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import msgspec

from leadkeep.journal.base import (
    Damage,
    Group,
    GroupHeads,
    SegmentInfo,
    SegmentState,
    StrayMark,
    TornTail,
)
from leadkeep.journal.inbox.source import InboxBytes
from leadkeep.journal.inbox.wire import Wire
from leadkeep.journal.layout import BLOCK
from leadkeep.journal.scan import Scan
from leadkeep.settings.model import IN_STORE

_SECONDS = 10.0
_TURN_SECONDS = 5.0
_ASK_SECONDS = 1.0


class InboxReader:
    """A `CountingReader` over the inbox. Used by one thread at a time.

    Args:
        absorber: the name of the node that reads in order to absorb; empty: everything is shown.
    """

    def __init__(self, wire: Wire, *, absorber: str = "") -> None:
        self._wire = wire
        self._absorber = absorber
        self._slots: dict[UUID, int] = {}
        self._asked_at = float("-inf")
        self._has_turn = not absorber

    def segments(self) -> list[SegmentInfo]:
        """Every segment, oldest first.

        Raises:
            JournalUnavailable: the database cannot be asked now.
        """
        try:
            ours = self._is_our_turn()
            rows = self._wire.rows("inbox_segments", seconds=_SECONDS)
        finally:
            self._wire.let_go()
        self._slots = {row[0]: row[1] for row in rows}
        return [
            SegmentInfo(
                segment=segment,
                path=Path("inbox") / str(segment),
                journal=IN_STORE,
                state=_state(sealed, doubtful) if ours else SegmentState.LIVE,
                durable=_believed(ends, doubtful) if ours else None,
                created_at_us=opened_us,
            )
            for segment, _, opened_us, sealed, doubtful, _, ends in rows
        ]

    def kept(self) -> dict[UUID, str]:
        """Segments that cannot leave, and why.

        Raises:
            JournalUnavailable: the database cannot be asked now.
        """
        try:
            rows = self._wire.rows("inbox_segments", seconds=_SECONDS)
        finally:
            self._wire.let_go()
        return {row[0]: row[5] for row in rows if row[5]}

    def read(self, info: SegmentInfo, offset: int) -> Iterator[Group | Damage | TornTail]:
        """Groups from `offset` (0: the first) as far as `info` allows them to be believed.

        Raises:
            JournalUnavailable: the database cannot be asked now.
        """
        try:
            yield from self._scan(info).groups(offset)
        finally:
            self._wire.let_go()

    def heads(self, info: SegmentInfo, offset: int) -> Iterator[GroupHeads | Damage | TornTail]:
        """As `read`, but only what is counted of each record."""
        try:
            yield from self._scan(info).heads(offset)
        finally:
            self._wire.let_go()

    def stray_marks(self) -> list[StrayMark]:
        """None: there are no marks."""
        return []

    def refresh(self, info: SegmentInfo) -> SegmentInfo | None:
        """A live segment as it is now; None: no longer live, or it is another's turn now.

        Raises:
            JournalUnavailable: the database cannot be asked now.
        """
        if info.state is not SegmentState.LIVE or self._is_our_turn() != (info.durable is not None):
            return None
        if info.durable is None:
            return info
        rows = self._wire.rows("inbox_segment", {"segment": info.segment}, seconds=_SECONDS)
        if not rows or rows[0][0]:
            return None
        return msgspec.structs.replace(info, durable=_believed(rows[0][1], None))

    def close(self) -> None:
        """Hang up."""
        self._wire.close()

    def _is_our_turn(self) -> bool:
        """Whether we absorb; said again once a second, for some seconds each time."""
        now = time.monotonic()
        if self._absorber and now - self._asked_at >= _ASK_SECONDS:
            turn = {"absorber": self._absorber, "seconds": _TURN_SECONDS}
            self._has_turn = bool(self._wire.rows("inbox_take_turn", turn, seconds=_SECONDS))
            self._asked_at = now
        return self._has_turn

    def _scan(self, info: SegmentInfo) -> Scan:
        slot = self._slots.get(info.segment, 0)
        if info.state is SegmentState.POISONED:
            rows = self._wire.rows("inbox_segment", {"segment": info.segment}, seconds=_SECONDS)
            size = (rows[0][1] or BLOCK) if rows else BLOCK
        else:
            size = info.durable or BLOCK
        source = InboxBytes(self._wire, info.segment, slot, size)
        return Scan(source, info.segment, limit=size, durable=info.durable)


def _state(sealed: bool, doubtful: int | None) -> SegmentState:
    if doubtful is not None:
        return SegmentState.POISONED
    return SegmentState.SEALED if sealed else SegmentState.LIVE


def _believed(ends: int | None, doubtful: int | None) -> int:
    """Up to where everything was acknowledged."""
    return doubtful if doubtful is not None else (ends or BLOCK)
