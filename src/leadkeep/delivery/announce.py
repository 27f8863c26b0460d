"""What is said about outcomes once the store has them: log lines, metrics, the log of outcomes.

Ids, classes and numbers only, never anything of a lead or a reply.
"""

from collections import Counter
from collections.abc import Sequence

import structlog

from leadkeep.delivery import metrics
from leadkeep.delivery.attempt import Finished
from leadkeep.delivery.scribe import Scribe
from leadkeep.journal.outcomes import OutcomeLine
from leadkeep.models import Claim, Outcome, Recorded
from leadkeep.states import Status

_log = structlog.get_logger("leadkeep.delivery")

_RESULTS = {
    Status.COMPLETED: "completed",
    Status.PENDING: "retry_later",
    Status.FAILED: "failed",
    Status.HELD: "set_aside",
}


class Announcer:
    """Speaks after the commit.

    Args:
        scribe: writes the log of outcomes.
    """

    def __init__(self, scribe: Scribe) -> None:
        self._scribe = scribe

    def announce(self, group: Sequence[tuple[Finished, Recorded]], *, unrecorded: int) -> None:
        """Say what was recorded.

        Args:
            group: in the order recorded.
            unrecorded: how many outcomes still wait.
        """
        metrics.UNRECORDED.set(unrecorded)
        results: Counter[tuple[str, str]] = Counter()
        errors: Counter[tuple[str, str]] = Counter()
        to_mend: Counter[tuple[str, str]] = Counter()
        for (claim, outcome), recorded in group:
            results[claim.destination, _RESULTS[outcome.status]] += 1
            if outcome.error_class:
                error = metrics.error_label(outcome.error_class)
                errors[claim.destination, error] += 1
                to_mend[claim.destination, error] += outcome.needs_mending
            _say(claim, outcome, recorded)
        for (destination, result), count in results.items():
            metrics.ATTEMPTS.labels(destination, result).inc(count)
        for (destination, error), count in errors.items():
            metrics.FAILURES.labels(destination, error).inc(count)
        for (destination, error), count in to_mend.items():
            if count:
                metrics.TO_MEND.labels(destination, error).inc(count)
        self._scribe.write(
            _line(claim, outcome, recorded)
            for (claim, outcome), recorded in group
            if outcome.status is not Status.HELD  # no try: the store's verb has it logged
        )


def _say(claim: Claim, outcome: Outcome, recorded: Recorded) -> None:
    if outcome.status is Status.COMPLETED:
        _log.debug("delivered", lead_id=claim.lead_id, destination=claim.destination)
    elif outcome.status is Status.HELD:
        _log.warning(
            "a lead cannot be sent and is held",
            lead_id=claim.lead_id,
            lead_number=claim.lead_number,
            delivery_id=claim.delivery_id,
            destination=claim.destination,
            reason=outcome.error_message,
        )
    else:
        loud = outcome.status is Status.FAILED or outcome.needs_mending
        say = _log.warning if loud else _log.info
        say(
            _what_failed(outcome),
            lead_id=claim.lead_id,
            lead_number=claim.lead_number,
            delivery_id=claim.delivery_id,
            destination=claim.destination,
            attempt=claim.attempt,
            error_class=outcome.error_class,
            duration_ms=outcome.duration_ms,
            next_attempt_at_ms=outcome.next_attempt_at_ms,
        )
    if recorded.stale:
        metrics.STALE.inc()
        _log.warning(
            "the lease was lost before the outcome was recorded",
            lead_id=claim.lead_id,
            delivery_id=claim.delivery_id,
            destination=claim.destination,
            status=recorded.status,
        )


def _what_failed(outcome: Outcome) -> str:
    if outcome.status is Status.FAILED:
        return "gave up"
    if outcome.needs_mending:
        return "refused; tried again, but somebody must mend something first"
    return "attempt failed"


def _line(claim: Claim, outcome: Outcome, recorded: Recorded) -> OutcomeLine:
    return OutcomeLine(
        delivery_id=claim.delivery_id,
        lead_id=claim.idempotency_key,
        destination=claim.destination,
        status=recorded.status,
        attempt=outcome.attempt,
        at_ms=recorded.at_ms,
    )
