"""What an import would do, or has done, in numbers: gathered row by row, and shown."""

from collections import Counter
from collections.abc import Callable, Container

import msgspec

from leadkeep.recovery.importing.reading import Reading, Refusal
from leadkeep.states import Status

EXAMPLES = 5
"""Rows that are named for each reason."""


class Group(msgspec.Struct):
    """Rows of one source and status."""

    source: str
    """As it is called there; `goes_as` as here."""
    goes_as: str
    status: str
    begins: Status
    """Where the delivery begins; `held` also for want of a source."""
    rows: int = 0
    here_already: int = 0
    oldest_us: int | None = None
    newest_us: int | None = None


class Unreadable(msgspec.Struct):
    """Rows that cannot be taken for one reason."""

    why: str
    rows: int
    examples: list[str]
    """Ids of some of them."""


class Survey(msgspec.Struct):
    """All rows of a queue."""

    queue: str
    rows: int
    """In the table."""
    missing_columns: list[str]
    groups: list[Group]
    unreadable: list[Unreadable]
    not_asked_for: int
    """Rows that the filters leave out."""
    unknown_sources: list[str]
    """Sources that are not configured here: what is not completed of them is held."""

    @property
    def wanted(self) -> int:
        """Rows that can be taken and are not here yet."""
        return sum(group.rows - group.here_already for group in self.groups)

    @property
    def here_already(self) -> int:
        """Rows that were taken before."""
        return sum(group.here_already for group in self.groups)

    @property
    def unreadable_rows(self) -> int:
        """Rows that cannot be taken."""
        return sum(each.rows for each in self.unreadable)

    def beginning(self, status: Status) -> int:
        """How many of the wanted rows begin so."""
        return sum(g.rows - g.here_already for g in self.groups if g.begins is status)


class Surveyor:
    """Counts rows.

    Args:
        knows: whether a source is configured here.
    """

    def __init__(self, knows: Callable[[str], bool]) -> None:
        self._knows = knows
        self._groups: dict[tuple[str, str, str], Group] = {}
        self._why: Counter[str] = Counter()
        self._examples: dict[str, list[str]] = {}
        self._not_asked_for = 0
        self._unknown: set[str] = set()

    def add(self, found: Reading | Refusal, known: Container[bytes]) -> None:
        """Count one row.

        Args:
            known: ids of leads that are here.
        """
        if isinstance(found, Refusal):
            self._refused(found)
            return
        origin = found.origin
        group = self._groups.get((origin.source, found.source, origin.status))
        if group is None:
            group = Group(origin.source, found.source, origin.status, self._begins(found))
            self._groups[origin.source, found.source, origin.status] = group
        group.rows += 1
        group.here_already += found.lead_id in known
        at_us = found.received_at_us
        group.oldest_us = at_us if group.oldest_us is None else min(group.oldest_us, at_us)
        group.newest_us = at_us if group.newest_us is None else max(group.newest_us, at_us)

    def survey(self, queue: str, rows: int, missing: list[str]) -> Survey:
        """What was counted.

        Args:
            rows: in the table.
            missing: optional columns that it does not have.
        """
        return Survey(
            queue=queue,
            rows=rows,
            missing_columns=missing,
            groups=sorted(self._groups.values(), key=lambda group: (group.source, group.status)),
            unreadable=[
                Unreadable(why, number, self._examples[why])
                for why, number in self._why.most_common()
            ],
            not_asked_for=self._not_asked_for,
            unknown_sources=sorted(self._unknown),
        )

    def _refused(self, refusal: Refusal) -> None:
        if not refusal.why:
            self._not_asked_for += 1
            return
        self._why[refusal.why] += 1
        examples = self._examples.setdefault(refusal.why, [])
        if len(examples) < EXAMPLES:
            examples.append(refusal.row)

    def _begins(self, found: Reading) -> Status:
        origin = found.origin
        if origin.standing is Status.COMPLETED or origin.destination or self._knows(found.source):
            return origin.standing
        self._unknown.add(origin.source)
        return Status.HELD
