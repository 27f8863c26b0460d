"""Draws up the ledger from segments that are settled: rows, and problems in words.

No reading and no counting here. Invariant: the leads of all problems together are the unexplained
leads of all rows and what cannot be placed in any.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from uuid import UUID

from leadkeep.journal.base import Damage, StrayMark, is_elsewhere
from leadkeep.journal.identity import text as id_text
from leadkeep.models import SegmentProgress
from leadkeep.recovery.accounts import Settled
from leadkeep.recovery.journals import JournalSide
from leadkeep.recovery.ledger import Ledger, LedgerRow, Problem, ProblemKind, affected
from leadkeep.recovery.tally import TallyRow
from leadkeep.states import LeadClass
from leadkeep.store.census import NO_SEGMENT, Cell, Census

_CAT = "`leadkeep journal cat --{what} {name}` prints what was received, as it came."
_PRUNED = (
    "Its bytes have left the archive. Was the store replaced by an older one? Then the one that it "
    "replaced, or a later backup, has these leads."
)
_GONE = (
    "Is the journal's disk mounted, its folder in journal.folders, and the archive where it was? "
    "If files were removed, put them back from a copy."
)
_VERIFY = "`leadkeep journal verify` says what can be read; keep the file, and look at the disk."
_NO_STORE = (
    "If it was moved, say where (store.path). If it is lost, restore a backup; what is still in "
    "journals and archive is absorbed anew by the next `leadkeep serve`."
)


class Draft:
    """A ledger in the making.

    Args:
        census: the store's side.
        taken_at_ms: when the census was begun.
        node: this machine, among those that share the store; empty: none does.
    """

    def __init__(self, census: Census, taken_at_ms: int, node: str = "") -> None:
        self._node = node
        self._census = census
        self._taken_at_ms = taken_at_ms
        self._settled: set[UUID] = set()
        self._rows: defaultdict[Cell, TallyRow] = defaultdict(lambda: TallyRow("", ""))
        self._received: Counter[Cell] = Counter()
        self._waiting: Counter[Cell] = Counter()
        self._missing: Counter[Cell] = Counter()
        self._unknown: Counter[Cell] = Counter()
        self._problems: list[Problem] = []
        self._notes: list[str] = []

    def add(self, settled: Settled) -> None:
        """Enter a segment."""
        self._settled.add(settled.account.segment)
        self._received.update(settled.leads)
        self._waiting.update(settled.waiting)
        self._missing.update(settled.missing)
        self._unknown.update(settled.unknown)
        for row in settled.rows:
            _add(self._rows[row.cell], row)
        self._problems += _problems_of(settled)
        self._notes += [
            f"{_place(settled, damage)} can no longer be read, but was absorbed before: "
            "its leads are in the store."
            for damage in settled.restored
        ]
        if settled.taken_over:
            self._notes.append(
                f"Segment {settled.account.segment} no longer holds {settled.taken_over:,} of the "
                "leads that were absorbed from it, but another segment does: each is in the store."
            )
        if settled.never_answered:
            self._notes.append(
                f"Segment {settled.account.segment} no longer holds {settled.never_answered:,} of "
                "the leads that were absorbed from it. Their vendors had not been told 2xx; the "
                "store has each of them."
            )

    def add_what_is_gone(self, side: JournalSide) -> None:
        """Enter segments that the store or a mark knows and that are nowhere."""
        strays = {stray.segment: stray for stray in side.strays}
        known = {*self._census.segments, *self._census.leads, *strays} - self._settled
        elsewhere = Counter[str]()
        for segment in sorted(known):
            progress = self._census.segments.get(segment)
            stored = self._census.leads.get(segment, {})
            if progress is not None and self._is_counted_elsewhere(progress, stored):
                elsewhere[progress.journal] += sum(stored.values())
                continue
            stray = strays.get(segment)
            if stored or stray or _held_something(progress):
                self._unknown.update(stored)
                why = side.unreadable.get(segment, "")
                self._problems.append(_gone(segment, progress, stored, stray, why))

        self._notes += [
            f"{leads:,} leads came from {journal}, which only that machine can look into: they are "
            "as many as were absorbed from there. Its own `leadkeep ledger` counts its bytes."
            for journal, leads in sorted(elsewhere.items())
        ]

    def _is_counted_elsewhere(self, progress: SegmentProgress, stored: Mapping[Cell, int]) -> bool:
        """Enter a segment of another machine as the absorber there has counted it, if it agrees."""
        if not is_elsewhere(progress.journal, self._node):
            return False
        if sum(stored.values()) != progress.leads:
            return False
        self._received.update(stored)
        return True

    def add_what_was_seen(self, side: JournalSide, *, has_store: bool) -> None:
        """Enter what else was found on the way."""
        for words in side.cannot_look:
            hint = "Look at the disk, and at the rights of its files."
            self._problems.append(Problem(ProblemKind.CANNOT_LOOK, words, hint))
        for segment in sorted(side.unreadable.keys() - self._census.segments.keys()):
            words = f"a segment cannot be read: {side.unreadable[segment]}"
            self._problems.append(
                Problem(ProblemKind.UNREADABLE, words, _VERIFY, segment=segment, unplaced=1)
            )
        archived = sum(account.archived for account in side.accounts.values())
        if archived and not has_store:
            words = f"there is no store, though one has absorbed {archived:,} segments"
            self._problems.append(Problem(ProblemKind.NO_STORE, words, _NO_STORE))
        if self._census.without_delivery:
            rows = affected(self._census.without_delivery.items())
            words = f"{_leads(self._census.without_delivery)} in the store without any delivery"
            hint = "Deliveries were deleted behind Leadkeep's back: restore a backup."
            self._problems.append(Problem(ProblemKind.WITHOUT_DELIVERY, words, hint, rows=rows))
        self._notes += [
            f"A tally cannot be read ({line.path}, line {line.line}). Its segment is counted from "
            "its bytes if they are there, and otherwise named as a problem."
            for line in side.damaged_tallies
        ]

    def ledger(self) -> Ledger:
        """What was entered."""
        cells = {*self._rows, *self._received, *self._unknown, *self._census.classes}
        cells |= self._census.without_delivery.keys()
        return Ledger(
            taken_at_ms=self._taken_at_ms,
            rows=tuple(self._row(cell) for cell in sorted(cells)),
            problems=tuple(self._problems),
            notes=tuple(self._notes),
            segments=len(self._settled),
        )

    def _row(self, cell: Cell) -> LedgerRow:
        counted = self._rows[cell]
        classes = dict.fromkeys(LeadClass, 0) | self._census.classes.get(cell, {})
        return LedgerRow(
            day=cell.day,
            source=cell.source,
            received=self._received[cell],
            by_class=classes,
            not_absorbed=self._waiting[cell],
            missing=self._missing[cell],
            unknown=self._unknown[cell],
            without_delivery=self._census.without_delivery.get(cell, 0),
            answers=dict(sorted(counted.answers.items())),
            unacknowledged=counted.unacknowledged,
            probes=counted.probes,
            rejections=dict(sorted(counted.rejections.items())),
            handshakes=counted.handshakes,
            pings=counted.pings,
        )


def _add(total: TallyRow, row: TallyRow) -> None:
    for sums, more in ((total.answers, row.answers), (total.rejections, row.rejections)):
        for status, number in more.items():
            sums[status] = sums.get(status, 0) + number
    total.unacknowledged += row.unacknowledged
    total.probes += row.probes
    total.handshakes += row.handshakes
    total.pings += row.pings


def _problems_of(settled: Settled) -> Iterator[Problem]:
    segment, path = settled.account.segment, settled.account.path
    if settled.missing:
        ids = tuple(map(id_text, settled.missing_ids))
        what, name = ("lead", ids[0]) if ids else ("segment", str(segment))
        yield Problem(
            ProblemKind.MISSING,
            f"{_leads(settled.missing)} of segment {segment} absorbed, and not in the store",
            _CAT.format(what=what, name=name) if path else _PRUNED,
            segment=segment,
            path=path,
            rows=affected(settled.missing.items()),
            lead_ids=ids,
        )
    if settled.unknown:
        yield Problem(
            ProblemKind.UNKNOWN,
            f"{_leads(settled.unknown)} stored under segment {segment}, which does not hold them",
            _VERIFY,
            segment=segment,
            path=path,
            rows=affected(settled.unknown.items()),
        )
    for damage in settled.unreadable:
        yield Problem(
            ProblemKind.UNREADABLE,
            f"{_place(settled, damage)} cannot be read: {damage.reason}",
            _VERIFY,
            segment=segment,
            path=path,
            unplaced=damage.records,
        )


def _gone(
    segment: UUID,
    progress: SegmentProgress | None,
    stored: Mapping[Cell, int],
    stray: StrayMark | None,
    why: str,
) -> Problem:
    """A segment that is nowhere, or cannot be read at all."""
    name = "an unknown segment" if segment == NO_SEGMENT else f"segment {segment}"
    journal = f" of {progress.journal}" if progress else ""
    reason = why or "it is in no journal and not in the archive, and there is no tally of it"
    # What the absorber noted is no proof, but shows when more came from it than is there.
    rest = max(progress.leads - sum(stored.values()), 0) if progress else 0
    if stray is not None and (progress is None or progress.offset < stray.durable):
        reason += f"; its mark, {stray.path}, tells of leads that were not absorbed"
        rest += 1
    elif progress is not None and not progress.finished:
        reason += "; not all of it may have been absorbed"
    return Problem(
        ProblemKind.SEGMENT_GONE,
        f"{name}{journal} cannot be counted ({_leads(stored)} stored under it): {reason}",
        _VERIFY if why else _GONE,
        segment=segment,
        path=str(stray.path) if stray else "",
        rows=affected(stored.items()),
        unplaced=rest,
    )


def _held_something(progress: SegmentProgress | None) -> bool:
    return progress is not None and any(
        (
            progress.leads,
            progress.probes,
            progress.rejections,
            progress.handshakes,
            progress.pings,
        )
    )


def _place(settled: Settled, damage: Damage) -> str:
    where = f"{settled.account.path or settled.account.segment}"
    if damage.end > damage.offset:
        return f"{where} from {damage.offset:,} to {damage.end:,}"
    return f"{where} at {damage.offset:,}"


def _leads(leads: Mapping[Cell, int]) -> str:
    number = sum(leads.values())
    return "1 lead is" if number == 1 else f"{number:,} leads are"
