"""Whether a destination is held, by a person, a deployment, or both: each hold stands by itself.

A hold whose term is over holds nothing, whoever looks. Whoever writes also ends it, durably, so
that no person is needed for it; and takes a term over into this boot, so that the wall clock cannot
touch it any more.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from leadkeep.clock import Clock
from leadkeep.deployments import DeploymentResult
from leadkeep.states import Verb
from leadkeep.store.engine.session import Bindings, Session
from leadkeep.terms import Term, ends_at_ms, left_ms, of_this_boot

ITSELF = "leadkeep"
"""Who acts where no person does, in the log of actions."""
TIME_OVER = "its time was over"


class Holder(StrEnum):
    """Who holds a destination."""

    PERSON = "person"
    FAILED = "failed"
    """A deployment whose canary failed; it has ended, and its hold has not."""
    UNDER_WAY = "under_way"
    """A deployment."""


class Hold(NamedTuple):
    """One reason why a destination's leads wait."""

    holder: Holder
    deployment: int | None
    term: Term | None
    """None: until somebody resumes it."""

    def stands(self, clock: Clock) -> bool:
        """Its time is not over."""
        return self.term is None or left_ms(self.term, clock) > 0

    def ends_at_ms(self, clock: Clock) -> int | None:
        """When it ends by itself, for people; None: it does not."""
        return None if self.term is None else ends_at_ms(self.term, clock)


def is_held(session: Session, destination: str, clock: Clock) -> bool:
    """Whether anything holds a destination; changes nothing."""
    return any(hold.stands(clock) for hold in holds_of(session, destination))


def may_claim(session: Session, destination: str, clock: Clock, *, deployment: int | None) -> bool:
    """Whether leads of a destination may be leased now; ends what is over.

    Args:
        deployment: who asks is this deployment, to which neither its own hold nor that of one
            that failed before is a hindrance; None: any worker.
    """
    free, own = True, False
    for hold in holds_of(session, destination):
        if not hold.stands(clock):
            _end(session, destination, hold, clock)
            continue
        _carry_over(session, destination, hold, clock)
        if hold.holder is Holder.UNDER_WAY and hold.deployment == deployment:
            own = True
        elif hold.holder is not Holder.FAILED or deployment is None:
            free = False
    return free and (own or deployment is None)


def end_what_is_over(session: Session, destination: str, clock: Clock) -> None:
    """End the holds of a destination whose time is over."""
    may_claim(session, destination, clock, deployment=None)


def holds_of(session: Session, destination: str) -> list[Hold]:
    """Everything that is noted as holding a destination, its time over or not."""
    rows: list[Any] = session.rows("holds_of_destination", {"destination": destination})
    return [Hold(Holder(who), deployment, term_in(term)) for who, deployment, *term in rows]


class Shown(NamedTuple):
    """What holds a destination, in the fields of a `DestinationView`."""

    held: bool
    hold_reason: str
    held_by_person: bool
    hold_until_ms: int | None
    deployment: int | None


FREE = Shown(held=False, hold_reason="", held_by_person=False, hold_until_ms=None, deployment=None)
"""Nothing holds it."""


def shown_holds(session: Session, clock: Clock) -> dict[str, Shown]:
    """Every destination that is held now. A person's reason comes before a deployment's."""
    found: dict[str, Shown] = {}
    for deployment, name, actor, *columns in session.rows("deployment_holds"):
        hold = Hold(Holder.UNDER_WAY, deployment, term_in(columns))
        if hold.stands(clock):
            reason = f"deployment {deployment} by {actor}"
            found[name] = Shown(True, reason, False, hold.ends_at_ms(clock), deployment)
    for failed, name, why in session.rows("kept_holds"):
        now = found.get(name)
        reason = f"deployment {failed}: {why}" if now is None else now.hold_reason
        found[name] = Shown(True, reason, False, None, now and now.deployment)
    for name, reason, *columns in session.rows("held_destinations"):
        hold = Hold(Holder.PERSON, None, term_in(columns))
        if hold.stands(clock):
            others = found.get(name)
            until_ms = hold.ends_at_ms(clock)
            if until_ms is not None and others is not None:
                latest = others.hold_until_ms
                until_ms = None if latest is None else max(until_ms, latest)
            found[name] = Shown(True, reason, True, until_ms, others and others.deployment)
    return found


def term_in(columns: Sequence[Any]) -> Term | None:
    """The term in its four columns; None if they are empty."""
    return None if columns[0] is None else Term(*columns)


def term_columns(term: Term | None) -> Bindings:
    """A term as bindings for its four columns."""
    if term is None:
        return {"span_ms": None, "until_ms": None, "boot_id": None, "until_boot_ms": None}
    return {**msgspec.structs.asdict(term)}


def abandon(session: Session, deployment: int, *, why: str, now_ms: int) -> None:
    """A deployment ends without having been ended by whoever began it."""
    session.change(
        "end_deployment",
        {
            "deployment": deployment,
            "now_ms": now_ms,
            "result": DeploymentResult.ABANDONED,
            "detail": why,
            "exit_code": None,
            "switched_to": "",
            "canary_lead_id": None,
            "waited": None,
            "longest_wait_ms": None,
        },
    )


def _end(session: Session, destination: str, hold: Hold, clock: Clock) -> None:
    now_ms = clock.now_us() // 1_000
    if hold.deployment is not None:
        abandon(session, hold.deployment, why=TIME_OVER, now_ms=now_ms)
    else:
        session.change("end_hold", {"destination": destination, "now_ms": now_ms})
    what = f"deployment {hold.deployment}" if hold.deployment else "the hold"
    session.change(
        "note_destination_action",
        {
            "destination": destination,
            "actor": ITSELF,
            "verb": Verb.RESUME,
            "reason": f"{what} ended: {TIME_OVER}",
            "now_ms": now_ms,
        },
    )


def _carry_over(session: Session, destination: str, hold: Hold, clock: Clock) -> None:
    if hold.term is None or hold.term.boot_id == clock.boot_id:
        return
    term = of_this_boot(hold.term, clock)
    of_term: Bindings = {
        "until_ms": term.until_ms,
        "boot_id": term.boot_id,
        "until_boot_ms": term.until_boot_ms,
    }
    if hold.deployment is not None:
        session.change("carry_deployment", {**of_term, "deployment": hold.deployment})
    else:
        session.change("carry_hold", {**of_term, "destination": destination})
