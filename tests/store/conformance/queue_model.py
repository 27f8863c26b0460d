"""A queue in a few dictionaries, written from the graph: what the store is compared with."""

from collections import Counter
from dataclasses import dataclass, field

from leadkeep.models import Claim, Outcome
from leadkeep.states import GRAPH, Status, Verb
from tests.fakes.clock import FakeClock


@dataclass
class Row:
    """One delivery."""

    destination: str | None
    status: Status
    next_attempt_at_ms: int | None
    fence: int = 0
    attempts: int = 0
    part: int = 0
    lease: tuple[str, int] | None = None
    tries: dict[int, bool] = field(default_factory=dict)
    """fence → whether it was recorded as stale."""


class QueueModel:
    """What each verb does to rows, by the words of the protocol."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.rows: dict[int, Row] = {}
        self.held_destinations: set[str] = set()

    def counts(self) -> dict[Status, int]:
        found = Counter(row.status for row in self.rows.values())
        return {status: found[status] for status in Status}

    def due(self, destination: str, longest_wait_ms: int) -> set[int]:
        if destination in self.held_destinations:
            return set()
        now_ms = self.clock.now_ms
        return {
            number
            for number, row in self.rows.items()
            if row.status is Status.PENDING
            and row.destination == destination
            and row.next_attempt_at_ms is not None
            and not now_ms < row.next_attempt_at_ms <= now_ms + longest_wait_ms
        }

    def claim(self, number: int, lease_ms: int) -> Row:
        row = self.rows[number]
        self._move(row, Verb.CLAIM)
        row.fence += 1
        row.attempts += 1
        row.lease = (self.clock.boot_id, self.clock.boottime_ms() + lease_ms)
        return row

    def is_ours(self, claim: Claim) -> bool:
        row = self.rows[claim.delivery_id]
        return row.status is Status.PROCESSING and row.fence == claim.fence

    def record(self, claim: Claim, outcome: Outcome) -> tuple[bool, Status]:
        """Returns whether it was stale, and the status afterwards."""
        row = self.rows[claim.delivery_id]
        if claim.fence in row.tries:
            return row.tries[claim.fence], row.status
        ours = self.is_ours(claim)
        row.tries[claim.fence] = not ours
        verb = {
            Status.COMPLETED: Verb.COMPLETE,
            Status.PENDING: Verb.RETRY_LATER,
            Status.FAILED: Verb.GIVE_UP,
        }[outcome.status]
        late_success = row.fence == claim.fence and verb is Verb.COMPLETE
        if ours or (late_success and row.status in GRAPH[verb]):
            self._move(row, verb)
            row.next_attempt_at_ms = outcome.next_attempt_at_ms
        return not ours, row.status

    def release(self, claim: Claim) -> bool:
        if not self.is_ours(claim):
            return False
        row = self.rows[claim.delivery_id]
        self._move(row, Verb.RELEASE)
        row.attempts -= 1
        return True

    def set_aside(self, claim: Claim) -> tuple[bool, Status]:
        """Returns whether it was stale, and the status afterwards."""
        row = self.rows[claim.delivery_id]
        if not self.is_ours(claim):
            return True, row.status
        self._move(row, Verb.SET_ASIDE)
        row.attempts -= 1
        row.next_attempt_at_ms = None
        return False, row.status

    def renew(self, claim: Claim, lease_ms: int) -> bool:
        if not self.is_ours(claim):
            return False
        until = self.clock.boottime_ms() + lease_ms
        self.rows[claim.delivery_id].lease = (self.clock.boot_id, until)
        return True

    def rescue(self) -> int:
        rescued = 0
        for row in self.rows.values():
            if row.lease is None:
                continue
            boot, until = row.lease
            if boot != self.clock.boot_id or until <= self.clock.boottime_ms():
                self._move(row, Verb.RESCUE)
                rescued += 1
        return rescued

    def apply(self, verb: Verb, statuses: tuple[Status, ...]) -> int:
        changed = 0
        for row in self.rows.values():
            if row.status not in GRAPH[verb] or (statuses and row.status not in statuses):
                continue
            if verb in {Verb.RESUME, Verb.RETRY} and row.destination is None:
                continue
            self._move(row, verb)
            waits = row.status is Status.PENDING
            row.next_attempt_at_ms = self.clock.now_ms if waits else None
            changed += 1
        return changed

    @staticmethod
    def _move(row: Row, verb: Verb) -> None:
        row.status = GRAPH[verb][row.status]
        if row.status is not Status.PROCESSING:
            row.lease = None
