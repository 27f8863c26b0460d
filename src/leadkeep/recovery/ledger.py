"""The ledger: every lead received, and what became of each, by UTC day and source.

A value, made by `recovery.audit`. Invariant, for each row and for the whole::

    received + unknown = sum of by_class + not_absorbed + missing + without_delivery

`received` and what stands beside it come from the journals, `by_class` from the store.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import TypeVar
from uuid import UUID

import msgspec

from leadkeep.states import LeadClass

_K = TypeVar("_K", bound=int | str)


class ProblemKind(StrEnum):
    """Why something cannot be explained."""

    MISSING = "missing"
    """A journal holds leads that were absorbed and are not in the store."""
    UNKNOWN = "unknown"
    """The store holds leads that no journal holds."""
    WITHOUT_DELIVERY = "without_delivery"
    """The store holds leads that nothing delivers or shows."""
    UNREADABLE = "unreadable"
    """Acknowledged bytes of a journal cannot be read."""
    SEGMENT_GONE = "segment_gone"
    """A segment is in no journal and not in the archive, and has no tally."""
    NO_STORE = "no_store"
    """Segments were absorbed by a store, and there is none."""
    CANNOT_LOOK = "cannot_look"
    """A folder or file cannot be read now."""


class Affected(msgspec.Struct, frozen=True):
    """Leads that a problem is about, by day and source."""

    day: str
    source: str
    leads: int


class Problem(msgspec.Struct, frozen=True):
    """Something that a person must look at."""

    kind: ProblemKind
    words: str
    """What is wrong, in one sentence."""
    hint: str
    """What to do."""
    segment: UUID | None = None
    path: str = ""
    rows: tuple[Affected, ...] = ()
    unplaced: int = 0
    """Leads of which day and source are not known, counted as few as there can be."""
    lead_ids: tuple[str, ...] = ()
    """Some of the leads, as far as their ids are known."""

    @property
    def leads(self) -> int:
        """How many unexplained leads it stands for; 0: none that could be counted."""
        return self.unplaced + sum(row.leads for row in self.rows)


class LedgerRow(msgspec.Struct, frozen=True):
    """One day and source."""

    day: str
    """UTC day on which the leads were received, `YYYY-MM-DD`."""
    source: str
    """Empty: no source claims the path."""
    received: int
    """Leads, each counted once however often it stands in journals."""
    by_class: dict[LeadClass, int]
    """Where those in the store stand; every class is a key."""
    not_absorbed: int
    """Leads that are safe in a journal or the archive, and not yet in the store."""
    missing: int
    unknown: int
    without_delivery: int
    answers: dict[int, int]
    """HTTP status of the answer → leads."""
    unacknowledged: int
    """How many of the leads are known to have got no answer."""
    probes: int
    rejections: dict[int, int]
    """HTTP status of the answer → requests that could not be taken whole; no leads."""
    handshakes: int
    pings: int = 0
    """Questions for a bid, counted as often as they stand in journals; no leads."""

    @property
    def unexplained(self) -> int:
        """Leads that are not where they should be."""
        return self.missing + self.unknown + self.without_delivery


class Ledger(msgspec.Struct, frozen=True):
    """The whole account of an installation at one moment."""

    taken_at_ms: int
    rows: tuple[LedgerRow, ...]
    """In order of day and source."""
    problems: tuple[Problem, ...]
    """Everything that is not explained; empty: all is."""
    notes: tuple[str, ...]
    """What is worth knowing and costs no lead."""
    segments: int
    """Segments that were looked at, in journals, archive and tallies."""

    @property
    def unexplained(self) -> int:
        """Leads that cannot be explained; must be 0."""
        return sum(problem.leads for problem in self.problems)

    @property
    def balanced(self) -> bool:
        """Whether everything is explained, and nothing hinders saying so."""
        return not self.problems

    @property
    def total(self) -> LedgerRow:
        """All rows together."""
        return summed(self.rows)

    @property
    def received(self) -> int:
        """Leads received, each counted once."""
        return self.total.received

    @property
    def by_class(self) -> dict[LeadClass, int]:
        """Where those in the store stand; every class is a key."""
        return self.total.by_class

    @property
    def not_absorbed(self) -> int:
        """Leads that are safe and not yet in the store."""
        return self.total.not_absorbed

    @property
    def sentence(self) -> str:
        """What it comes to, in words."""
        if self.unexplained:
            return f"{_leads(self.unexplained, 'is', 'are')} unexplained."
        if self.problems:
            return "All leads that can be counted are accounted for, but not all can be counted."
        if not self.received:
            return "No lead has been received."
        if self.received == 1:
            return "The one lead received is accounted for."
        return f"Every one of the {self.received:,} leads received is accounted for."

    def only(self, *, day: str | None = None, sources: Sequence[str] = ()) -> "Ledger":
        """The part for one day or for some sources; problems that no day can be told of stay."""

        def wanted(row: LedgerRow | Affected) -> bool:
            return day in {None, row.day} and (not sources or row.source in sources)

        problems = []
        for problem in self.problems:
            rows = tuple(filter(wanted, problem.rows))
            if rows or problem.unplaced or not problem.rows:
                problems.append(msgspec.structs.replace(problem, rows=rows))
        return msgspec.structs.replace(
            self, rows=tuple(filter(wanted, self.rows)), problems=tuple(problems)
        )


def summed(rows: Sequence[LedgerRow], *, day: str = "", source: str = "") -> LedgerRow:
    """Several rows as one.

    Args:
        day: what the sum is called by; `source` likewise.
    """
    return LedgerRow(
        day=day,
        source=source,
        received=sum(row.received for row in rows),
        by_class=dict.fromkeys(LeadClass, 0) | _added(row.by_class for row in rows),
        not_absorbed=sum(row.not_absorbed for row in rows),
        missing=sum(row.missing for row in rows),
        unknown=sum(row.unknown for row in rows),
        without_delivery=sum(row.without_delivery for row in rows),
        answers=_added(row.answers for row in rows),
        unacknowledged=sum(row.unacknowledged for row in rows),
        probes=sum(row.probes for row in rows),
        rejections=_added(row.rejections for row in rows),
        handshakes=sum(row.handshakes for row in rows),
        pings=sum(row.pings for row in rows),
    )


def affected(leads: Iterable[tuple[tuple[str, str], int]]) -> tuple[Affected, ...]:
    """Leads by day and source, those that are any, in order."""
    return tuple(Affected(*cell, number) for cell, number in sorted(leads) if number > 0)


def _added(counts: Iterable[dict[_K, int]]) -> dict[_K, int]:
    found: Counter[_K] = Counter()
    for one in counts:
        found.update(one)
    return dict(sorted(found.items()))


def _leads(number: int, one: str, many: str) -> str:
    return f"{number:,} lead {one}" if number == 1 else f"{number:,} leads {many}"
