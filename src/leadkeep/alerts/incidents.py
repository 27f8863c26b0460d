"""What becomes of incidents after a look, and what people are told: pure.

An incident fires when its problem is seen first, is still there at each look that sees it, and is
resolved once it has not been seen for a while: longer for one that comes and goes. A problem that a
look could not judge stays what it was.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from enum import StrEnum

import msgspec

from leadkeep.alerts.rules import STICKY
from leadkeep.models import Incident, IncidentStep, Notice, Problem

LATELY_MS = 3_600_000
"""An incident that fired again within this time comes and goes."""
COMES_AND_GOES = 3
"""So many times within it, besides the present one."""


class Word(StrEnum):
    """What a notice begins with."""

    FIRING = "FIRING"
    STILL = "STILL"
    RESOLVED = "RESOLVED"


class Policy(msgspec.Struct, frozen=True):
    """When people are told again; milliseconds."""

    remind_ms: int
    """An urgent incident that nobody has acknowledged; 0: never again."""
    remind_calmly_ms: int = 86_400_000
    """One that is not urgent."""
    calm_ms: int = 120_000
    """Not seen for so long, it is over."""
    long_calm_ms: int = 900_000
    """The same for one that comes and goes."""
    tells: bool = True
    """Somebody is there to be told."""


def next_steps(
    problems: Sequence[Problem],
    incidents: Collection[Incident],
    now_ms: int,
    policy: Policy,
    *,
    unseen: Collection[str] = (),
) -> list[IncidentStep]:
    """What shall be noted after a look.

    Args:
        problems: what the look has found.
        incidents: open ones, and those resolved within `LATELY_MS`.
        unseen: kinds that the look could not judge.
    """
    lately = Counter(one.problem.key for one in incidents if not one.is_open)
    there = {one.problem.key: one for one in incidents if one.is_open}
    found = {problem.key: problem for problem in problems}
    return [
        *_seen(found.values(), there, lately, now_ms, policy),
        *(
            step
            for key, incident in there.items()
            if key not in found and incident.problem.kind not in unseen
            for step in _gone(incident, lately[key], now_ms, policy)
        ),
    ]


def _seen(
    problems: Iterable[Problem],
    there: dict[tuple[str, str], Incident],
    lately: Counter[tuple[str, str]],
    now_ms: int,
    policy: Policy,
) -> Iterator[IncidentStep]:
    for problem in problems:
        before = there.get(problem.key)
        if before is None:
            new = Incident(
                incident_id=0, version=0, problem=problem, fired_at_ms=now_ms, seen_at_ms=now_ms
            )
            yield _told(new, Word.FIRING, lately[problem.key], now_ms, policy)
            continue
        # The rules know no beginning for some: the first sight is theirs.
        since_ms = min(problem.since_ms, before.problem.since_ms)
        still = msgspec.structs.replace(
            before, problem=msgspec.structs.replace(problem, since_ms=since_ms), seen_at_ms=now_ms
        )
        worse = problem.urgent and not before.problem.urgent
        if worse or not before.told:
            yield _told(still, Word.FIRING, lately[problem.key], now_ms, policy)
        elif _reminder_is_due(still, now_ms, policy):
            yield _told(still, Word.STILL, lately[problem.key], now_ms, policy)
        else:
            yield IncidentStep(still)


def _gone(incident: Incident, lately: int, now_ms: int, policy: Policy) -> Iterator[IncidentStep]:
    if incident.problem.kind in STICKY and incident.acknowledged_at_ms is None:
        return
    calm_ms = policy.long_calm_ms if lately >= COMES_AND_GOES else policy.calm_ms
    # A clock that went back must not keep it open.
    if 0 <= now_ms - incident.seen_at_ms < calm_ms:
        return
    over = msgspec.structs.replace(incident, resolved_at_ms=now_ms)
    if incident.told:
        yield _told(over, Word.RESOLVED, lately, now_ms, policy)
    else:
        yield IncidentStep(over)


def _told(
    incident: Incident, word: Word, recurrences: int, now_ms: int, policy: Policy
) -> IncidentStep:
    """The step, with its notice unless nobody shall be told."""
    if not policy.tells or _is_silenced(incident, now_ms):
        return IncidentStep(incident)
    told = msgspec.structs.replace(incident, told_at_ms=now_ms, told=incident.told + 1)
    every_ms = _reminder_ms(told, policy)
    reminds = word is not Word.RESOLVED and every_ms and told.acknowledged_at_ms is None
    return IncidentStep(
        told,
        Notice(
            word=word,
            incident=told,
            recurrences=recurrences,
            next_reminder_ms=now_ms + every_ms if reminds else None,
        ),
    )


def _reminder_is_due(incident: Incident, now_ms: int, policy: Policy) -> bool:
    every_ms = _reminder_ms(incident, policy)
    if not every_ms or incident.acknowledged_at_ms is not None or incident.told_at_ms is None:
        return False
    # Told in the future: a clock went back.
    return not 0 <= now_ms - incident.told_at_ms < every_ms


def _reminder_ms(incident: Incident, policy: Policy) -> int:
    if not policy.remind_ms or incident.problem.urgent:
        return policy.remind_ms
    return max(policy.remind_ms, policy.remind_calmly_ms)


def _is_silenced(incident: Incident, now_ms: int) -> bool:
    return incident.silenced_until_ms is not None and now_ms < incident.silenced_until_ms
