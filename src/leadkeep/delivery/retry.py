"""When to try again: a pure function of what the attempt came to, its history and now.

By age, never by count: a lead is tried for `age_seconds` since its first try, and `failed` only
after that. Waits grow from `first_seconds` by `factor` up to `longest_seconds`, each with full
jitter, so that leads that failed together do not come back together.
"""

from collections.abc import Callable
from typing import NamedTuple

from leadkeep.destinations.base import REFUSED, Reply
from leadkeep.settings.model import RetrySettings

REFUSED_FIRST_SECONDS = 60.0
"""Where waits begin after a 4xx that says that the request itself is wrong: somebody must mend
something first, and until then tries only make noise."""

_TRY_AGAIN_STATUSES = frozenset({408, 425, 429})
_LARGEST_EXPONENT = 64


class Completed(NamedTuple):
    """The destination has it."""


class RetryAt(NamedTuple):
    """Try again then."""

    at_ms: int


class GiveUp(NamedTuple):
    """Tried for its whole age; a person decides."""

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
    if now_ms - first_attempt_at_ms >= policy.age_seconds * 1000:
        return GiveUp(f"not confirmed within {_span(policy.age_seconds)} of trying")
    return RetryAt(now_ms + round(_wait_seconds(reply, attempt, policy, random) * 1000))


def _wait_seconds(
    reply: Reply, attempt: int, policy: RetrySettings, random: Callable[[], float]
) -> float:
    first = policy.first_seconds
    if is_refusal(reply.status) or reply.error_class == REFUSED:
        first = max(first, REFUSED_FIRST_SECONDS)
    growth = policy.factor ** min(attempt - 1, _LARGEST_EXPONENT)
    wait = random() * min(first * growth, policy.longest_seconds)
    if reply.retry_after_seconds is not None:
        # Not before the destination asked for, and spread, since it asked all of them.
        wait = max(wait, reply.retry_after_seconds + random() * policy.first_seconds)
    return min(wait, policy.longest_seconds)


def is_refusal(status: int | None) -> bool:
    """True for a 4xx that does not itself ask to be tried again."""
    return status is not None and 400 <= status < 500 and status not in _TRY_AGAIN_STATUSES


def _span(seconds: float) -> str:
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} seconds"
