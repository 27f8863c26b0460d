"""Lines, by the words of docs/reference/ordering.md: what the store is compared with.

Nothing is kept but what each lead is and since when it waits. Whose turn it is, is found out anew
at each claim, by looking at the whole line.
"""

from dataclasses import dataclass

from leadkeep.models import Claim, Outcome
from leadkeep.states import SETTLED, Status, Verb
from tests.fakes.clock import FakeClock
from tests.store.conformance.queue_model import QueueModel, Row

WAIT_MS = 900_000


@dataclass
class Ordered:
    """What one delivery has to do with others."""

    number: int
    """The lead's."""
    key: bytes
    since_ms: int
    refers_to: int | None = None
    """Number of the lead that it depends on."""
    awaits: int | None = None
    """Delivery that it waits for; 0: a lead that is not known yet."""


class OrderModel(QueueModel):
    """A queue with lines in it."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.ordered: dict[int, Ordered] = {}
        self.numbers: dict[int, int] = {}
        """Delivery → number of its lead, of every lead."""
        self.out_of_order: dict[int, str] = {}
        self.furthest: dict[tuple[str | None, bytes], int] = {}
        self.flagged_by: dict[int, int] = {}
        self.steady_since_ms = 0
        self.longest_wait_ms = 0

    # ------------------------------------------------------------ lines

    def line_of(self, number: int) -> list[int]:
        """The line of a delivery: all that are not completed, those who came first first."""
        row, place = self.rows[number], self.ordered[number]
        return sorted(
            (
                other
                for other, theirs in self.ordered.items()
                if theirs.key == place.key
                and self.rows[other].destination == row.destination
                and self.rows[other].status is not Status.COMPLETED
            ),
            key=lambda other: self.ordered[other].number,
        )

    def goes_at_ms(self, number: int) -> int:
        """When a lead goes at the latest, by a clock that may have jumped."""
        place, row, now_ms = self.ordered[number], self.rows[number], self.clock.now_ms
        since_ms = place.since_ms
        if since_ms < self.steady_since_ms or since_ms > now_ms + self.longest_wait_ms:
            since_ms = min(self.steady_since_ms, now_ms)
        next_ms = row.next_attempt_at_ms or 0
        if next_ms > now_ms + self.longest_wait_ms:
            next_ms = 0
        return max(since_ms + WAIT_MS, next_ms)

    def turn_in(self, line: list[int]) -> int | None:
        """Whose turn it is now; None: nobody's."""
        if any(self.rows[one].status is Status.PROCESSING for one in line):
            return None
        waiting = [one for one in line if self.rows[one].status is Status.PENDING]
        if not waiting:
            return None
        first: int | None = waiting[0]
        awaits = self.ordered[waiting[0]].awaits
        if awaits is not None:
            within = awaits in waiting and self.ordered[awaits].awaits is None
            first = awaits if within else None
        others = [one for one in waiting if one != first]
        impatient = min(others, key=self.goes_at_ms, default=None)
        if impatient is not None and self.goes_at_ms(impatient) <= self.clock.now_ms:
            due_at_ms = None if first is None else self.rows[first].next_attempt_at_ms
            if due_at_ms is None or self.goes_at_ms(impatient) < due_at_ms:
                return impatient
        return first

    def due(self, destination: str, longest_wait_ms: int) -> set[int]:
        self.longest_wait_ms = longest_wait_ms
        return {
            one
            for one in super().due(destination, longest_wait_ms)
            if one not in self.ordered or self.turn_in(self.line_of(one)) == one
        }

    def how(self, number: int) -> str:
        """How a lead would be out of order if it went now."""
        line, place = self.line_of(number), self.ordered[number]
        if place.awaits is not None or any(
            self.rows[one].status is Status.PENDING and self.ordered[one].awaits != number
            for one in line[: line.index(number)]
        ):
            return "overtook"
        key = (self.rows[number].destination, place.key)
        return "overtaken" if place.number < self.furthest.get(key, 0) else ""

    # ------------------------------------------------------------ what moves a lead

    def claim(self, number: int, lease_ms: int) -> Row:
        how = self.how(number) if number in self.ordered else ""
        row = super().claim(number, lease_ms)
        if how and number not in self.out_of_order:
            self.out_of_order[number] = how
            self.flagged_by[number] = row.fence
        return row

    def record(self, claim: Claim, outcome: Outcome) -> tuple[bool, Status]:
        if self.is_ours(claim) and claim.fence not in self.rows[claim.delivery_id].tries:
            self._went(claim.delivery_id)
        answer = super().record(claim, outcome)
        self._settle()
        return answer

    def release(self, claim: Claim) -> bool:
        released = super().release(claim)
        if released:
            self._unclaimed(claim)
        return released

    def set_aside(self, claim: Claim) -> tuple[bool, Status]:
        stale, status = super().set_aside(claim)
        if not stale:
            self._unclaimed(claim)
        return stale, status

    def _unclaimed(self, claim: Claim) -> None:
        if self.flagged_by.get(claim.delivery_id) == claim.fence:
            del self.flagged_by[claim.delivery_id], self.out_of_order[claim.delivery_id]

    def rescue(self) -> int:
        before = [n for n, row in self.rows.items() if row.status is Status.PROCESSING]
        rescued = super().rescue()
        for number in before:
            if self.rows[number].status is Status.PENDING:
                self._went(number)
        return rescued

    def apply(self, verb: Verb, statuses: tuple[Status, ...]) -> int:
        before = {number: row.status for number, row in self.rows.items()}
        changed = super().apply(verb, statuses)
        for number, place in self.ordered.items():
            back = self.rows[number].status is Status.PENDING
            if back and before[number] not in {Status.PENDING, Status.PROCESSING}:
                place.since_ms = self.clock.now_ms
        self._settle()
        return changed

    def _went(self, number: int) -> None:
        """It was sent, perhaps: who comes later and has a lower number was overtaken."""
        place = self.ordered.get(number)
        if place is None:
            return
        line = self.line_of(number)
        if any(
            self.ordered[one].awaits == number and self.rows[one].status is Status.PENDING
            for one in line
        ):
            return
        key = (self.rows[number].destination, place.key)
        self.furthest[key] = max(self.furthest.get(key, 0), place.number)

    def _settle(self) -> None:
        """Who waited for a lead that is settled waits no more; empty lines are forgotten."""
        for place in self.ordered.values():
            if place.awaits and self.rows[place.awaits].status in SETTLED:
                place.awaits = None
        alive = {
            (self.rows[one].destination, place.key)
            for one, place in self.ordered.items()
            if self.rows[one].status is not Status.COMPLETED
        }
        self.furthest = {key: number for key, number in self.furthest.items() if key in alive}

    # ------------------------------------------------------------ references

    def resolve(self) -> None:
        """Find out what open references mean, as far as leads are known now."""
        for number in sorted(self.ordered):
            place = self.ordered[number]
            if place.awaits == 0 and self.rows[number].status is not Status.COMPLETED:
                place.awaits = self._meant(number, place)

    def _meant(self, number: int, place: Ordered) -> int | None:
        if place.refers_to == place.number:
            return 0
        all_of_it = [n for n, lead in self.numbers.items() if lead == place.refers_to]
        if not all_of_it:
            return 0
        here = [n for n in all_of_it if self.rows[n].destination == self.rows[number].destination]
        if not here:
            homeless = [n for n in all_of_it if self.rows[n].destination is None]
            return 0 if any(self.rows[n].status not in SETTLED for n in homeless) else None
        (target,) = here
        if self.rows[target].status in SETTLED or self._comes_round(target, number):
            return None
        return target

    def _comes_round(self, target: int, number: int) -> bool:
        seen: set[int] = set()
        here: int | None = target
        while here and here not in seen:
            if here == number:
                return True
            seen.add(here)
            here = self.ordered[here].awaits if here in self.ordered else None
        return False
