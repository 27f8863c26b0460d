"""When to try again: a pure function of what the attempt came to, its history and now.

By age, never by count: a lead is tried for `age_seconds` since its first try, and `failed` only
after that, or at once where the operator has called an outcome terminal. Waits grow from
`first_seconds` by `factor` up to `longest_seconds`, or are those of a list, each drawn with jitter,
so that leads that failed together do not come back together.
"""

from collections.abc import Callable
from typing import NamedTuple

from leadkeep.destinations.base import REFUSED, Reply
from leadkeep.settings.model import RetrySettings
from leadkeep.settings.outcomes import GROUPS
from leadkeep.settings.statuses import StatusRange

RETRY_AFTER_SPREAD = 0.1
"""Those who were told the same time come back over so much of it more, and no less than the first
wait: a destination asks all of them at once."""

_TRY_AGAIN_STATUSES = frozenset({408, 425, 429})
_TO_MEND = frozenset({REFUSED, "unsendable"})
"""Classes of error that say of a lead what a 4xx says."""
_LARGEST_EXPONENT = 64


class Completed(NamedTuple):
    """The destination has it."""


class RetryAt(NamedTuple):
    """Try again then."""

    at_ms: int
    needs_mending: bool = False
    """Somebody must mend something before a try can succeed: a person should hear of it."""


class GiveUp(NamedTuple):
    """Tried for its whole age, or come to a terminal outcome; a person decides."""

    reason: str


Decision = Completed | RetryAt | GiveUp


def decide(
    reply: Reply,
    *,
    attempt: int,
    first_attempt_at_ms: int,
    now_ms: int,
    policy: RetrySettings,
    random: Callable[[], float],
) -> Decision:
    """What shall happen to a delivery after an attempt.

    Args:
        reply: what came of the attempt.
        attempt: its number, from 1.
        first_attempt_at_ms: when the first attempt of this delivery began.
        now_ms: when this one ended.
        policy: the destination's.
        random: a number in [0, 1), for the jitter.
    """
    if reply.confirmed:
        return Completed()
    terminal = terminal_by(reply, policy)
    if terminal:
        return GiveUp(f"not tried again, since retry.terminal names {terminal}")
    if now_ms - first_attempt_at_ms >= policy.age_seconds * 1000:
        return GiveUp(f"not confirmed within {_span(policy.age_seconds)} of trying")
    wait = _wait_seconds(reply, attempt, policy, random)
    return RetryAt(now_ms + round(wait * 1000), needs_mending(reply))


def longest_wait_seconds(policy: RetrySettings) -> float:
    """No try is ever put off further than this."""
    if policy.kind == "list":
        own = max((*policy.waits_seconds, policy.refused_first_seconds))
    else:
        own = policy.longest_seconds
    asked = policy.retry_after_longest_seconds
    return max(own, asked + _spread(asked, policy))


def terminal_by(reply: Reply, policy: RetrySettings) -> str:
    """The entry of `retry.terminal` that ends this delivery; empty if none does."""
    for entry in policy.terminal:
        if isinstance(entry, StatusRange):
            if reply.status is not None and entry.first <= reply.status <= entry.last:
                return str(entry)
        elif entry[1:] == "xx":
            # Who asks for another try shall have it, unless its status is named by itself.
            if reply.status not in _TRY_AGAIN_STATUSES and str(reply.status)[:1] == entry[0]:
                return entry
        elif reply.error_class in GROUPS.get(entry, (entry,)):
            return entry
    return ""


def needs_mending(reply: Reply) -> bool:
    """True if the request itself is found wrong: until somebody mends something, tries only make
    noise."""
    return is_refusal(reply.status) or reply.error_class in _TO_MEND


def is_refusal(status: int | None) -> bool:
    """True for a 4xx that does not itself ask to be tried again."""
    return status is not None and 400 <= status < 500 and status not in _TRY_AGAIN_STATUSES


def _wait_seconds(
    reply: Reply, attempt: int, policy: RetrySettings, random: Callable[[], float]
) -> float:
    wait = _drawn(_full_wait_seconds(reply, attempt, policy), policy, random)
    if reply.retry_after_seconds is not None:
        asked = min(reply.retry_after_seconds, policy.retry_after_longest_seconds)
        wait = max(wait, asked + random() * _spread(asked, policy))
    return wait


def _full_wait_seconds(reply: Reply, attempt: int, policy: RetrySettings) -> float:
    slowest = policy.refused_first_seconds if needs_mending(reply) else 0.0
    if policy.kind == "list":
        waits = policy.waits_seconds
        return max(waits[min(attempt, len(waits)) - 1], slowest)
    growth = policy.factor ** min(attempt - 1, _LARGEST_EXPONENT)
    return min(max(policy.first_seconds, slowest) * growth, policy.longest_seconds)


def _drawn(wait: float, policy: RetrySettings, random: Callable[[], float]) -> float:
    match policy.jitter:
        case "none":
            return wait
        case "equal":
            return wait / 2 + random() * wait / 2
        case _:
            return random() * wait


def _spread(asked: float, policy: RetrySettings) -> float:
    """Over how many seconds they come who were told the same time."""
    if policy.jitter == "none":
        return 0.0
    first = policy.waits_seconds[0] if policy.kind == "list" else policy.first_seconds
    return max(first, asked * RETRY_AFTER_SPREAD)


def _span(seconds: float) -> str:
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} seconds"
