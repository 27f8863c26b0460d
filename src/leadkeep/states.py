"""The states of a delivery and of a lead, and the only ways from one to the next.

This is the one place where the graph is written. The store's CHECKs and its transition trigger, the
generated reference and the operators' pages are tested equal to it.
"""

from collections.abc import Mapping
from enum import StrEnum


class Status(StrEnum):
    """Where one delivery (one lead for one destination) stands."""

    PENDING = "pending"
    """Waiting to be delivered, or waiting for its next try."""
    PROCESSING = "processing"
    """Leased by a worker that is delivering it now."""
    COMPLETED = "completed"
    """The destination confirmed it."""
    FAILED = "failed"
    """Tried for its whole age without success; waits for a person, and is never purged."""
    HELD = "held"
    """Set aside, by quarantine, by a person or because it cannot be sent, until a person resumes
    it."""
    CANCELLED = "cancelled"
    """A person decided that it shall not be delivered, or its fallback gets the lead instead."""


class Disposition(StrEnum):
    """What absorbing found out about a lead."""

    ROUTED = "routed"
    """Belongs to at least one destination."""
    UNROUTED = "unrouted"
    """Accepted while no destination was configured; goes to the first that is."""
    QUARANTINED = "quarantined"
    """Kept and held for a person: no source claims its path, no route takes it, or a constraint
    refused it."""
    DUPLICATE = "duplicate"
    """The same delivery as an earlier lead, linked to it and not delivered again."""
    ERASED = "erased"
    """Personal data removed at a person's request; a tombstone remains."""


class LeadClass(StrEnum):
    """Where one lead stands as a whole: in the ledger each lead is counted in exactly one.

    What the lead itself is comes first (`DUPLICATE`, `ERASED`). Otherwise its deliveries decide: it
    is in the first of the others, in this order, in which one of its deliveries is.
    """

    FAILED = "failed"
    """A delivery was given up: somebody must act."""
    HELD = "held"
    """A delivery is set aside: somebody must decide."""
    PENDING = "pending"
    """A delivery waits for its first or next try."""
    PROCESSING = "processing"
    """Nothing waits any more; the last delivery is being made now."""
    COMPLETED = "completed"
    """Nothing is outstanding, and at least one destination confirmed it."""
    CANCELLED = "cancelled"
    """Nothing is outstanding, and nobody got it: every delivery was cancelled."""
    DUPLICATE = "duplicate"
    """It is the same delivery as an earlier lead."""
    ERASED = "erased"
    """Its personal data were removed; a tombstone remains."""


class CircuitState(StrEnum):
    """Whether leads go to a destination, or wait until it works again."""

    CLOSED = "closed"
    """It works as far as is known: leads go."""
    OPEN = "open"
    """It does not work: leads wait without using up tries, until the next probe is due."""
    HALF_OPEN = "half_open"
    """One probe, over all workers, is under way."""
    RAMPING = "ramping"
    """It works again: leads go, at first few at a time; a failure opens it again."""


class Verb(StrEnum):
    """What may be done to a delivery."""

    CLAIM = "claim"
    """A worker takes a lease and will attempt it."""
    COMPLETE = "complete"
    """An attempt succeeded; also a late success that nobody has claimed since."""
    RETRY_LATER = "retry_later"
    """An attempt failed and another is due."""
    GIVE_UP = "give_up"
    """An attempt failed and the delivery is older than the retry policy's age."""
    RELEASE = "release"
    """The worker returns a lease without having tried."""
    RESCUE = "rescue"
    """The lease ran out: its worker died or hangs."""
    SET_ASIDE = "set_aside"
    """The worker finds that it cannot be sent at all; no try is spent, and a person decides."""
    STAND_IN = "stand_in"
    """Its destination has failed for too long: the fallback gets the lead, this one rests."""
    HOLD = "hold"
    """A person sets it aside."""
    RESUME = "resume"
    """A person lets a held delivery go."""
    RETRY = "retry"
    """A person asks for another try, due at once."""
    CANCEL = "cancel"
    """A person decides that it shall not be delivered."""


GRAPH: Mapping[Verb, Mapping[Status, Status]] = {
    Verb.CLAIM: {Status.PENDING: Status.PROCESSING},
    Verb.COMPLETE: {
        Status.PROCESSING: Status.COMPLETED,
        Status.PENDING: Status.COMPLETED,
        Status.FAILED: Status.COMPLETED,
        Status.HELD: Status.COMPLETED,
    },
    Verb.RETRY_LATER: {Status.PROCESSING: Status.PENDING},
    Verb.GIVE_UP: {Status.PROCESSING: Status.FAILED},
    Verb.RELEASE: {Status.PROCESSING: Status.PENDING},
    Verb.RESCUE: {Status.PROCESSING: Status.PENDING},
    Verb.SET_ASIDE: {Status.PROCESSING: Status.HELD},
    Verb.STAND_IN: {Status.PENDING: Status.CANCELLED},
    Verb.HOLD: {Status.PENDING: Status.HELD, Status.FAILED: Status.HELD},
    Verb.RESUME: {Status.HELD: Status.PENDING},
    Verb.RETRY: {
        Status.PENDING: Status.PENDING,
        Status.FAILED: Status.PENDING,
        Status.CANCELLED: Status.PENDING,
    },
    Verb.CANCEL: {
        Status.PENDING: Status.CANCELLED,
        Status.HELD: Status.CANCELLED,
        Status.FAILED: Status.CANCELLED,
    },
}
"""verb → {status before: status after}. A pair that is not here is refused."""

SETTLED = frozenset({Status.COMPLETED, Status.CANCELLED})
"""Statuses whose lead may leave the archive: it needs nobody any more."""

URGENCY: Mapping[Status, LeadClass] = {Status(one): one for one in tuple(LeadClass)[: len(Status)]}
"""Status of a delivery → class of its lead, the one that counts first; see `LeadClass`."""


def allowed_moves() -> frozenset[tuple[Status, Status]]:
    """Every (before, after) pair of different statuses that some verb allows."""
    return frozenset(
        (before, after)
        for moves in GRAPH.values()
        for before, after in moves.items()
        if before is not after
    )


def way(before: Status, after: Status) -> tuple[Status, ...]:
    """The fewest allowed moves that lead from one status to another, `after` the last of them.

    Raises:
        ValueError: there is no way; nothing leads out of COMPLETED.
    """
    moves = allowed_moves()
    ways: dict[Status, tuple[Status, ...]] = {before: ()}
    ahead = [before]
    while after not in ways and ahead:
        here = ahead.pop(0)
        for there in Status:
            if (here, there) in moves and there not in ways:
                ways[there] = (*ways[here], there)
                ahead.append(there)
    if after not in ways:
        raise ValueError(f"no way leads from {before} to {after}")
    return ways[after]


def statuses_for(verb: Verb) -> frozenset[Status]:
    """The statuses in which `verb` may be applied."""
    return frozenset(GRAPH[verb])
