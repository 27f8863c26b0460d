"""Writes what people decide into the log of outcomes, before their command says that it is done.

Without it a store that is lost takes every cancellation with it, and what a person had cancelled
would come back for another to resume.
"""

import asyncio
import contextlib
from collections.abc import Sequence

import structlog

from leadkeep.errors import JournalUnavailable
from leadkeep.journal.outcomes import OutcomeLine, OutcomeLog
from leadkeep.models import Decision, key_of_part

_log = structlog.get_logger("leadkeep.delivery")


class DecisionLog:
    """The decisions of one process.

    Args:
        outcome_log: used by this alone.
    """

    def __init__(self, outcome_log: OutcomeLog) -> None:
        self._outcome_log = outcome_log
        self._turn = asyncio.Lock()

    async def write(self, decisions: Sequence[Decision]) -> None:
        """Append and sync. A log that cannot be written is said; the decision stands."""
        lines = [_line(decision) for decision in decisions]
        async with self._turn:
            try:
                await asyncio.to_thread(self._write, lines)
            except JournalUnavailable as error:
                _log.warning(
                    "decided, but not in the log of outcomes: if the store is ever lost, these "
                    "deliveries come back held",
                    deliveries=len(lines),
                    error=str(error),
                    hint=error.hint,
                )

    async def close(self) -> None:
        """Let go of the file."""
        async with self._turn:
            with contextlib.suppress(JournalUnavailable):
                # Each write was synced by itself; what failed was said then.
                await asyncio.to_thread(self._outcome_log.close)

    def _write(self, lines: Sequence[OutcomeLine]) -> None:
        self._outcome_log.append(lines)
        self._outcome_log.sync()


def _line(decision: Decision) -> OutcomeLine:
    return OutcomeLine(
        delivery_id=decision.delivery_id,
        lead_id=key_of_part(decision.lead_id, decision.part),
        destination=decision.destination or "",
        status=decision.status,
        attempt=0,
        at_ms=decision.at_ms,
    )
