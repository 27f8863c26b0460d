"""Deliveries that go elsewhere than planned: set aside, to a fallback, or by changed routes.

Every function runs inside the caller's write transaction, and leaves a line in the log of actions
for each delivery that it moves. Invariant: a lead always keeps a delivery that is not cancelled.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from leadkeep.errors import StoreError
from leadkeep.models import Decision, Heading, Recorded, Rerouted, SetAside
from leadkeep.states import Status, Verb
from leadkeep.store.engine.session import Bindings, Gate, Session

CHUNK = 250
"""Leads that one transaction gives to a fallback."""

_MOVABLE = frozenset({Status.PENDING, Status.HELD, Status.FAILED})
_REROUTE = "reroute"


class Changed(NamedTuple):
    """What a transaction did, and what a log outside must know of it."""

    decisions: list[Decision]
    recorded: list[Recorded]


def set_aside(session: Session, refused: Sequence[SetAside], *, actor: str, now_ms: int) -> Changed:
    """Hold claims that cannot be sent; see `Store.set_aside`."""
    decisions, recorded = [], []
    pen = _Pen(session, actor, now_ms)
    for one in refused:
        here: Bindings = {"delivery": one.delivery_id, "fence": one.fence, "now_ms": now_ms}
        ours = session.value("set_aside", {**here, "reason": one.reason}) is not None
        owner = session.row("whose_delivery", {"delivery": one.delivery_id})
        if owner is None:
            raise StoreError(f"there is no delivery {one.delivery_id} to set aside")
        lead_id, destination, status, part = owner
        recorded.append(Recorded(one.delivery_id, not ours, Status(status), now_ms))
        if ours:
            pen.note(Verb.SET_ASIDE, one.delivery_id, one.reason)
            held = Decision(one.delivery_id, lead_id, destination, Status.HELD, now_ms, part)
            decisions.append(held)
    return Changed(decisions, recorded)


# ---------------------------------------------------------------- fallback


def stand_in(
    session: Session,
    destination: str,
    fallback: str,
    *,
    failing_before_ms: int,
    untried_before_ms: int | None,
    reason: str,
    actor: str,
    now_ms: int,
) -> list[Decision]:
    """Give some leads to a fallback; see `Store.stand_in`. Two decisions for each lead."""
    for name in sorted({destination, fallback}):
        session.pass_gate(Gate.DESTINATION, name, together=True)
    pair: Bindings = {"destination": destination, "fallback": fallback}
    if not session.row("may_stand_in", {**pair, "failing_before_ms": failing_before_ms}):
        return []
    where: Bindings = {**pair, "before_ms": failing_before_ms, "limit": CHUNK}
    late: list[tuple[Any, ...]] = session.rows("failing", where)
    if untried_before_ms is not None:
        where |= {"before_ms": untried_before_ms, "limit": CHUNK - len(late)}
        late += session.rows("untried", where)
    pen = _Pen(session, actor, now_ms)
    decisions: list[Decision] = []
    for delivery, lead, lead_id, part in late:
        pen.rest(Verb.STAND_IN, delivery, reason)
        other = pen.insert(lead, fallback, part, stands_in_for=delivery)
        pen.note(Verb.STAND_IN, other, f"in place of {destination}")
        decisions += (
            Decision(delivery, lead_id, destination, Status.CANCELLED, now_ms, part),
            Decision(other, lead_id, fallback, Status.PENDING, now_ms, part),
        )
    return decisions


# ---------------------------------------------------------------- changed routes


class _Standing(NamedTuple):
    lead: int
    delivery: int
    destination: str | None
    status: Status
    hold_reason: str
    stands_in_for: str | None
    part: int


class _Step(NamedTuple):
    """One change. Without `delivery` a new one is made; with `to` one that has none is sent."""

    status: Status
    delivery: int | None
    to: str | None
    part: int
    reason: str = ""
    """Why a new one begins held."""


def reroute(
    session: Session,
    headings: Sequence[Heading],
    *,
    actor: str,
    now_ms: int,
) -> tuple[Rerouted, list[Decision]]:
    """Bring leads to where today's routes send them; see `Store.reroute`."""
    pen = _Pen(session, actor, now_ms)
    decisions: list[Decision] = []
    steps: list[tuple[Heading, list[_Step]]] = []
    for heading in headings:
        session.keep_still("lock_deliveries_of_lead_id", {"lead_id": heading.lead_id})
        standings = _standings(session, heading)
        todo = list(_steps(heading, standings))
        steps.append((heading, todo))
        for step in todo:
            delivery, where = _take(pen, heading, standings, step)
            decisions.append(
                Decision(delivery, heading.lead_id, where, step.status, now_ms, step.part)
            )
    return _counted(steps), decisions


def plan(session: Session, headings: Sequence[Heading]) -> Rerouted:
    """What `reroute` would do; changes nothing."""
    return _counted(
        [(heading, list(_steps(heading, _standings(session, heading)))) for heading in headings]
    )


def _standings(session: Session, heading: Heading) -> list[_Standing]:
    rows = session.rows("standings_of_lead", {"lead_id": heading.lead_id})
    return [
        _Standing(lead, delivery, where, Status(status), reason, original, part)
        for lead, delivery, where, status, reason, original, part in rows
    ]


def _steps(heading: Heading, standings: Sequence[_Standing]) -> Iterator[_Step]:
    """What has to change; pure. Each part of a split request stands for itself."""
    for part in sorted({one.part for one in standings}):
        yield from _steps_of(part, heading, [one for one in standings if one.part == part])


def _steps_of(part: int, heading: Heading, standings: Sequence[_Standing]) -> Iterator[_Step]:
    meant = [
        one for one in standings if one.delivery in heading.deliveries and one.status in _MOVABLE
    ]
    if not meant:
        return
    wanted = heading.destinations
    present = {one.destination: one.status for one in standings}
    missing = [name for name in wanted if name not in present]
    # Whether the lead has, or will have, a delivery where it belongs that is not cancelled.
    at_home = bool(missing) or any(
        present.get(name, Status.CANCELLED) is not Status.CANCELLED for name in wanted
    )
    for one in meant:
        if one.destination in wanted or one.stands_in_for in wanted:
            continue
        if one.destination is None and missing:
            yield _Step(Status.PENDING, one.delivery, missing.pop(0), part)
        elif at_home:
            yield _Step(Status.CANCELLED, one.delivery, None, part)
        elif not wanted and one.status is not Status.HELD:
            yield _Step(Status.HELD, one.delivery, None, part)
    # A lead that somebody holds stays held wherever it goes: only who holds it knows why.
    held = all(one.status is Status.HELD and one.destination is not None for one in meant)
    status, reason = (Status.HELD, meant[0].hold_reason) if held else (Status.PENDING, "")
    for name in missing:
        yield _Step(status, None, name, part, reason)


def _take(
    pen: "_Pen", heading: Heading, standings: Sequence[_Standing], step: _Step
) -> tuple[int, str | None]:
    """Make one change; returns the delivery and its destination."""
    lead = standings[0].lead
    if step.delivery is None:
        assert step.to is not None
        made = pen.insert(lead, step.to, step.part, reason=step.reason)
        pen.note(_REROUTE, made, f"to {step.to}")
        return made, step.to
    if step.to is not None:
        pen.send(_REROUTE, lead, step.delivery, step.to)
        return step.delivery, step.to
    if step.status is Status.CANCELLED:
        pen.rest(_REROUTE, step.delivery, _elsewhere(heading))
    else:
        pen.hold(_REROUTE, step.delivery, heading.hold_reason)
    return step.delivery, next(
        one.destination for one in standings if one.delivery == step.delivery
    )


def _elsewhere(heading: Heading) -> str:
    return f"rerouted: today's routes send it to {', '.join(heading.destinations)}"


def _counted(steps: Sequence[tuple[Heading, list[_Step]]]) -> Rerouted:
    every = [step for _, some in steps for step in some]
    stopped = [step.status for step in every if step.to is None]
    return Rerouted(
        leads=sum(1 for _, some in steps if some),
        sent=len(every) - len(stopped),
        cancelled=stopped.count(Status.CANCELLED),
        held=stopped.count(Status.HELD),
    )


# ---------------------------------------------------------------- one row at a time


class _Pen(NamedTuple):
    """Changes one delivery at a time, each with its line in the log of actions."""

    session: Session
    actor: str
    now_ms: int

    def insert(
        self,
        lead: int,
        destination: str,
        part: int,
        *,
        reason: str = "",
        stands_in_for: int | None = None,
    ) -> int:
        """A new delivery, due now or held for a reason."""
        values: Bindings = {
            "lead": lead,
            "destination": destination,
            "now_ms": self.now_ms,
            "reason": reason,
            "stands_in_for": stands_in_for,
            "part": part,
        }
        made: int = self.session.value("insert_redirected", values)
        return made

    def rest(self, verb: str, delivery: int, reason: str) -> None:
        """It shall not be made any more."""
        here: Bindings = {"delivery": delivery, "reason": reason, "now_ms": self.now_ms}
        self.session.rows("rest", here)
        self.note(verb, delivery, reason)

    def hold(self, verb: str, delivery: int, reason: str) -> None:
        """It waits for a person."""
        here: Bindings = {"delivery": delivery, "reason": reason, "now_ms": self.now_ms}
        self.session.rows("hold_delivery", here)
        self.note(verb, delivery, reason)

    def send(self, verb: str, lead: int, delivery: int, destination: str) -> None:
        """It had no destination; now it has one and is due."""
        here: Bindings = {"delivery": delivery, "destination": destination, "now_ms": self.now_ms}
        self.session.rows("send_homeless", here)
        self.session.rows("mark_routed", {"lead": lead})
        self.note(verb, delivery, f"to {destination}")

    def note(self, verb: str, delivery: int, reason: str) -> None:
        """A line in the log of actions."""
        line: Bindings = {"actor": self.actor, "verb": verb, "delivery": delivery, "reason": reason}
        self.session.rows("note_action", {**line, "now_ms": self.now_ms})
